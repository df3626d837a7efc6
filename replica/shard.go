package replica

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Shard is a share of a node's partitions with all that serves them: the store, the requests under way,
// the hints owed and the refills. It is not safe for concurrent use; the shell holds its lock.
type Shard struct {
	cfg      *Config
	number   int
	view     *View
	store    *storage.Store
	clock    vclock.Clock
	ceiling  vclock.Stamp
	draining bool
	told     bool // to hand over what it owes

	calls    calls
	hints    *hints.Queue
	refill   refills
	exchange exchanges
	purse    purse
	peers    peerTimes

	env    coordinator.Env
	eff    coordinator.Effects
	now    vclock.Now
	hedges int           // paid for
	swept  time.Duration // when expired records were last looked for
	out    *Outbox       // of the call under way
	stats  ShardStats
	once   once
	mended coordinator.Repaired

	self   []wire.Message // sends of this node to itself, not yet served
	list   []coordinator.Peer
	hinted []hints.Send

	handing  []byte // the inner key of a hint that is handed over
	prefixed []byte // the inner key of the request under way, where it is another than the key
	pulls    []antientropy.Pull
	asked    []asked      // by other nodes, and not told yet
	body     []byte       // of a reply being built
	reply    wire.Message // this node's to itself
	call     coordinator.Call
	lent     vclock.Set // what the store lent to that call
}

// tickLeast is the age below which a request needs no tick: nothing waits for less.
const tickLeast = hedgeLeast

// sweepPeriod is how often a shard looks for expired records.
const sweepPeriod = 25 * time.Millisecond

// recordBytes is the largest record that fits into a frame, however many actors its context names: several versions merge into
// more than any of their writers could send.
func recordBytes(l *wire.Limits) int { return max(l.Frame-1<<10-8*l.Actors, 1) }

// recordMax is the largest record that a shard takes.
func (c *Config) recordMax() int {
	if fit := recordBytes(&c.Limits); c.RecordMax == 0 || c.RecordMax > fit {
		return fit
	}
	return c.RecordMax
}

func newShard(cfg *Config, number int, partitions uint32) (*Shard, error) {
	boot := cfg.Hash(binary.BigEndian.AppendUint64(nil, cfg.Self.Boot)) // where the numbers of what is asked begin
	store, err := storage.New(storage.Config{
		BytesMax: cfg.BytesMax / int64(cfg.Shards), GhostBytesMax: cfg.GhostsMax / int64(cfg.Shards), Policy: cfg.Policy, Partitions: partitions,
		Shard: uint32(number), Shards: uint32(cfg.Shards), RecordBytesMax: cfg.recordMax(), Hash: cfg.Hash, Seed: bits.Reverse64(boot + uint64(number)),
		Memory: cfg.Memory,
	})
	if err != nil {
		return nil, err
	}
	owes := cfg.Hints
	owes.First = boot & (ownMask >> 1)
	s := &Shard{cfg: cfg, number: number, store: store, clock: vclock.NewClock(number, cfg.Shards)}
	s.purse.init()
	owes.Pay, owes.Taker = s.payHint, s.taker
	s.hints = hints.New(owes)
	s.once.init(cfg.Self.Boot, onceMax)
	s.calls.init(uint64(number), boot)
	s.refill.init(cfg, boot&(ownMask>>1))
	s.exchange.init(s, boot&(ownMask>>1))
	s.peers.init()
	s.env = coordinator.Env{Self: cfg.Self, Clock: &s.clock, Config: &cfg.Coordinator, Own: holder{s}, Eff: &s.eff, Repaired: &s.mended}
	return s, nil
}

// enter begins a step: the time, and where what it wants sent goes.
func (s *Shard) enter(now vclock.Now, out *Outbox) {
	s.now, s.out = now, out
	s.env.Now, s.env.Ceiling, s.env.Fast = now, s.ceiling, 0
	if s.view != nil && s.view.Skewed {
		s.env.Fast = max(-s.view.Offset, 0)
	}
}

// SetCeiling lets the shard make and store stamps up to c, which is on disk.
func (s *Shard) SetCeiling(c vclock.Stamp) { s.ceiling = max(s.ceiling, c) }

