package replica

import (
	"time"

	"github.com/shoalcache/shoal/antientropy"

	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/storage"
)

// ShardStats is what a shard counts, besides what its store and its hints count themselves.
type ShardStats struct {
	OK             int64 `json:"ok"`
	NotFound       int64 `json:"not_found"`
	Failed         int64 `json:"failed"`
	Overloaded     int64 `json:"overloaded"`
	Forwarded      int64 `json:"forwarded"`
	Late           int64 `json:"late"`      // foreground writes that came past their deadline
	Ahead          int64 `json:"ahead"`     // stamps beyond the skew bound or the ceiling
	Full           int64 `json:"full"`      // writes for which the store had no room, and evicts nothing
	Malformed      int64 `json:"malformed"` // pages that made no sense
	Repeated       int64 `json:"repeated"`  // requests sent again, or told apart from such
	Hedges         int64 `json:"hedges"`
	Repairs        int64 `json:"repairs"`
	RepairsLate    int64 `json:"repairs_late"`     // of these: found by replies that came after the answer
	RepairsChecked int64 `json:"repairs_checked"`  // of these: found by asking by chance
	Withheld       int64 `json:"repairs_withheld"` // not sent, the same having been sent within a second
	Checks         int64 `json:"checks"`           // owners asked by chance, after the answer
	Restamps       int64 `json:"restamps"`
	Conflicts      int64 `json:"conflicts"`          // writes that left siblings beside theirs
	Collapsed      int64 `json:"siblings_collapsed"` // that gave way to newer ones, being too many
	Contexts       int64 `json:"contexts_refused"`   // not given for the key, or not as they came
	Forgotten      int64 `json:"forgotten"`
	Refilled       int64 `json:"refilled"`  // records pulled
	Recovered      int64 `json:"recovered"` // partitions
}

// Stats is what a node counts, summed over its shards.
type Stats struct {
	ShardStats
	Owned      int                       `json:"partitions_owned"`
	Recovering int                       `json:"partitions_recovering"`
	Busy       int                       `json:"requests_under_way"`
	BusyBytes  int64                     `json:"requests_bytes"`
	Remembered int                       `json:"requests_remembered"` // that may be sent again
	Storage    storage.Stats             `json:"storage"`
	Hints      hints.Stats               `json:"hints"`
	Exchange   antientropy.ExchangeStats `json:"exchange"`
	Debts      []hints.Debt              `json:"-"` // by target
	HandsOver  bool                      `json:"-"` // others are to keep what it owes to nodes that are down
	Background BackgroundStats           `json:"background"`
	Recovery   Recovery                  `json:"recovery"`
}

// BackgroundStats is what a node does in the background: how fast, and the bytes since it started.
type BackgroundStats struct {
	Pace
	Hinted    int64 `json:"hint_bytes"`     // sent, hints that were sent again among them
	Refilled  int64 `json:"refill_bytes"`   // of pages that it asked for
	Told      int64 `json:"told_bytes"`     // of pages that others asked for
	Exchanged int64 `json:"exchange_bytes"` // said in exchanges, to and by this node
	Waiting   int   `json:"asked_waiting"`
}

// Add puts the shard's counts on top of t.
func (s *Shard) Add(t *Stats) {
	a := &t.ShardStats
	a.OK += s.stats.OK
	a.NotFound += s.stats.NotFound
	a.Failed += s.stats.Failed
	a.Overloaded += s.stats.Overloaded
	a.Forwarded += s.stats.Forwarded
	a.Late += s.stats.Late
	a.Ahead += s.stats.Ahead
	a.Full += s.stats.Full
	a.Malformed += s.stats.Malformed
	a.Repeated += s.stats.Repeated
	a.Hedges += int64(s.eff.Hedges)
	a.Repairs += int64(s.eff.Repairs)
	a.RepairsLate += int64(s.eff.RepairsLate)
	a.RepairsChecked += int64(s.eff.RepairsChecked)
	a.Withheld += int64(s.eff.Withheld)
	a.Checks += int64(s.eff.Checks)
	a.Restamps += int64(s.eff.Restamps)
	a.Conflicts += int64(s.eff.Conflicts)
	a.Collapsed += int64(s.eff.Collapsed)
	a.Contexts += s.stats.Contexts
	a.Forgotten += int64(s.eff.Forgotten)
	a.Refilled += s.stats.Refilled
	a.Recovered += s.stats.Recovered
	for _, rank := range s.refill.ranks {
		if rank != noRank {
			t.Owned++
		}
	}
	t.Recovering += s.Recovering()
	s.refill.add(&t.Recovery, s.now.Mono)
	if r := &t.Recovery; r.Recovered > 0 {
		r.Left = time.Duration(float64(r.Took) * float64(r.Partitions-r.Recovered) / float64(r.Recovered))
	}
	t.Busy += s.calls.busy
	t.BusyBytes += int64(s.calls.bytes)
	t.Remembered += len(s.once.index)
	t.Storage.Add(s.store.Stats())
	t.Hints.Add(s.hints.Stats())
	t.HandsOver = s.handsOver()
	t.Exchange.Add(s.exchange.side.Stats)
	pending, stalled := s.exchange.pending(s.view)
	t.Exchange.Pending += pending
	t.Exchange.Stalled += stalled
	b := &t.Background
	b.Pace = s.purse.pace
	b.Hinted += s.purse.bytes[workHint]
	b.Refilled += s.purse.bytes[workRefill]
	b.Told += s.purse.bytes[workTell]
	b.Exchanged += s.purse.bytes[workExchange]
	b.Waiting += len(s.asked)
	t.Debts = s.hints.AddDebts(t.Debts)
}

// Recovering is how many partitions of the shard have not recovered yet.
func (s *Shard) Recovering() int { return len(s.refill.waiting) + len(s.refill.active) }

// OwedTo is how many hints the shard keeps for a node.
func (s *Shard) OwedTo(node uint64) int { return s.hints.OwedTo(node) }
