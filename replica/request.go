package replica

import (
	"fmt"
	"time"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Request starts a call of one key, OpGet, OpHead, OpSet, OpDelete or OpTouch, or tells a partition's keys. k is
// what Node.Locate made of r; frame is the request as it came. Everything may alias memory that is used again after the return.
func (s *Shard) Request(now vclock.Now, k storage.Key, client coordinator.Client, r *wire.Request, frame []byte, out *Outbox) {
	s.enter(now, out)
	if r.Session != 0 {
		if why := misplaced(r); why != "" {
			s.reject(client, r.Op, wire.StatusBadRequest, why)
			return
		}
		resp, waits := s.once.begin(now.Mono, &client, r)
		s.disown()
		switch {
		case waits:
			s.stats.Repeated++
			return
		case resp != nil:
			s.stats.Repeated++
			s.out.Answer(client, resp)
			return
		}
	}
	s.request(k, client, r, frame, false)
}

// request is Request of this step; with force for a write that no owner with a better clock takes.
func (s *Shard) request(k storage.Key, client coordinator.Client, r *wire.Request, frame []byte, force bool) {
	now := s.now
	ns, k, ok := s.space(k, r)
	if !ok {
		s.reject(client, r.Op, wire.StatusNoNamespace, noNamespace(r.Namespace))
		return
	}
	if r.Op == wire.OpScan {
		s.scan(k, ns, client, r, frame)
		return
	}
	if status, text := s.refuse(r, len(r.Key)); status != 0 {
		s.reject(client, r.Op, status, text)
		return
	}
	local := s.view.Local
	if client.Node != 0 {
		local = s.view.Datacenter(client.Node) // the level's words are the client's, and it is over there
	}
	ask := s.ask(ns, r, local)
	if s.updates(ns, r) { // what it is worked out from has to be an owner's
		ask.Sloppy = false
		if ask.Level == wire.LevelAny {
			ask.Level = wire.LevelOne
		}
	}
	s.seats(k.Partition, ns.Replicas, ask.Sloppy)
	elsewhere := r.Op.Writes() && client.Node == 0 && s.judged(r, k.Partition, ns.Replicas)
	if r.Op.Writes() && (elsewhere || !s.coordinates(force)) {
		s.forward(k, ns, client, r, frame)
		return
	}
	quorum, err := coordinator.Resolve(ask, s.list)
	if err != nil {
		s.reject(client, r.Op, wire.StatusBadRequest, err.Error())
		return
	}
	s.call = coordinator.Call{
		Client: client, Op: r.Op, Key: k.Bytes, Value: r.Value, Quorum: quorum, Peers: s.list,
	}
	call, pool, readAsk := &s.call, poolGet, ask
	switch updates := s.updates(ns, r); {
	case r.Op == wire.OpGet || r.Op == wire.OpHead:
		call.Hedge, call.Spare = s.peers.hedge(s.list), s.peers.spare()
		if call.All = r.Siblings && r.Op == wire.OpGet; call.All {
			call.Salt = s.salt(k.Hash)
		}
	case r.Op == wire.OpTouch || updates:
		pool = poolTouch
		call.Hedge = s.peers.hedge(s.list)
		readAsk = s.readAsk(ns, r, local)
		if call.Reads, err = coordinator.Resolve(readAsk, s.list); err != nil {
			s.reject(client, r.Op, wire.StatusBadRequest, err.Error())
			return
		}
		if !updates {
			break
		}
		pool = poolUpdate
		if status, text := s.update(call, ns, r, k.Hash); status != 0 {
			s.reject(client, r.Op, status, text)
			return
		}
	default:
		pool = poolPut
		s.lent, call.Floor = s.store.Peek(k, now.Wall)
		call.Known = &s.lent
	}
	ttl := r.TTL
	if makes := r.Op == wire.OpSet || r.Op == wire.OpIncr || r.Op == wire.OpAppend; makes && ttl == 0 {
		ttl = ns.TTL
	}
	if ttl > 0 {
		call.At = now.Wall + ttl
	}
	s.begin(call, pool, ask, readAsk, r, k, ns)
}

// timeout is how long a request may take.
func (s *Shard) timeout(r *wire.Request) time.Duration {
	if r.Timeout == 0 {
		return s.cfg.Coordinator.TimeoutDefault
	}
	return min(time.Duration(r.Timeout)*time.Millisecond, s.cfg.Coordinator.TimeoutMax)
}

// begin opens a call and lets its machine start.
func (s *Shard) begin(call *coordinator.Call, pool int, ask, readAsk coordinator.Ask, r *wire.Request, k storage.Key, ns space) {
	timeout := s.timeout(r)
	c := s.calls.open(pool)
	c.op, c.hash, c.partition, c.replicas = r.Op, k.Hash, k.Partition, ns.Replicas
	c.started, c.ask, c.readAsk = s.now.Mono, ask, readAsk
	call.ID, call.Until = c.id, s.now.Mono+timeout
	call.Expires = s.now.Wall + s.view.Offset + timeout.Milliseconds() // in the time by which all judge it
	if pool == poolUpdate {
		s.calls.updates[k.Hash]++
	}
	c.machine.Start(&s.env, call)
	s.call, s.lent = coordinator.Call{}, vclock.Set{} // an idle shard keeps no request's value
	s.flush(c)
}

// refuse checks what can be checked before any work; status 0 means go on.
func (s *Shard) refuse(r *wire.Request, key int) (wire.Status, string) {
	switch {
	case s.draining:
		return wire.StatusNotReady, "this node is stopping: ask another"
	case key == 0:
		return wire.StatusBadRequest, "the key is empty"
	case key > s.cfg.Limits.Key:
		return wire.StatusTooLarge, fmt.Sprintf("the key has %d bytes, the limit is %d", key, s.cfg.Limits.Key)
	case len(r.Value) > s.cfg.Limits.Value:
		return wire.StatusTooLarge, fmt.Sprintf("the value has %d bytes, the limit is %d", len(r.Value), s.cfg.Limits.Value)
	case r.Op == wire.OpSet && int64(key+len(r.Value)) > s.store.RecordBytesMax():
		return wire.StatusTooLarge, fmt.Sprintf("key and value have %d bytes, a node of this --memory holds at most %d", key+len(r.Value), s.store.RecordBytesMax())
	case r.TTL < 0 || r.TTL > ring.TTLMax:
		return wire.StatusBadRequest, fmt.Sprintf("a TTL of %d ms: use 1 ms to 100 years, or none", r.TTL)
	case r.Op == wire.OpIncr && !begins(r.Value):
		return wire.StatusBadRequest, fmt.Sprintf("a counter that begins at %.32q: use an integer of 64 bits, or leave it out", r.Value)
	case !r.Level.Valid():
		return wire.StatusBadRequest, fmt.Sprintf("unknown consistency level %d", r.Level)
	}
	if s.crowded() {
		return wire.StatusOverloaded, crowdedText
	}
	return 0, ""
}

const crowdedText = "too many requests under way: nothing was done, retry later or add nodes"

// crowded reports whether no request can be added to those under way, and counts it.
func (s *Shard) crowded() bool {
	full := func() bool { return s.calls.busy >= s.cfg.PendingMax || s.calls.bytes >= s.cfg.PendingMem }
	if full() {
		s.wind()
	}
	if full() {
		s.stats.Overloaded++
		return true
	}
	return false
}

// wind ends what is answered and only waits for a slow owner, so that one slow node costs hints and not memory. Nothing is
// lost: what it did not acknowledge is owed, and what a read would have repaired by its reply the next one finds.
func (s *Shard) wind() {
	s.calls.each(func(c *call) {
		if c.machine.Answered() {
			c.machine.Finish(&s.env)
			s.flush(c)
		}
	})
}

func (s *Shard) reject(client coordinator.Client, op wire.Op, status wire.Status, text string) {
	s.stats.Failed++
	s.answer(client, &wire.Response{Status: status, Err: &wire.Error{Op: op, Text: text}})
}

// ask is the level of the request, or its namespace's, for a client in datacenter local.
func (s *Shard) ask(ns space, r *wire.Request, local uint8) coordinator.Ask {
	if r.Op == wire.OpGet || r.Op == wire.OpHead {
		return s.readAsk(ns, r, local)
	}
	a := coordinator.Ask{Level: r.Level, Count: r.W, Sloppy: r.Sloppy, Local: local}
	if a.Level == wire.LevelDefault {
		a.Level = wire.Level(ns.Write)
	}
	a.Sloppy = a.Sloppy || a.Level == wire.LevelAny
	return a
}

func (s *Shard) readAsk(ns space, r *wire.Request, local uint8) coordinator.Ask {
	a := coordinator.Ask{Level: r.Level, Count: r.R, Local: local}
	if a.Level == wire.LevelDefault {
		a.Level = wire.Level(ns.Read)
	}
	if a.Level == wire.LevelAny {
		a.Level = wire.LevelOne
	}
	return a
}

// seats fills s.list with the owners of a key of so many replicas, those of this datacenter first, and with the fallbacks
// where hints may count.
func (s *Shard) seats(p uint32, replicas uint8, sloppy bool) {
	s.list = s.list[:0]
	places := s.view.Table.Owners(p)
	for _, x := range places {
		if x.Datacenter == s.view.Local && x.Holds(replicas) {
			s.seat(x, true)
		}
	}
	if len(s.view.Table.Datacenters()) > 1 {
		for _, x := range places {
			if x.Datacenter != s.view.Local && x.Holds(replicas) {
				s.seat(x, true)
			}
		}
	}
	if sloppy {
		for _, x := range s.view.Table.List(p) {
			if !x.Holds(replicas) {
				s.seat(x, false)
			}
		}
	}
}

func (s *Shard) seat(x ring.Place, owner bool) {
	n := &s.view.Table.Nodes()[x.Node]
	s.list = append(s.list, coordinator.Peer{
		Node: n.ID, Name: n.Name, Datacenter: x.Datacenter, Owner: owner,
		Up: s.view.UpAt(x.Node), Slow: s.peers.slow(n.ID, s.now.Mono),
	})
}

// coordinates reports whether this node is to coordinate a write to the key whose list stands in s.list:
// as an owner with a clock that can be trusted, or by force one that lies within the skew bound; or, where hints count,
// as the first node of the list that is up.
func (s *Shard) coordinates(force bool) bool {
	up := false
	for i := range s.list {
		p := &s.list[i]
		switch {
		case p.Node != s.cfg.Self.Node:
			up = up || p.Up
		case p.Owner:
			return !s.view.Skewed || force && time.Duration(s.view.Offset).Abs()*time.Millisecond <= SkewMax || s.alone()
		default:
			return !up
		}
	}
	return false
}

// alone reports whether no other owner could take a write off this node.
func (s *Shard) alone() bool {
	for i := range s.list {
		if p := &s.list[i]; p.Owner && p.Up && p.Node != s.cfg.Self.Node {
			return false
		}
	}
	return true
}

// forward hands a write to an owner. One that came forwarded already goes back instead of round in circles.
func (s *Shard) forward(k storage.Key, ns space, client coordinator.Client, r *wire.Request, frame []byte) {
	if client.Node != 0 {
		why := wire.OutcomeNotOwner
		if s.view.Skewed {
			why = wire.OutcomeSkewed
		}
		s.out.message(client.Node, &wire.Message{Kind: wire.KindForwardReply, ID: client.ID, Outcome: why})
		return
	}
	s.stats.Forwarded++
	s.call = coordinator.Call{Client: client, Op: r.Op, Peers: s.list, Body: frame}
	s.begin(&s.call, poolForward, coordinator.Ask{}, coordinator.Ask{}, r, k, ns)
}
