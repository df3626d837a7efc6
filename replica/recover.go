package replica

import (
	"time"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// refills is the recovering side of a shard: which partitions it owns, which of them wait to be refilled,
// and which are being.
type refills struct {
	owned   []bool // by partition / shards
	waiting []waiting
	active  []*refill
	most    int
	cfg     antientropy.Config
	serial  uint64 // of the page asked for last
}

type waiting struct {
	partition uint32
	notBefore time.Duration
}

type refill struct {
	*antientropy.Refill
	partition uint32
}

func (r *refills) init(cfg *Config) { r.most, r.cfg = cfg.RefillsMax, cfg.Refill }

// own brings the shard's partitions in line with a new placement. Every partition gained is recovering
// from now on: it may hold nothing of what was acknowledged before.
func (s *Shard) own(old *View) {
	shards := uint32(s.cfg.Shards)
	total := s.view.Map.Partitions
	if s.refill.owned == nil {
		s.refill.owned = make([]bool, (total-uint32(s.number)+shards-1)/shards)
	}
	floor, notBefore := s.cfg.BootFloor, s.now.Mono+s.cfg.Coordinator.TimeoutMax
	if old != nil || floor == 0 && !s.cfg.Founder {
		floor = max(floor, vclock.StampAt(s.now.Wall+s.view.Offset+newOwnerMargin.Milliseconds()))
	}
	for p := uint32(s.number); p < total; p += shards {
		owned := &s.refill.owned[p/shards]
		switch owns := s.view.Owns(s.cfg.Self.Node, p); {
		case owns && !*owned:
			s.store.Recover(p, floor)
			s.refill.waiting = append(s.refill.waiting, waiting{p, notBefore})
			*owned = true
		case owns:
			if _, recovering := s.store.Recovering(p); recovering { // other owners may have come and gone meanwhile
				s.store.Recover(p, floor)
			}
		case !owns && *owned:
			s.store.Drop(p)
			*owned = false
		}
	}
	// Whom a refill must ask, and from when, changed with the owners: those not done begin again.
	for i := range s.refill.waiting {
		s.refill.waiting[i].notBefore = notBefore
	}
	for _, r := range s.refill.active {
		s.refill.waiting = append(s.refill.waiting, waiting{r.partition, notBefore})
	}
	clear(s.refill.active)
	s.refill.active = s.refill.active[:0]
}

// tickRefills starts waiting refills while there is room, and ends those that have pulled everything.
func (s *Shard) tickRefills() {
	for len(s.refill.active) < s.refill.most && len(s.refill.waiting) > 0 {
		w := s.refill.waiting[0]
		s.refill.waiting = s.refill.waiting[1:]
		if _, recovering := s.store.Recovering(w.partition); !recovering {
			continue
		}
		others := s.view.Others(nil, w.partition)
		s.refill.active = append(s.refill.active, &refill{
			Refill:    antientropy.NewRefill(s.refill.cfg, w.partition, others, w.notBefore, &s.refill.serial),
			partition: w.partition,
		})
	}
	for _, r := range s.refill.active {
		s.pulls = r.Tick(s.now.Mono, s.view.Up, s.pulls[:0])
		s.pull()
	}
	s.endRefills()
}

// pull sends what refills ask for.
func (s *Shard) pull() {
	for i := range s.pulls {
		p := &s.pulls[i]
		p.Message.ID = idRefill<<idKindShift | uint64(s.number)<<idShardShift | p.Message.ID&ownMask
		s.out.message(p.Node, &p.Message)
	}
	s.pulls = s.pulls[:0]
}

// page takes one page of a partition being refilled.
func (s *Shard) page(from uint64, m *wire.Message) {
	if s.tooFar(max(m.Floor, m.Known.Stamp)) {
		s.stats.Ahead++
		return
	}
	in := antientropy.Inward{Hash: s.cfg.Hash, Limits: &s.cfg.Limits, Install: s.install}
	for _, r := range s.refill.active {
		var err error
		s.pulls, err = r.Page(s.now.Mono, from, m.ID&ownMask, m, in, s.pulls[:0])
		if err != nil {
			s.stats.Malformed++
		}
		s.pull()
	}
	s.endRefills()
}

// install takes one record of a page into the store.
func (s *Shard) install(e *wire.PageEntry) antientropy.Verdict {
	k := storage.Key{Bytes: e.Key, Hash: s.cfg.Hash(e.Key), Partition: s.view.Table.Partition(ring.Slot(e.Key))}
	if k.Partition%uint32(s.cfg.Shards) != uint32(s.number) {
		return antientropy.Refused // another shard's key: its sender is broken
	}
	if s.tooFar(e.Set.Dot.Stamp) {
		s.stats.Ahead++
		return antientropy.Later
	}
	if e.Set.Dot.Stamp > s.ceiling {
		s.out.Ceiling = max(s.out.Ceiling, e.Set.Dot.Stamp)
		return antientropy.Later
	}
	s.stats.Refilled++
	if s.store.Refill(k, &e.Set, s.now.Wall).Outcome == storage.TooLarge {
		return antientropy.Refused
	}
	return antientropy.Taken
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
			ghosts = append(ghosts, storage.Ghost{Hash: g.Hash, Stamp: g.Stamp, Digest: g.Digest})
		}
		s.store.Recovered(r.partition, r.Mark(), r.Keep, ghosts)
		s.stats.Recovered++
	}
	clear(s.refill.active[len(kept):])
	s.refill.active = kept
}

// lost tells the refills that a node's pages will not come.
func (r *refills) lost(node uint64) {
	for _, x := range r.active {
		x.Lost(node)
	}
}

// tell answers a pull with the next page of a partition.
func (s *Shard) tell(m *wire.Message, reply *wire.Message) {
	reply.Kind, reply.Partition = wire.KindPullReply, m.Partition
	if !s.owns(m.Partition) {
		reply.Outcome = wire.OutcomeNotOwner
		return
	}
	s.body = s.body[:0]
	limit := min(int(m.Limit), s.cfg.Limits.Frame/2)
	reply.Cursor = s.store.Walk(m.Partition, m.Cursor, limit,
		func(key []byte, set *vclock.Set) { s.body = wire.AppendPageRecord(s.body, key, set) },
		func(g storage.Ghost) {
			s.body = wire.AppendPageGhost(s.body, wire.Ghost{Hash: g.Hash, Stamp: g.Stamp, Digest: g.Digest})
		})
	// Read after the last entry: a ghost dropped during the walk has raised the mark by now.
	reply.Body, reply.Floor = s.body, s.store.Mark(m.Partition)
	if floor, recovering := s.store.Recovering(m.Partition); recovering {
		reply.Known = vclock.Dot{Stamp: floor}
	}
}
