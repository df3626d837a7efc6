package replica

import (
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Route is the shard that a message belongs to, with its key prepared; false for a message that belongs to
// none: a map, a beat, or one that names a shard or partition this node has not got. A forward is decoded
// into r on the way.
func (n *Node) Route(v *View, m *wire.Message, r *wire.Request) (k storage.Key, shard int, ok bool) {
	switch m.Kind {
	case wire.KindFetch, wire.KindStore, wire.KindRetime, wire.KindOwe:
		k, shard = n.Key(v, m.Key)
		return k, shard, true
	case wire.KindPull, wire.KindExchange:
		return k, int(m.Partition) & (len(n.shards) - 1), m.Partition < v.Map.Partitions
	case wire.KindForward:
		if wire.DecodeRequest(m.Body, r, &n.cfg.Limits) != nil {
			r.Key, r.Op = nil, 0 // any shard can say that it is not understood
		}
		k, shard = n.Locate(v, r)
		return k, shard, true
	case wire.KindFetchReply, wire.KindStoreReply, wire.KindForwardReply, wire.KindPullReply, wire.KindExchangeReply:
		shard = idShard(m.ID)
		return k, shard, shard < len(n.shards)
	default:
		return k, 0, false
	}
}

// Receive takes a message from another node, which sent it under the placement under; k and, for a
// forward, r are what Route made of it. Everything may alias memory that is used again after the return.
func (s *Shard) Receive(now vclock.Now, from, under uint64, k storage.Key, m *wire.Message, r *wire.Request, out *Outbox) {
	s.enter(now, out)
	switch m.Kind {
	case wire.KindFetchReply, wire.KindStoreReply, wire.KindForwardReply, wire.KindPullReply, wire.KindExchangeReply:
		s.replied(from, m)
	case wire.KindForward:
		s.forwarded(from, k, m, r)
	case wire.KindExchange:
		s.answerExchange(from, under, m)
	default:
		reply := wire.Message{Kind: wire.KindStoreReply, ID: m.ID}
		if m.Kind == wire.KindPull && under == s.view.Placement {
			s.askedFor(from, m)
			return
		}
		switch {
		case under != s.view.Placement:
			reply.Kind, reply.Outcome = replyKind(m.Kind), wire.OutcomeNotOwner
			reply.Partition = m.Partition
		case m.Kind == wire.KindOwe && s.keepsNone(m):
			reply.Outcome = wire.OutcomeNotReady
		default:
			s.apply(k, m, &reply)
		}
		if m.ID != 0 {
			reply.ID = m.ID
			out.message(from, &reply)
		}
	}
}

func replyKind(k wire.Kind) wire.Kind {
	switch k {
	case wire.KindFetch:
		return wire.KindFetchReply
	case wire.KindPull:
		return wire.KindPullReply
	default:
		return wire.KindStoreReply
	}
}

// replied hands a reply to what asked for it, if that is still there.
func (s *Shard) replied(from uint64, m *wire.Message) {
	switch idKind(m.ID) {
	case idCall:
		c := s.calls.find(m.ID)
		took := s.now.Mono
		if c != nil {
			took = s.now.Mono - c.started
		}
		timed := c != nil && m.Kind == wire.KindFetchReply && !c.machine.Answered() // one asked by chance was asked later than that
		s.peers.replied(from, s.now.Mono, took, timed)
		if c != nil {
			if s.tooFar(max(m.Known.Stamp, m.Floor, m.Gone.Stamp, m.Set.Dot.Stamp, m.Set.Deadline.Stamp)) {
				s.stats.Ahead++
				m.Outcome = wire.OutcomeAhead // what it says is not to be believed, nor to be stamped above
			}
			c.machine.Reply(&s.env, from, m)
			s.flush(c)
		}
	case idHint:
		s.hinted = s.hints.Ack(s.now, hints.Reply{From: from, ID: m.ID & ownMask, Outcome: m.Outcome}, s.hinted[:0])
		s.sendHints()
	case idRefill:
		s.page(from, m)
	case idExchange:
		s.exchanged(from, m)
	}
}

// forwarded coordinates a write, or tells keys, for a node that does not own them.
func (s *Shard) forwarded(from uint64, k storage.Key, m *wire.Message, r *wire.Request) {
	client := coordinator.Client{Node: from, ID: m.ID}
	if !r.Op.Writes() && r.Op != wire.OpScan {
		s.reject(client, r.Op, wire.StatusBadRequest, "a forwarded request that this node does not understand")
		return
	}
	if s.late(m.Expires) {
		s.out.message(from, &wire.Message{Kind: wire.KindForwardReply, ID: m.ID, Outcome: wire.OutcomeLate})
		return
	}
	left := m.Expires + SkewAllowed.Milliseconds() - s.now.Wall - s.view.Offset
	if m.Expires != 0 && left < s.timeout(r).Milliseconds() { // a deadline is not put off by going on elsewhere
		r.Timeout = uint32(max(left, 1))
	}
	s.request(k, client, r, m.Body, m.Force)
}

// late reports whether a foreground write's deadline, a wall time of a clock that lies near the median, has
// certainly passed; where this node's own clock lies does not matter.
func (s *Shard) late(expires int64) bool {
	return expires != 0 && s.now.Wall+s.view.Offset > expires+SkewAllowed.Milliseconds()
}

// tooFar reports whether a stamp lies beyond the skew bound: no node with a sane clock made it.
func (s *Shard) tooFar(t vclock.Stamp) bool {
	return t.Millis() > s.now.Wall+s.view.Offset+SkewMax.Milliseconds()
}

// apply carries out what a node, or this one itself, asks of the store; reply's slices alias the store
// or the shard's own memory.
func (s *Shard) apply(k storage.Key, m, reply *wire.Message) {
	switch m.Kind {
	case wire.KindFetch:
		reply.Kind = wire.KindFetchReply
		if !s.holds(&k) {
			reply.Outcome = wire.OutcomeNotOwner
			return
		}
		if len(s.refill.waiting) > 0 {
			s.refill.asks[k.Partition/uint32(s.cfg.Shards)]++
		}
		s.fetch(k, m, reply)
	case wire.KindStore:
		reply.Kind = wire.KindStoreReply
		if reply.Outcome = s.admit(&k, m); reply.Outcome == wire.OutcomeOK {
			if m.Pass == wire.PassHint {
				s.stored(s.store.Put(k, &m.Set, s.now.Wall), reply)
			} else {
				s.stored(s.store.PutVouched(k, &m.Set, m.Floor, s.now.Wall), reply)
			}
		}
	case wire.KindRetime:
		reply.Kind = wire.KindStoreReply
		if reply.Outcome = s.admit(&k, m); reply.Outcome == wire.OutcomeOK {
			s.stored(s.store.Retime(k, m.Set.Dot, m.Set.Deadline, s.now.Wall), reply)
		}
	case wire.KindOwe:
		reply.Kind, reply.Outcome = wire.KindStoreReply, s.owe(k, m)
	}
}

// fetch answers with what is held. One that only checks counts as no use: an owner that is read from last would keep what
// nobody reads from it.
func (s *Shard) fetch(k storage.Key, m, reply *wire.Message) {
	if m.Check {
		reply.Set, reply.Floor = s.store.Peek(k, s.now.Wall)
	} else {
		reply.Set, reply.Floor = s.store.Get(k, s.now.Wall)
	}
	switch held := &reply.Set; {
	case held.IsZero():
		ghost := s.store.Ghost(k)
		reply.Gone, reply.Digest = ghost.Deadline, ghost.Digest
	case m.Check && !held.Packed && m.Digest == held.Ghost(held.Deadline) && m.Digest != 0:
		reply.Outcome, reply.Set = wire.OutcomeSame, vclock.Set{}
	}
}

// admit decides whether a write may reach the store at all.
func (s *Shard) admit(k *storage.Key, m *wire.Message) wire.Outcome {
	greatest := max(m.Set.Dot.Stamp, m.Set.Deadline.Stamp)
	switch {
	case !s.holds(k):
		return wire.OutcomeNotOwner
	case s.late(m.Expires):
		s.stats.Late++
		return wire.OutcomeLate
	case s.tooFar(greatest):
		s.stats.Ahead++
		return wire.OutcomeAhead
	case greatest > s.ceiling:
		s.out.Ceiling = max(s.out.Ceiling, greatest)
		return wire.OutcomeAhead
	}
	return wire.OutcomeOK
}

// rank is this node's among the owners of a partition in its datacenter, noRank if it is none of them.
func (s *Shard) rank(p uint32) uint8 { return s.refill.ranks[p/uint32(s.cfg.Shards)] }

// holds reports whether this node owns a key, given as its inner key, and if so completes k.
func (s *Shard) holds(k *storage.Key) bool {
	ns := s.view.spaces.of(k.Bytes)
	if ns.Namespace == nil || s.rank(k.Partition) >= ns.Replicas {
		return false
	}
	k.Lone, k.Fewer = ns.lone, ns.fewer
	return true
}

// stored turns what the store says into a reply.
func (s *Shard) stored(r storage.Result, reply *wire.Message) {
	reply.Known = r.Known
	switch r.Outcome {
	case storage.Stored, storage.Known:
		reply.Outcome = wire.OutcomeOK
	case storage.Superseded:
		reply.Outcome = wire.OutcomeSuperseded
	case storage.Behind:
		reply.Outcome = wire.OutcomeBehind
	case storage.Missing:
		reply.Outcome = wire.OutcomeMissing
	case storage.Gone:
		reply.Outcome = wire.OutcomeGone
	case storage.TooLarge:
		reply.Outcome = wire.OutcomeTooLarge
	default:
		s.stats.Full++
		reply.Outcome = wire.OutcomeFull
	}
}

// owe keeps a hint that counts towards another node's W, or that another parts with; it is refused rather than ever dropped.
func (s *Shard) owe(k storage.Key, m *wire.Message) wire.Outcome {
	switch {
	case s.late(m.Expires):
		s.stats.Late++
		return wire.OutcomeLate
	case s.tooFar(max(m.Set.Dot.Stamp, m.Set.Deadline.Stamp)): // its owner would refuse it for as long
		s.stats.Ahead++
		return wire.OutcomeAhead
	case m.Target == s.cfg.Self.Node: // its sender is broken: it would never go
		return wire.OutcomeNotOwner
	}
	if !s.owes(hints.Owed{Target: m.Target, Partition: k.Partition, Key: m.Key, Set: &m.Set, Must: true, Handed: handedOver(m)}) {
		return wire.OutcomeFull
	}
	return wire.OutcomeHinted
}

// owes keeps a hint for an owner; one for a node that no longer is would be refused for ever, and so would one of a key
// that was flushed.
func (s *Shard) owes(o hints.Owed) bool {
	if !s.view.Holds(o.Target, o.Partition, o.Key) {
		return false
	}
	kept := s.hints.Add(o)
	if !kept && !o.Must {
		s.exchange.hintDropped(s, o.Target)
	}
	return kept
}

// sendHints sends what the queue wants delivered.
func (s *Shard) sendHints() {
	for i := range s.hinted {
		h := &s.hinted[i]
		m := wire.Message{
			Kind: wire.KindStore, Pass: wire.PassHint, Key: h.Key, Set: h.Set,
			ID: idHint<<idKindShift | uint64(s.number)<<idShardShift | h.ID&ownMask,
		}
		if h.To != h.Target {
			m.Kind, m.Pass, m.Target = wire.KindOwe, 0, h.Target
		}
		s.out.message(h.To, &m)
	}
	clear(s.hinted)
	s.hinted = s.hinted[:0]
}
