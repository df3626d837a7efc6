package antientropy

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// ExchangeConfig bounds exchanges. Every field must be positive, but Period, which may be 0: there are none then but what is asked for.
type ExchangeConfig struct {
	Period    time.Duration // between two exchanges with one node, where nothing says that they are needed; less finds sooner what hints have missed, and compares more; default 20 s
	Settle    time.Duration // what was written since is left to its coordinator and to hints; default 5.5 s: the longest deadline, and what clocks may differ
	Walks     int           // partitions of one shard that are walked at a time; more is faster, and holds more in memory; default 4
	PageBytes int           // of records that are told at a time: how long the shard is held by them; default 32 KiB
	Retry     time.Duration // before what is not answered is asked again; default 1 s
}

// DefaultExchangeConfig returns the defaults named at the fields.
func DefaultExchangeConfig() ExchangeConfig {
	return ExchangeConfig{Period: 20 * time.Second, Settle: 5500 * time.Millisecond, Walks: 4, PageBytes: 32 << 10, Retry: time.Second}
}

// Validate returns every problem at once, each wrapping ErrConfig, or nil.
func (c ExchangeConfig) Validate() error {
	var problems []error
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"Period", int64(c.Period) + 1}, {"Settle", int64(c.Settle)}, {"Walks", int64(c.Walks)}, {"PageBytes", int64(c.PageBytes)}, {"Retry", int64(c.Retry)},
	} {
		if f.value <= 0 {
			problems = append(problems, fmt.Errorf("%w: Exchange.%s: give it a positive value", ErrConfig, f.name))
		}
	}
	return errors.Join(problems...)
}

const (
	comparedMost = 256 // partitions in one message: to sum them up holds a shard for about half a millisecond
	triesMost    = 5   // of one message, before the exchange is given up
	differedMost = 16  // partitions are remembered by number that an exchange has found to differ
	messageBytes = 40  // is about what a message has beside its body
)

// Exchange brings what this node and a peer know of the partitions that they share into agreement: it compares all of them at once,
// walks down where they differ, and lets each tell the other what it lacks. It asks, and the peer only answers (Side.Answer).
type Exchange struct {
	cfg    ExchangeConfig
	side   *Side
	peer   uint64
	serial *uint64 // given last, over all exchanges of a shard

	shards   int      // of the peer, as far as is known
	compare  []uint32 // partitions to be compared
	asked    []uint32 // those being compared
	differ   []uint32 // those to be walked
	walks    []*walk
	ask      ask // of asked
	failed   bool
	refused  bool     // another walks down at the peer
	differed []uint32 // partitions that were found to differ, in no order, differedMost at most
}

// ask is a message that waits for its answer.
type ask struct {
	m     wire.Message // ID 0: none is under way
	at    time.Duration
	tries int
}

// NewExchange makes an exchange with a peer of the partitions that are given, which a shard of this node has.
func NewExchange(cfg ExchangeConfig, side *Side, peer uint64, partitions []uint32, serial *uint64) *Exchange {
	return &Exchange{cfg: cfg, side: side, peer: peer, serial: serial, shards: side.Shards, compare: partitions}
}

// Peer is whom the exchange is with.
func (x *Exchange) Peer() uint64 { return x.peer }

// Done reports whether there is nothing left to do, and whether that is because the peer did not answer.
func (x *Exchange) Done() (done, failed bool) {
	return x.failed || x.refused || len(x.compare)+len(x.asked)+len(x.differ)+len(x.walks) == 0, x.failed
}

// Differed are partitions that were found to differ, in no order: all of them, or some of many.
func (x *Exchange) Differed() []uint32 { return x.differed }

// Refused reports whether the peer has another exchange under way, so that this one should begin a little later.
func (x *Exchange) Refused() bool { return x.refused }

