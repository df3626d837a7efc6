package server

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

const (
	largeFrame   = 64 << 10               // a request of so many bytes looks for room on the links first
	roomPatience = 250 * time.Millisecond // how long it does; an owner that then has none is owed a hint
)

// carryOut carries out one request of own, but for a multi-get, which is a get of each key: own puts them together.
func (n *Node) carryOut(now vclock.Now, client coordinator.Client, r *wire.Request, frame []byte, out *replica.Outbox, own caller) {
	switch r.Op {
	case wire.OpGet, wire.OpHead, wire.OpSet, wire.OpDelete, wire.OpTouch, wire.OpIncr, wire.OpAppend:
		if len(frame) >= largeFrame {
			n.makeRoom(r.Key, len(frame), func(now vclock.Now) {
				n.request(now, client, r, frame, out)
				n.flush(out, own, nil)
			})
			return
		}
		n.request(now, client, r, frame, out)
	case wire.OpScan:
		n.scan(now, client, r, frame, out)
	case wire.OpNamespace:
		n.changeNamespace(client, r)
	default:
		resp := n.inform(r)
		out.Answer(client, &resp)
	}
}

// unreadable answers a request that could not be decoded.
func unreadable(op wire.Op, err error) *wire.Response {
	status := wire.StatusBadRequest
	if _, over := errors.AsType[*wire.LimitError](err); over {
		status = wire.StatusTooLarge
	}
	return &wire.Response{Status: status, Err: &wire.Error{Op: op, Text: err.Error()}}
}

// request hands a call to its shard: lock, step, unlock; sending comes later.
func (n *Node) request(now vclock.Now, client coordinator.Client, r *wire.Request, frame []byte, out *replica.Outbox) {
	k, i := n.core.Locate(n.view.Load(), r)
	s := &n.shards[i]
	s.mu.Lock()
	s.Request(now, k, client, r, frame, out)
	s.mu.Unlock()
}

// room reports whether the links to all those nodes take n more bytes.
func (n *Node) room(nodes []uint64, bytes int) bool {
	for _, id := range nodes {
		if l := n.link(id); l != nil && !l.room(bytes) {
			return false
		}
	}
	return true
}

// makeRoom is for a write whose copies could fill the links: it waits a little for room on those of the key's
// owners before it lets do carry it out, whose time begins then. Do flushes what it did, so that the next one
// sees what it took.
func (n *Node) makeRoom(key []byte, bytes int, do func(now vclock.Now)) {
	n.large.Lock()
	defer n.large.Unlock()
	v := n.view.Load()
	var owners []uint64
	for _, o := range v.Others(v.Table.Partition(ring.Slot(key))) {
		owners = append(owners, o.Node)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	now := n.clock.now()
	for end := now.Mono + roomPatience; now.Mono < end && !n.room(owners, bytes); now = n.clock.now() {
		<-tick.C
	}
	n.waited(owners, bytes)
	do(now)
}

// waited ends a wait for room on the links to those nodes: where it was in vain, nobody waits again until
// there is room, or a node that does not read would slow down every large write.
func (n *Node) waited(nodes []uint64, bytes int) {
	for _, id := range nodes {
		if l := n.link(id); l != nil {
			l.stuck.Store(!l.room(bytes) || l.stuck.Load())
		}
	}
}

// flushSince flushes a batch of own's requests, and counts those that were answered at once.
func (n *Node) flushSince(began vclock.Now, out *replica.Outbox, own caller) {
	answered := 0
	for i := range out.Conns {
		if out.Conns[i].To == own.number() {
			answered = out.Conns[i].Count
		}
	}
	n.flush(out, own, nil)
	if answered > 0 {
		n.meter.inline(n.clock.now().Mono-began.Mono, answered)
	}
}

// flush sends what a batch of steps wants sent, and empties the outbox. Own is the connection whose batch
// it is, in the link: what answers a link's messages goes only to the boot that sent them.
func (n *Node) flush(out *replica.Outbox, own caller, in *incoming) {
	for i := range out.Peers {
		p := &out.Peers[i]
		boot := uint64(0)
		if in != nil && in.from == p.To {
			boot = in.boot
		}
		l := n.link(p.To)
		if l == nil || !l.push(p.Frames, boot) {
			n.counts.undelivered.Add(uint64(p.Count))
		}
	}
	for i := range out.Conns {
		p := &out.Conns[i]
		if c := n.caller(p.To, own); c != nil {
			c.answer(p.Frames, p.Count)
		}
	}
	n.parts(out, own)
	if out.Ceiling > 0 {
		n.wantCeiling(out.Ceiling)
	}
	n.meter.later(&out.Latency)
	out.Reset()
}

// parts hands the answers to single keys of multi-gets to their connections.
func (n *Node) parts(out *replica.Outbox, own caller) {
	for i := range out.Parts {
		p := &out.Parts[i]
		if c, native := n.caller(p.Conn, own).(*conn); native {
			c.part(p)
		}
	}
	clear(out.Parts)
	out.Parts = out.Parts[:0]
}

// meter counts answered requests and how long they took, in buckets that every goroutine adds to.
type meter struct {
	answered atomic.Uint64
	buckets  [len(replica.Latency{})]atomic.Uint64
	windows  [meterWindows]replica.Latency // of the last seconds; only turn and read touch them, under Node.mu
	last     replica.Latency
	at       int
}

// meterWindows is over how many seconds rates and quantiles are taken.
const meterWindows = 10

// inline counts requests that were answered within the batch that brought them.
func (m *meter) inline(took time.Duration, n int) {
	m.answered.Add(uint64(n))
	m.buckets[replica.LatencyBucket(took)].Add(uint64(n))
}

// later counts requests that had to wait for other nodes.
func (m *meter) later(l *replica.Latency) {
	for i, k := range l {
		if k > 0 {
			m.answered.Add(uint64(k))
			m.buckets[i].Add(uint64(k))
		}
	}
}

// latencies are those of all requests so far; the counts wrap around.
func (m *meter) latencies() (all replica.Latency) {
	for i := range m.buckets {
		all[i] = uint32(m.buckets[i].Load())
	}
	return all
}

// turn ends a second.
func (m *meter) turn() {
	m.at = (m.at + 1) % meterWindows
	all := m.latencies()
	for i, now := range all {
		m.windows[m.at][i] = now - m.last[i]
	}
	m.last = all
}

// read returns requests a second and the latencies that half and 99 % of them stay below.
func (m *meter) read(uptime time.Duration) (rate float64, p50, p99 time.Duration) {
	var sum replica.Latency
	total := uint64(0)
	for w := range m.windows {
		sum.Add(&m.windows[w])
	}
	for _, k := range sum {
		total += uint64(k)
	}
	seconds := min(float64(meterWindows), max(uptime.Seconds(), 1))
	return float64(total) / seconds, sum.Quantile(0.5), sum.Quantile(0.99)
}
