package replica

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// exchanges is the side of a shard that keeps it in agreement with the other owners of its partitions: with whom it exchanges
// next, and the exchange under way. Of two nodes the one of the lesser id asks, so that each pair compares once; but who had no
// room for a hint knows best that its target has missed something, and asks it whatever its id.
type exchanges struct {
	cfg    antientropy.ExchangeConfig
	side   antientropy.Side
	serial uint64
	peers  []exchangePeer // who share partitions with the shard, by id
	active *antientropy.Exchange
	begun  beginning
}

// beginning is what an exchange began with.
type beginning struct {
	scope     scope
	awaited   bool // by an operator
	missed    bool // as its peer's
	at        time.Duration
	compared  int64 // until then
	differing int64
}

// scope is what an exchange is about: all that is shared, or one partition.
type scope struct {
	one       bool
	partition uint32
}

type exchangePeer struct {
	node    uint64
	passive bool // it asks, and is asked only when it is known to have missed something
	missed  bool // that is so: a hint for it was dropped
	due     time.Duration
	since   time.Duration // when it was due first and hints were owed; 0: not yet
	settled time.Duration // when what it may have missed before it was up is old enough to be compared
	asked   bool          // for by an operator, and not begun yet
	scope   scope         // of what he asked for
	all     Comparison    // what the last exchange of all that is shared found
	single  Comparison    // and the last of one partition
	which   uint32        // that
}

// want asks for an exchange; two together are about all.
func (p *exchangePeer) want(what scope) {
	if p.asked && p.scope != what {
		what = scope{}
	}
	p.asked, p.scope = true, what
}

// Comparison is what an exchange that came to its end found. None did: At is 0.
type Comparison struct {
	Node      uint64        // with whom
	At        time.Duration // when it ended
	Compared  int64         // partitions
	Differing int64         // of these, in which something differed, and was exchanged
	Which     []uint32      // of these some, in no order
}

const (
	// exchangeSoon is how long after a peer is up the exchange with it begins at the latest.
	exchangeSoon = 2 * time.Second
	// hintPatience is how long an exchange waits for hints that its peer is owed: they bring the same, and know better what.
	hintPatience = 30 * time.Second
	// exchangeTurn is how long an exchange goes on while another is due.
	exchangeTurn = 15 * time.Second
	// hintPause is how often it looks whether they are through.
	hintPause = 500 * time.Millisecond
)

func (x *exchanges) init(s *Shard, serial uint64) {
	x.cfg, x.serial = s.cfg.Exchange, serial
	x.side = antientropy.Side{
		Store: s.store, Limits: &s.cfg.Limits, Shards: s.cfg.Shards, Fewer: s.shares, Key: s.exchangedKey, Early: s.early,
		Urgent: func(peer uint64, p uint32) bool { return s.hints.Dirty(peer, p) },
		May:    func() bool { return s.purse.may(workExchange) }, Pay: func(bytes int) { s.purse.pay(workExchange, bytes) },
	}
}

// shares says which keys of a partition this node and another both have: those that fewer of its owners do not have. 0: none.
func (s *Shard) shares(peer uint64, p uint32) int {
	if p >= s.view.Map.Partitions || int(p)&(s.cfg.Shards-1) != s.number {
		return 0
	}
	own, other := s.rank(p), s.view.rankOf(peer, p)
	last := max(own, other)
	switch {
	case last == noRank:
		return 0
	case last < s.view.spaces.least: // all of them
		return storage.FewerMost + 1
	}
	return min(s.view.Map.Replicas()-int(last), storage.FewerMost)
}