// Cut is the stamp before which an exchange compares: the beginning of the window in which the latest settled write lies. Now is a
// time near the median of all clocks.
func (c *ExchangeConfig) Cut(wall int64) vclock.Stamp {
	settled := wall - c.Settle.Milliseconds()
	return vclock.StampAt(max(settled-settled%storage.WindowLeast, 0))
}

// Tick lets the exchange ask what it can ask now, which lies before the stamp cut.
func (x *Exchange) Tick(now vclock.Now, cut vclock.Stamp, dst []Pull) []Pull {
	dst = x.again(now, &x.ask, dst)
	if len(x.asked) == 0 && len(x.compare) > 0 && x.side.May() {
		dst = x.comparing(now, cut, dst)
	}
	x.walks = slices.DeleteFunc(x.walks, func(w *walk) bool { return w.done })
	for len(x.walks) < x.cfg.Walks && len(x.differ) > 0 {
		x.walks = append(x.walks, &walk{partition: x.differ[0]})
		x.differ = x.differ[1:]
	}
	for _, w := range x.walks {
		if w.m.ID != 0 {
			dst = x.again(now, &w.ask, dst)
			continue
		}
		dst = x.step(now, cut, w, dst)
	}
	return dst
}

// send asks the peer.
func (x *Exchange) send(now vclock.Now, a *ask, m wire.Message, dst []Pull) []Pull {
	*x.serial++
	m.Kind, m.ID = wire.KindExchange, *x.serial
	*a = ask{m: m, at: now.Mono, tries: 1}
	x.sent(&m)
	return append(dst, Pull{Node: x.peer, Message: m})
}

func (x *Exchange) sent(m *wire.Message) {
	x.side.Stats.SentBytes += int64(len(m.Body) + messageBytes)
	x.side.Pay(len(m.Body) + messageBytes)
}

func (x *Exchange) received(m *wire.Message) {
	x.side.Stats.ReceivedBytes += int64(len(m.Body) + messageBytes)
	x.side.Pay(len(m.Body) + messageBytes)
}

// again asks once more what was not answered.
func (x *Exchange) again(now vclock.Now, a *ask, dst []Pull) []Pull {
	if a.m.ID == 0 || now.Mono-a.at < x.cfg.Retry {
		return dst
	}
	if a.tries == triesMost {
		x.failed = true
		return dst
	}
	a.at = now.Mono
	a.tries++
	x.sent(&a.m)
	return append(dst, Pull{Node: x.peer, Message: a.m})
}

// comparing asks about as many partitions as fit in one message, of one shard of the peer.
func (x *Exchange) comparing(now vclock.Now, cut vclock.Stamp, dst []Pull) []Pull {
	var body []byte
	first := x.compare[0]
	x.asked = x.asked[:0]
	x.compare = slices.DeleteFunc(x.compare, func(p uint32) bool {
		if len(x.asked) == comparedMost || !sameShard(p, first, x.shards) {
			return false
		}
		if fewer, ok := x.side.comparable(x.peer, p); ok {
			if from, sum := x.side.sum(p, storage.Span{To: cut}, fewer); from < cut {
				body = wire.AppendNumbers(body, uint64(p), uint64(from), sum)
				x.asked = append(x.asked, p)
			}
		}
		return true
	})
	if len(x.asked) == 0 {
		return dst
	}
	slices.Sort(x.asked)
	x.side.Stats.Compared += int64(len(x.asked))
	return x.send(now, &x.ask, wire.Message{Step: wire.StepCompare, Partition: x.asked[0], To: cut, Body: body}, dst)
}

// Reply takes the peer's answer, and appends what is to be asked next. The error is one of wire's, for an answer that makes no sense;
// it is asked for again.
func (x *Exchange) Reply(now vclock.Now, cut vclock.Stamp, id uint64, m *wire.Message, dst []Pull) ([]Pull, error) {
	if x.ask.m.ID == id && id != 0 {
		x.received(m)
		err := x.compared(m)
		return dst, err
	}
	for _, w := range x.walks {
		if w.m.ID != id || id == 0 || w.m.Step != m.Step {
			continue
		}
		x.received(m)
		if m.Outcome != wire.OutcomeOK { // it does not own the partition by now, or recovers it
			w.done, w.m.ID = true, 0
			return dst, nil
		}
		if err := x.told(now, w, m); err != nil {
			return dst, err
		}
		w.m.ID = 0
		return x.step(now, cut, w, dst), nil
	}
	return dst, nil
}