// Drain refuses new requests from clients; those under way go on.
func (s *Shard) Drain() { s.draining = true }

// Busy is how many requests are under way.
func (s *Shard) Busy() int { return s.calls.busy }

// SetView changes what the shard believes of the cluster: partitions gained begin to recover, those lost
// are dropped, and requests under way turn to the new owners, who refuse those of a key that was flushed.
func (s *Shard) SetView(now vclock.Now, v *View, out *Outbox) {
	s.enter(now, out)
	old := s.view
	s.view, s.refill.stuck = v, false
	s.hints.HandOver(s.handsOver())
	if old == nil || old.Placement != v.Placement {
		s.own(old)
		s.asked = s.asked[:0] // under a placement that is no more
		var inner []byte      // used again: there may be many
		s.hints.Forget(func(target uint64, p uint32, key string) bool {
			inner = append(inner[:0], key...)
			return !v.Holds(target, p, inner)
		})
	}
	if old == nil || old.Placement != v.Placement {
		s.exchange.owners(s)
	}
	if old == nil {
		return
	}
	for _, n := range old.Table.Nodes() {
		if old.Up(n.ID) && !v.Up(n.ID) {
			s.lost(n.ID)
		}
	}
	for _, n := range v.Table.Nodes() {
		if v.Up(n.ID) && !old.Up(n.ID) {
			s.exchange.peerUp(s, n.ID)
		}
	}
	if old.Placement != v.Placement {
		s.calls.each(func(c *call) { s.restart(c) })
	}
}

// lost tells everything under way that replies of node will not come.
func (s *Shard) lost(node uint64) {
	s.peers.forget(node)
	s.refill.lost(node)
	s.exchange.peerDown(s, node)
	s.calls.each(func(c *call) {
		c.machine.Lost(&s.env, node)
		s.flush(c)
	})
}

// restart turns a request to the owners its key has now.
func (s *Shard) restart(c *call) {
	s.seats(c.partition, c.replicas, c.ask.Sloppy)
	q, err := coordinator.Resolve(c.ask, s.list)
	if err != nil {
		return // the level cannot be met by the new owners: the deadline will say so
	}
	next := coordinator.Call{Peers: s.list, Quorum: q, Reads: q}
	if c.pool == poolTouch || c.pool == poolUpdate {
		if next.Reads, err = coordinator.Resolve(c.readAsk, s.list); err != nil {
			return
		}
	}
	c.machine.Restart(&s.env, &next)
	s.flush(c)
}

// Tick lets time pass for everything in the shard.
func (s *Shard) Tick(now vclock.Now, out *Outbox) {
	s.enter(now, out)
	if now.Mono-s.swept >= sweepPeriod {
		s.swept = now.Mono
		s.store.Tick(now.Wall, s.view.spaces.dead)
		if s.view.Timed {
			s.store.Advance(s.cut()) // or the first write after a long rest would have to catch up
		}
	}
	s.calls.each(func(c *call) {
		if now.Mono-c.started >= tickLeast {
			c.machine.Tick(&s.env)
			s.flush(c)
		}
	})
	s.hinted = s.hints.Tick(now, s.view.Up, s.hinted[:0])
	s.sendHints()
	s.tickRefills()
	s.tellAsked()
	s.tickExchanges()
}