// owners finds anew who shares partitions with the shard. Exchanges under way end: what they were about has changed.
func (x *exchanges) owners(s *Shard) {
	x.end(s, false)
	old := x.peers
	x.peers = nil
	for p := uint32(s.number); p < s.view.Map.Partitions; p += uint32(s.cfg.Shards) {
		if s.rank(p) == noRank {
			continue
		}
		for _, o := range s.view.Table.Owners(p) {
			node := s.view.Table.Nodes()[o.Node].ID
			at, found := slices.BinarySearchFunc(x.peers, node, exchangePeer.compare)
			if node == s.cfg.Self.Node || found {
				continue
			}
			peer := exchangePeer{node: node, passive: node < s.cfg.Self.Node}
			if i, known := slices.BinarySearchFunc(old, node, exchangePeer.compare); known {
				peer = old[i]
			} else {
				peer.due = s.nextExchange(&peer)
			}
			x.peers = slices.Insert(x.peers, at, peer)
		}
	}
}

func (p exchangePeer) compare(node uint64) int { return cmp.Compare(p.node, node) }

// peer returns a node that shares partitions with the shard; nil: it does not.
func (x *exchanges) peer(node uint64) *exchangePeer {
	if i, ok := slices.BinarySearchFunc(x.peers, node, exchangePeer.compare); ok {
		return &x.peers[i]
	}
	return nil
}

// jitter is between half of a time and one and a half, another each time.
func (s *Shard) jitter(node uint64, d time.Duration) time.Duration {
	s.exchange.serial++
	b := binary.BigEndian.AppendUint64(nil, node)
	b = binary.BigEndian.AppendUint64(b, s.exchange.serial)
	return d/2 + time.Duration(s.cfg.Hash(b)%uint64(max(d, 1)))
}

// nextExchange is when a peer is asked next, unless something happens.
func (s *Shard) nextExchange(p *exchangePeer) time.Duration {
	if p.passive {
		return math.MaxInt64
	}
	return s.now.Mono + s.jitter(p.node, s.exchange.cfg.Period)
}

// settles is how long after it was written all may be compared.
func (x *exchanges) settles() time.Duration {
	return x.cfg.Settle + 2*storage.WindowLeast*time.Millisecond
}

// hintDropped lets the exchange with the node that the hint was for begin as soon as what it was of can be compared.
func (x *exchanges) hintDropped(s *Shard, node uint64) {
	if p := x.peer(node); p != nil {
		p.missed, p.due = true, min(p.due, s.now.Mono+x.settles())
	}
}

// peerUp lets the exchange with a node that is up again begin soon: it has missed something.
func (x *exchanges) peerUp(s *Shard, node uint64) {
	if p := x.peer(node); p != nil && (!p.passive || p.missed) {
		p.due = s.now.Mono + s.jitter(node, exchangeSoon)
		p.settled = s.now.Mono + x.settles()
	}
}

// peerDown ends an exchange with a node.
func (x *exchanges) peerDown(s *Shard, node uint64) {
	if x.active != nil && x.active.Peer() == node {
		x.end(s, true)
	}
}

// end ends the exchange under way. If it is not through, what somebody waits for begins again.
func (x *exchanges) end(s *Shard, failed bool) {
	if x.active == nil {
		return
	}
	if failed {
		x.side.Stats.Failed++
	}
	done, _ := x.active.Done()
	switch p := x.peer(x.active.Peer()); {
	case p == nil:
	case failed || !done || x.active.Refused():
		if p.missed = p.missed || x.begun.missed; x.begun.awaited {
			p.want(x.begun.scope)
		}
		if p.missed || p.asked {
			p.due = min(p.due, s.now.Mono+hintPause) // behind those that are due
		}
	case x.begun.missed && x.begun.scope.one: // it may be in another partition
		x.hintDropped(s, p.node)
	}
	x.active, x.begun.awaited = nil, false
}

// tickExchanges begins the exchange that is due first, and goes on with the one under way.
func (s *Shard) tickExchanges() {
	x := &s.exchange
	if x.active == nil || s.now.Mono-x.begun.at >= exchangeTurn {
		var next *exchangePeer
		for i := range x.peers {
			p := &x.peers[i]
			if x.active != nil && p.node == x.active.Peer() || !s.exchangeDue(p) {
				continue
			}
			if next == nil || p.due < next.due {
				next = p
			}
		}
		if next != nil {
			x.giveWay(s)
			x.begin(s, next)
		}
	}
	if x.active == nil {
		return
	}
	s.pulls = x.active.Tick(s.now, s.cut(), s.pulls[:0])
	s.sendExchange()
}