// compared takes what the peer finds different.
func (x *Exchange) compared(m *wire.Message) error {
	if m.Step != wire.StepCompare {
		return nil
	}
	if x.refused = m.Outcome == wire.OutcomeNotReady; x.refused {
		return nil
	}
	if x.failed = m.Outcome != wire.OutcomeOK; x.failed {
		return nil
	}
	before, not := x.ask.m.To, int64(0) // partitions that the other cannot compare
	var differ []uint32
	var partition, from, sum uint64
	n := wire.NewNumbers(m.Body)
	for range len(x.asked) {
		if !n.Next(&partition, &from, &sum) {
			break
		}
		p := uint32(partition)
		if _, found := slices.BinarySearch(x.asked, p); !found || partition>>32 != 0 {
			continue
		}
		fewer, ok := x.side.comparable(x.peer, p)
		if !ok {
			continue
		}
		if vclock.Stamp(from) == before {
			not++
			continue
		}
		if own, ownSum := x.side.sum(p, storage.Span{From: vclock.Stamp(from), To: before}, fewer); own != vclock.Stamp(from) || ownSum != sum {
			differ = append(differ, p)
		}
	}
	if n.Err() != nil {
		return n.Err()
	}
	x.side.Stats.Compared -= not
	x.side.Stats.Differing += int64(len(differ))
	x.differed = append(x.differed, differ[:min(len(differ), differedMost-len(x.differed))]...)
	x.differ = append(x.differ, differ...)
	slices.SortStableFunc(x.differ, func(a, b uint32) int { return x.urgency(a) - x.urgency(b) })
	if shards := int(m.Limit); shards > x.shards && shards&(shards-1) == 0 { // what is not in the one that answered was not compared
		x.shards = shards
		for _, p := range x.asked {
			if !sameShard(p, x.asked[0], shards) {
				x.side.Stats.Compared--
				x.compare = append(x.compare, p)
			}
		}
	}
	x.ask.m.ID = 0
	x.asked = x.asked[:0]
	return nil
}

// urgency orders partitions: the lesser is walked first.
func (x *Exchange) urgency(partition uint32) int {
	if x.side.Urgent(x.peer, partition) {
		return 0
	}
	return 1
}

// ExchangeStats counts what the exchanges of a node did: those that it asked in, and what it was told in any.
type ExchangeStats struct {
	Pending       int64 `json:"pending"` // that somebody waits for, now
	Stalled       int64 `json:"stalled"` // of these, with nodes that are down
	Begun         int64 `json:"begun"`
	Failed        int64 `json:"failed"`         // for want of answers
	Compared      int64 `json:"compared"`       // partitions
	Differing     int64 `json:"differing"`      // of these, in which something differed
	Given         int64 `json:"given"`          // records and ghosts told to those asked
	SentBytes     int64 `json:"sent_bytes"`     // to those asked
	ReceivedBytes int64 `json:"received_bytes"` // from them
	Merged        int64 `json:"merged"`         // records and ghosts told to this node that said something new
	False         int64 `json:"false"`          // records told to it that it knew, or had forgotten, as late: for nothing
}

// Add puts o's counts on top of s.
func (s *ExchangeStats) Add(o ExchangeStats) {
	s.Pending += o.Pending
	s.Stalled += o.Stalled
	s.Begun += o.Begun
	s.Failed += o.Failed
	s.Compared += o.Compared
	s.Differing += o.Differing
	s.Given += o.Given
	s.SentBytes += o.SentBytes
	s.ReceivedBytes += o.ReceivedBytes
	s.Merged += o.Merged
	s.False += o.False
}
