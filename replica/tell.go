package replica

import (
	"slices"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// This file owns what a shard tells other owners that recover.

// briefBytes is the most of a page that only says which versions there are: it holds up the shard as long as one of values.
const briefBytes = 64 << 10

// pageOverhead is what a page costs beside its entries.
const pageOverhead = 64

// asked is a pull that waits for its turn.
type asked struct {
	from uint64
	pull wire.Message
}

// askedMax is how many pulls may wait; one that finds no room is asked again by whoever wants it.
const askedMax = 256

// askedFor answers a pull, or lets it wait until the purse has something left, unless it does already.
func (s *Shard) askedFor(from uint64, m *wire.Message) {
	if s.purse.may(workTell) {
		s.tell(from, m)
		return
	}
	waits := slices.ContainsFunc(s.asked, func(a asked) bool { return a.from == from && a.pull.ID == m.ID })
	if !waits && len(s.asked) < askedMax {
		s.asked = append(s.asked, asked{from, wire.Message{
			Kind: m.Kind, ID: m.ID, Partition: m.Partition, Cursor: m.Cursor, Limit: m.Limit, Brief: m.Brief, Body: slices.Clone(m.Body),
		}})
	}
}

// tellAsked answers pulls that have waited, in the order in which they came.
func (s *Shard) tellAsked() {
	told := 0
	for told < len(s.asked) && s.purse.may(workTell) {
		s.tell(s.asked[told].from, &s.asked[told].pull)
		told++
	}
	s.asked = slices.Delete(s.asked, 0, told)
}

func (s *Shard) tell(from uint64, pull *wire.Message) {
	reply := s.Show(pull)
	reply.ID = pull.ID
	s.purse.pay(workTell, pageOverhead+len(reply.Body))
	s.out.message(from, &reply)
}

// Show answers a pull with the next page of a partition, whatever that costs; the page is valid until the shard is called again.
func (s *Shard) Show(m *wire.Message) (reply wire.Message) {
	reply.Kind, reply.Partition = wire.KindPullReply, m.Partition
	if s.rank(m.Partition) == noRank {
		reply.Outcome = wire.OutcomeNotOwner
		return reply
	}
	s.body = s.body[:0]
	limit := min(int(m.Limit), s.cfg.Limits.Frame/2)
	record := func(key []byte, set *vclock.Set, below vclock.Stamp) {
		if m.Brief && !set.Packed {
			s.body = wire.AppendPageBrief(s.body, s.cfg.Hash(key), set.Dot.Stamp, set.Ghost(set.Deadline), below)
			return
		}
		s.body = wire.AppendPageRecord(s.body, key, set, below)
	}
	ghost := func(g storage.Ghost) { s.body = wire.AppendPageGhost(s.body, wire.Ghost(g)) }
	switch {
	case len(m.Body) > 0:
		var wants [wire.WantsMax]uint64
		hashes, _ := wire.Wants(wants[:0], m.Body) // of what makes no sense, what did until then
		reply.Cursor = uint64(s.store.Tell(m.Partition, hashes, limit, record, ghost))
	case m.Brief:
		reply.Cursor = s.store.WalkBriefly(m.Partition, m.Cursor, min(limit, briefBytes), record, ghost)
	default:
		reply.Cursor = s.store.Walk(m.Partition, m.Cursor, limit, record, ghost)
	}
	// Read after the last entry: a ghost dropped during the walk has raised the mark by now.
	reply.Body, reply.Floor, reply.Boot = s.body, s.store.Mark(m.Partition), s.cfg.Self.Boot
	if floor, recovering := s.store.Recovering(m.Partition); recovering {
		reply.Known = vclock.Dot{Stamp: floor}
	}
	return reply
}