// giveWay ends the exchange under way, if there is one, in favour of another that is due. It begins again behind that, where all that it
// has brought is in order.
func (x *exchanges) giveWay(s *Shard) {
	if x.active != nil {
		p := x.peer(x.active.Peer())
		if x.end(s, false); p != nil {
			p.due = s.now.Mono + hintPause
		}
	}
}

// begin begins the exchange with a peer.
func (x *exchanges) begin(s *Shard, p *exchangePeer) {
	x.begun = beginning{p.scope, p.asked, p.missed, s.now.Mono, x.side.Stats.Compared, x.side.Stats.Differing}
	if p.since, p.due = 0, p.settled; p.settled <= s.now.Mono {
		p.due, p.missed = s.nextExchange(p), false
	}
	x.active = antientropy.NewExchange(x.cfg, &x.side, p.node, s.sharedWith(p), &x.serial)
	p.asked, p.scope = false, scope{}
	x.side.Stats.Begun++
}

// exchangeDue reports whether the exchange with a peer should begin: not before the hints that it is owed are through, as long as they may be.
func (s *Shard) exchangeDue(p *exchangePeer) bool {
	switch {
	case p.due > s.now.Mono || !s.view.Up(p.node) || s.exchange.cfg.Period == 0 && !p.asked:
		return false
	case s.hints.OwedTo(p.node) == 0:
		return true
	}
	if p.since == 0 {
		p.since = s.now.Mono
	}
	if s.now.Mono-p.since >= hintPatience {
		return true
	}
	p.due = s.now.Mono + hintPause
	return false
}

// sharedWith are the partitions to exchange with a peer, which owns them, too.
func (s *Shard) sharedWith(peer *exchangePeer) (shared []uint32) {
	for p := uint32(s.number); p < s.view.Map.Partitions; p += uint32(s.cfg.Shards) {
		if s.shares(peer.node, p) > 0 && (!peer.scope.one || peer.scope.partition == p) {
			shared = append(shared, p)
		}
	}
	return shared
}

// Repair lets the shard exchange what it has with all that it asks, or one partition, as soon as it may: nothing waits for hints.
func (s *Shard) Repair(partition *uint32) {
	what := scope{}
	if partition != nil {
		what = scope{true, *partition}
	}
	for i := range s.exchange.peers {
		p := &s.exchange.peers[i]
		if p.passive || partition != nil && s.shares(p.node, *partition) == 0 {
			continue
		}
		p.want(what)
		p.due, p.since = s.now.Mono, max(s.now.Mono-hintPatience, 1)
	}
}

// pending is how many exchanges an operator waits for, and how many of them wait for nodes that are down.
func (x *exchanges) pending(v *View) (n, stalled int64) {
	for i := range x.peers {
		if p := &x.peers[i]; p.asked {
			n++
			if !v.Up(p.node) {
				stalled++
			}
		}
	}
	if x.begun.awaited {
		n++
	}
	return n, stalled
}

// note remembers what the exchange that has ended found.
func (x *exchanges) note(at time.Duration) {
	p := x.peer(x.active.Peer())
	if p == nil {
		return
	}
	found := Comparison{p.node, at, x.side.Stats.Compared - x.begun.compared, x.side.Stats.Differing - x.begun.differing, x.active.Differed()}
	if x.begun.scope.one {
		p.single, p.which = found, x.begun.scope.partition
	} else {
		p.all = found
	}
}

