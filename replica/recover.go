package replica

import (
	"bytes"
	"math"
	"time"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// refills is the recovering side of a shard: which partitions it owns, which of them wait to be refilled,
// and which are being.
type refills struct {
	ranks   []uint8  // this node's as owner, by partition / shards; noRank where it is none
	knows   []uint8  // the same, but as it was when it recovered last, or the greatest since: it knows what such an owner knows
	asks    []uint32 // reads of each partition while it waits, by partition / shards
	waiting []waiting
	stuck   bool // none of them can begin as long as no more nodes are up
	active  []*refill
	wave    wave
	most    int
	cfg     antientropy.Config
	serial  uint64 // given to a page last
}

// waiting is a partition that is to be refilled.
type waiting struct {
	partition uint32
	notBefore time.Duration
	begun     *antientropy.Refill // that waits for an owner to come back; nil: none
}

type refill struct {
	*antientropy.Refill
	waiting
}

func (r *refills) init(cfg *Config, serial uint64) {
	r.most, r.cfg, r.serial = cfg.RefillsMax, cfg.Refill, serial
}

// own brings the shard's partitions in line with a new placement. Every partition gained, if only for the keys of some
// namespace, is recovering from now on: it may hold nothing of what was acknowledged before.
func (s *Shard) own(old *View) {
	shards := uint32(s.cfg.Shards)
	total := s.view.Map.Partitions
	r := &s.refill
	if r.ranks == nil {
		n := int((total - uint32(s.number) + shards - 1) / shards)
		r.ranks, r.knows, r.asks = bytes.Repeat([]byte{noRank}, n), bytes.Repeat([]byte{noRank}, n), make([]uint32, n)
	}
	anew := old == nil || old.Ownership != s.view.Ownership
	for p := uint32(s.number); p < total; p += shards {
		r.ranks[p/shards] = s.view.rank(p)
		anew = anew || s.view.spaces.gains(r.knows[p/shards], r.ranks[p/shards])
	}
	if !anew {
		return
	}
	floor, notBefore := s.cfg.BootFloor, s.now.Mono+s.cfg.Coordinator.TimeoutMax
	if old != nil || floor == 0 && !s.cfg.Founder {
		floor = max(floor, vclock.StampAt(s.now.Wall+s.view.Offset+newOwnerMargin.Milliseconds()))
	}
	// Whom a refill must ask, from when, and what of its pages counts, has changed: those not done begin again.
	r.waiting = r.waiting[:0]
	r.wave = wave{}
	clear(r.active)
	r.active = r.active[:0]
	for p := uint32(s.number); p < total; p += shards {
		rank, knows := r.ranks[p/shards], &r.knows[p/shards]
		_, recovering := s.store.Recovering(p)
		switch {
		case rank == noRank && *knows != noRank:
			s.store.Drop(p)
			*knows = noRank
		case rank != noRank && (recovering || s.view.spaces.gains(*knows, rank)): // while it recovers, other owners may have come and gone
			s.store.Recover(p, floor)
			r.waiting = append(r.waiting, waiting{partition: p, notBefore: notBefore})
			r.wave.partitions++
			*knows = rank
		default:
			*knows = max(*knows, rank) // from a namespace that it is told of later, it may have missed what the rank before missed
		}
	}
}

// tickRefills starts waiting refills while there is room, and ends those that have pulled everything. One
// whose other owners are not all up could not end, and waits; where that is so of all, none is looked at until the view changes.
func (s *Shard) tickRefills() {
	r := &s.refill
	for len(r.waiting) > 0 && len(r.active) < r.most && !r.stuck {
		w, ok := r.hottest(uint32(s.cfg.Shards), s.view.ownersUp)
		if !ok {
			r.stuck = true
			break
		}
		x := &refill{w.begun, w}
		if x.begun = nil; x.Refill == nil {
			x.Refill = antientropy.NewRefill(r.cfg, w.partition, s.view.Others(w.partition), w.notBefore, &r.serial)
		}
		r.active = append(r.active, x)
	}
	for _, x := range r.active {
		s.pull(x)
	}
	s.endRefills()
}

// pull sends what a refill asks for, while the purse has anything left.
func (s *Shard) pull(r *refill) {
	may := func(node uint64) bool { return s.view.Up(node) && s.purse.may(workRefill) }
	s.pulls = r.Tick(s.now.Mono, may, s.pageBytes(), s.pulls[:0])
	for i := range s.pulls {
		p := &s.pulls[i]
		s.refill.wave.begin(s.now.Mono)
		s.purse.reserve(int(p.Message.Limit))
		p.Message.ID = idRefill<<idKindShift | uint64(s.number)<<idShardShift | p.Message.ID&ownMask
		s.out.message(p.Node, &p.Message)
	}
	s.pulls = s.pulls[:0]
}

// pageBytes is how much a page is asked to have.
func (s *Shard) pageBytes() int {
	if s.purse.pace.Rate == 0 { // nobody drives the pacer
		return math.MaxInt
	}
	return int(s.purse.pace.pageBytes())
}

// page takes one page of a partition being refilled.
func (s *Shard) page(from uint64, m *wire.Message) {
	if s.tooFar(max(m.Floor, m.Known.Stamp)) {
		s.stats.Ahead++
		return
	}
	in := antientropy.Inward{
		Hash: s.cfg.Hash, Limits: &s.cfg.Limits,
		Install: func(e *wire.PageEntry) antientropy.Verdict { return s.install(m.Partition, e) },
	}
	s.purse.pay(workRefill, pageOverhead+len(m.Body))
	for _, r := range s.refill.active {
		if r.partition != m.Partition {
			continue
		}
		asked, err := r.Page(from, m.ID&ownMask, m, in)
		s.purse.reserve(-asked)
		if err != nil {
			s.stats.Malformed++
		}
		s.pull(r)
	}
	s.endRefills()
}

// install takes one record of a page of partition p into the store. A ghost is only judged: it is as able
// as a record to put a key's floor where no clock gets.
func (s *Shard) install(p uint32, e *wire.PageEntry) antientropy.Verdict {
	switch {
	case s.early(e):
		return antientropy.Later
	case e.IsGhost, e.IsBrief:
		return antientropy.Taken
	}
	k := s.inner(e.Key)
	if k.Partition != p {
		return antientropy.Refused // its sender is broken
	}
	if !s.holds(&k) {
		return antientropy.Taken // another owner of the partition has it
	}
	s.stats.Refilled++
	switch s.store.Refill(k, &e.Set, s.now.Wall).Outcome {
	case storage.TooLarge:
		return antientropy.Refused
	case storage.Full: // others may count this node among those that have it
		s.stats.Full++
		return antientropy.Refused
	default:
		return antientropy.Taken
	}
}

// endRefills rules on what was pulled, and begins the next.
func (s *Shard) endRefills() {
	kept := s.refill.active[:0]
	for _, r := range s.refill.active {
		if !r.Done() {
			kept = append(kept, r)
			continue
		}
		var ghosts []storage.Ghost
		for _, g := range r.Ghosts() {
			if int(s.rank(r.partition))+int(g.Fewer) < s.view.Map.Replicas() { // else it is of a key of others
				ghosts = append(ghosts, storage.Ghost(g))
			}
		}
		mark := r.Mark()
		if len(s.view.Others(r.partition)) == 0 { // what it forgot, nobody can tell it
			floor, _ := s.store.Recovering(r.partition)
			mark = max(mark, floor)
		}
		keep := func(k storage.Key, stamp vclock.Stamp) bool {
			ns := s.view.spaces.of(k.Bytes)
			return ns.Namespace != nil && r.Keep(k.Hash, stamp, ns.Replicas)
		}
		s.store.Recovered(r.partition, mark, keep, ghosts)
		s.stats.Recovered++
		s.refill.wave.end(s.now.Mono, r.Bytes())
	}
	clear(s.refill.active[len(kept):])
	s.refill.active = kept
}

// lost tells the refills that what was asked of a node will not come; those that still need it make room for others. They go on
// where they were once it is back, as many as may be under way: another begins anew.
func (r *refills) lost(node uint64) {
	begun := 0
	for i := range r.waiting {
		if r.waiting[i].begun != nil {
			begun++
		}
	}
	kept := r.active[:0]
	for _, x := range r.active {
		if !x.Lost(node) {
			kept = append(kept, x)
			continue
		}
		w := x.waiting
		if begun < r.most {
			w.begun = x.Refill
			begun++
		}
		r.waiting = append(r.waiting, w)
	}
	clear(r.active[len(kept):])
	r.active = kept
}