// flush does what a machine wants done, until it wants no more, and frees it when it is through.
// Answers and messages leave as bytes before anything they alias can change, so this node's sends to
// itself are served one at a time.
func (s *Shard) flush(c *call) {
	for served := 0; ; {
		for i := range s.eff.Answers {
			a := &s.eff.Answers[i]
			s.count(&a.Response)
			s.answer(a.Client, &a.Response)
			if c.started != s.now.Mono {
				s.out.Latency[LatencyBucket(s.now.Mono-c.started)]++
			}
		}
		for i := range s.eff.Sends {
			m := &s.eff.Sends[i]
			if m.To == s.cfg.Self.Node {
				s.self = append(s.self, m.Message)
				continue
			}
			if m.Message.ID != 0 {
				s.peers.sent(m.To, s.now.Mono)
			}
			s.out.message(m.To, &m.Message)
		}
		for i := range s.eff.Hints {
			h := &s.eff.Hints[i]
			s.owes(hints.Owed{Target: h.Target, Partition: c.partition, Key: h.Key, Set: &h.Set})
		}
		s.out.Ceiling = max(s.out.Ceiling, s.eff.CeilingWanted)
		s.peers.earned -= hedgePrice * (s.eff.Hedges - s.hedges)
		s.hedges = s.eff.Hedges
		s.eff.Reset()
		if served == len(s.self) {
			break
		}
		m := &s.self[served]
		served++
		s.reply = wire.Message{ID: m.ID}
		s.apply(storage.Key{Bytes: m.Key, Hash: c.hash, Partition: c.partition}, m, &s.reply)
		if s.reply.Outcome == wire.OutcomeFull {
			s.calls.refuse(c, m.Set.Greatest())
		}
		if m.ID != 0 { // a repair wants no reply
			c.machine.Reply(&s.env, s.cfg.Self.Node, &s.reply)
		}
	}
	clear(s.self)
	s.self, s.reply = s.self[:0], wire.Message{}
	s.calls.settle(c)
}

func (s *Shard) count(r *wire.Response) {
	switch {
	case r.Status == wire.StatusOK:
		s.stats.OK++
	case r.Status == wire.StatusNotFound:
		s.stats.NotFound++
	default:
		s.stats.Failed++
	}
}

// peerTimes is what a shard has seen of the other nodes' promptness.
type peerTimes struct {
	byNode map[uint64]*peerTime
	earned int // hedges are paid from what reads earn
}

type peerTime struct {
	owed   int           // replies due
	silent time.Duration // since when nothing has come though a reply was due
	p95    time.Duration // of its replies to fetches, estimated
}

const (
	slowAfter  = 100 * time.Millisecond // of silence, a node is read from last
	hedgeLeast = 2 * time.Millisecond
	hedgeMost  = 100 * time.Millisecond

	// A hedge costs what hedgePrice reads earn, so that a cluster that is slow because it is overloaded is not
	// loaded with more than one read in twenty twice; what idle times saved is enough for a node that stops.
	hedgePrice = 20
	hedgeSaved = 250 * hedgePrice
)

func (p *peerTimes) init() { p.byNode, p.earned = map[uint64]*peerTime{}, hedgeSaved }

func (p *peerTimes) of(node uint64) *peerTime {
	t := p.byNode[node]
	if t == nil {
		t = &peerTime{p95: hedgeLeast}
		p.byNode[node] = t
	}
	return t
}

func (p *peerTimes) forget(node uint64) { delete(p.byNode, node) }

func (p *peerTimes) sent(node uint64, now time.Duration) {
	t := p.of(node)
	if t.owed == 0 {
		t.silent = now
	}
	t.owed++
}

// replied moves the estimate a little: up by 19 parts where the reply was slower, down by one where it was
// faster, which settles where one in twenty is slower (frugal streaming, Ma et al. 2013).
func (p *peerTimes) replied(node uint64, now, took time.Duration, fetch bool) {
	t := p.of(node)
	t.owed = max(t.owed-1, 0)
	t.silent = now
	if !fetch {
		return
	}
	step := max(t.p95/64, 10*time.Microsecond) / 20
	if took > t.p95 {
		t.p95 += 19 * step
	} else {
		t.p95 -= step
	}
}

func (p *peerTimes) slow(node uint64, now time.Duration) bool {
	t := p.byNode[node]
	return t != nil && t.owed > 0 && now-t.silent > slowAfter
}

// spare reports whether reads may ask more owners than they need. They do not where hedges have taken half of what was
// saved: the cluster is slow, and asking more would not make it faster.
func (p *peerTimes) spare() bool { return p.earned >= hedgeSaved/2 }

// hedge is how long a read waits for the peers it asked before it asks one more; 0: it may not.
func (p *peerTimes) hedge(list []coordinator.Peer) time.Duration {
	p.earned = min(p.earned+1, hedgeSaved)
	if p.earned < hedgePrice {
		return 0
	}
	longest := hedgeLeast
	for i := range list {
		if t := p.byNode[list[i].Node]; t != nil {
			longest = max(longest, t.p95)
		}
	}
	return min(longest, hedgeMost)
}