// Comparisons appends what was found when the shard last compared all that it shares with each node that it asks, or, where a partition
// is given, that one.
func (s *Shard) Comparisons(partition *uint32, dst []Comparison) []Comparison {
	for i := range s.exchange.peers {
		switch p := &s.exchange.peers[i]; {
		case p.passive:
		case partition == nil:
			p.all.Node = p.node
			dst = append(dst, p.all)
		case s.shares(p.node, *partition) > 0 && p.which == *partition:
			p.single.Node = p.node
			dst = append(dst, p.single)
		case s.shares(p.node, *partition) > 0:
			dst = append(dst, Comparison{Node: p.node})
		}
	}
	return dst
}

// cut is where exchanges begin to leave alone what is written.
func (s *Shard) cut() vclock.Stamp { return s.exchange.cfg.Cut(s.now.Wall + s.view.Offset) }

// sendExchange sends what the exchange asks, and ends it when it is through.
func (s *Shard) sendExchange() {
	for i := range s.pulls {
		p := &s.pulls[i]
		p.Message.ID = idExchange<<idKindShift | uint64(s.number)<<idShardShift | p.Message.ID&ownMask
		s.out.message(p.Node, &p.Message)
	}
	s.pulls = s.pulls[:0]
	if done, failed := s.exchange.active.Done(); done {
		x, peer, refused := &s.exchange, s.exchange.active.Peer(), s.exchange.active.Refused()
		if !failed && !refused {
			if x.note(s.now.Mono); !x.begun.scope.one {
				s.hints.Clean(peer)
			}
		}
		x.end(s, failed)
		if p := x.peer(peer); p != nil && refused { // it has another one under way
			p.due = s.now.Mono + s.jitter(peer, hintPause)
		}
	}
}

// exchanged takes an answer to what the exchange has asked.
func (s *Shard) exchanged(from uint64, m *wire.Message) {
	x := &s.exchange
	if x.active == nil || x.active.Peer() != from {
		return
	}
	var err error
	if s.pulls, err = x.active.Reply(s.now, s.cut(), m.ID&ownMask, m, s.pulls[:0]); err != nil {
		s.stats.Malformed++
	}
	s.sendExchange()
}

// answerExchange answers what another's exchange asks.
func (s *Shard) answerExchange(from, under uint64, m *wire.Message) {
	reply := wire.Message{Kind: wire.KindExchangeReply, ID: m.ID, Step: m.Step, Partition: m.Partition, Outcome: wire.OutcomeNotOwner}
	switch {
	case s.tooFar(m.To):
		s.stats.Ahead++
		reply.Outcome = wire.OutcomeAhead
	case under == s.view.Placement:
		var err error
		reply.Outcome = wire.OutcomeOK
		if s.body, err = s.exchange.side.Answer(s.now, from, m, &reply, s.body[:0]); err != nil {
			s.stats.Malformed++
			return
		}
	}
	s.out.message(from, &reply)
}

// exchangedKey prepares a key that another owner has told of in an exchange, and reports whether it is one of this node's.
func (s *Shard) exchangedKey(p uint32, inner []byte) (storage.Key, bool) {
	k := s.inner(inner)
	return k, k.Partition == p && s.holds(&k)
}

// inner prepares a key that another owner has told of.
func (s *Shard) inner(inner []byte) storage.Key {
	_, key := ring.SplitInnerKey(inner)
	return storage.Key{Bytes: inner, Hash: s.cfg.Hash(inner), Partition: s.view.Table.Partition(ring.Slot(key))}
}

// early reports whether a page's entry lies where this node's clock, or its ceiling, has not got yet.
func (s *Shard) early(e *wire.PageEntry) bool {
	greatest := max(e.Ghost.Stamp, e.Ghost.Deadline.Stamp, e.Set.Dot.Stamp, e.Set.Deadline.Stamp)
	switch {
	case s.tooFar(greatest):
		s.stats.Ahead++
		return true
	case greatest > s.ceiling:
		s.out.Ceiling = max(s.out.Ceiling, greatest)
		return true
	}
	return false
}
