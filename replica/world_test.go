package replica

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// world drives the shipped code of a few nodes through one random schedule: messages in any order,
// lost, restarts without memory, clocks apart, memory so tight that it evicts, ghosts so few that they
// drop. It records what clients asked and got, for the checks.
type world struct {
	rng     *rand.Rand
	cfg     worldConfig
	now     time.Duration
	nodes   []*simNode
	packets []packet
	ops     []*op
	m       *ring.Map
	seen    map[string]int
	log     []string
	failed  string
}

type worldConfig struct {
	nodes, replicas int
	read, write     wire.Level
	sloppy          bool
	restarts        bool // memory is lost now and then
	loss            bool // messages are lost now and then
	memory          int64
	shards          int
	keys            int
}

type simNode struct {
	id      uint64
	boot    uint64
	skew    int64
	ceiling vclock.Stamp // on disk
	node    *Node        // nil while down
	startAt time.Duration
}

type packet struct {
	from, to         uint64
	fromBoot, toBoot uint64
	frame            []byte
}

type op struct {
	id         int
	key        string
	what       wire.Op
	node       int
	boot       uint64
	begin, end time.Duration
	done, ok   bool
	value      int // read: the write it stems from; 0: a miss
	forgotten  bool
	status     wire.Status
}

const never = time.Duration(1 << 60)

func newWorld(seed uint64, cfg worldConfig) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 99)), cfg: cfg, now: time.Second, seen: map[string]int{}}
	w.m = &ring.Map{ClusterID: 7, Cluster: "sim", Partitions: 4, Namespaces: []ring.Namespace{{
		Name: DefaultNamespace, Replicas: uint8(cfg.replicas), Read: uint8(cfg.read), Write: uint8(cfg.write), Version: 1,
	}}}
	for i := range cfg.nodes {
		id := uint64(i + 1)
		w.m = w.m.With(ring.Node{
			ID: id, Boot: 1, Name: fmt.Sprint("n", id), ClientAddr: "h:1", PeerAddr: "h:2", GossipAddr: "h:3",
			Datacenter: "dc", Weight: ring.StandardWeight, State: ring.Active, Version: 1,
		})
		w.nodes = append(w.nodes, &simNode{id: id, skew: w.rng.Int64N(60)})
	}
	for i := range w.nodes {
		w.start(i)
	}
	return w
}

func (w *world) wall(n *simNode) vclock.Now {
	return vclock.Now{Mono: w.now, Wall: 1_000_000 + w.now.Milliseconds() + n.skew}
}

func (w *world) say(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%8v ", w.now)+fmt.Sprintf(format, args...))
}

// start boots a node with nothing in memory; it must find its clock past its ceiling.
func (w *world) start(i int) {
	n := w.nodes[i]
	n.boot++
	floor := n.ceiling
	c := coordinator.DefaultConfig()
	c.TimeoutDefault, c.TimeoutMax, c.LingerMax = 40*time.Millisecond, 40*time.Millisecond, 20*time.Millisecond
	h := hints.DefaultConfig()
	h.RetryPeriod = 30 * time.Millisecond
	r := antientropy.DefaultConfig()
	r.Retry, r.PageBytes = 20*time.Millisecond, 200
	node, err := New(Config{
		Self: vclock.Actor{Node: n.id, Boot: n.boot}, Shards: w.cfg.shards, BytesMax: w.cfg.memory, PendingMax: 1000, PendingMem: 1 << 20,
		BootFloor: floor, Founder: floor == 0, Hash: xxhash.Sum64, Limits: wire.DefaultLimits(), Coordinator: c, Hints: h, Refill: r,
		RefillsMax: 2,
	}, w.m, w.wall(n))
	if err != nil {
		panic(err)
	}
	n.node = node
	w.reserve(n, 0)
	for j, o := range w.nodes {
		if j != i && o.node != nil {
			w.setUp(n, o.id, true)
			w.setUp(o, n.id, true)
		}
	}
}

func (w *world) setUp(n *simNode, of uint64, up bool) {
	if n.node != nil && n.node.SetUp(of, up) {
		w.view(n)
	}
}

func (w *world) view(n *simNode) {
	for _, s := range n.node.Shards() {
		var out Outbox
		s.SetView(w.wall(n), n.node.View(), &out)
		w.flush(n, &out)
	}
}

func (w *world) reserve(n *simNode, wanted vclock.Stamp) {
	now := w.wall(n)
	n.ceiling = max(n.ceiling, vclock.StampAt(now.Wall+50), wanted+50<<16)
	for _, s := range n.node.Shards() {
		s.SetCeiling(n.ceiling)
	}
}

func (w *world) crash(i int) {
	n := w.nodes[i]
	n.node = nil
	n.startAt = w.now + time.Duration(20+w.rng.IntN(200))*time.Millisecond
	for _, o := range w.nodes {
		w.setUp(o, n.id, false)
	}
	for _, o := range w.ops { // its clients never hear
		if !o.done && o.node == i {
			o.done = true
		}
	}
	w.seen["restart"]++
	w.say("n%d crashes", n.id)
}

func (w *world) flush(n *simNode, out *Outbox) {
	if out.Ceiling > n.ceiling {
		w.seen["ceiling"]++
		w.reserve(n, out.Ceiling)
	}
	limits := wire.DefaultLimits()
	for _, p := range out.Peers {
		toBoot := uint64(0)
		for _, o := range w.nodes {
			if o.id == p.To {
				toBoot = o.boot
			}
		}
		for rest := p.Frames; len(rest) > 0; {
			frame, r, err := wire.NextFrame(rest, &limits)
			if err != nil {
				panic(err)
			}
			rest = r
			w.packets = append(w.packets, packet{n.id, p.To, n.boot, toBoot, slices.Clone(frame)})
		}
	}
	for _, p := range out.Conns {
		for rest := p.Frames; len(rest) > 0; {
			frame, r, err := wire.NextFrame(rest, &limits)
			if err != nil {
				panic(err)
			}
			rest = r
			var resp wire.Response
			if err := wire.DecodeResponse(frame, &resp, &limits); err != nil {
				panic(err)
			}
			w.answered(&resp)
		}
	}
}

func (w *world) answered(r *wire.Response) {
	o := w.ops[r.ID-1]
	if o.done {
		w.fail("op %d answered twice", o.id)
		return
	}
	o.done, o.status, o.forgotten = true, r.Status, r.Forgotten
	o.ok = r.Status == wire.StatusOK || r.Status == wire.StatusNotFound
	if o.ok {
		o.end = w.now
	}
	if o.what == wire.OpGet && r.Status == wire.StatusOK {
		o.value, _ = strconv.Atoi(string(r.Value))
		w.seen["hit"]++
		w.checkRead(o)
	}
	w.say("op %d %v %s -> status %d value %d forgotten %v", o.id, o.what, o.key, r.Status, o.value, r.Forgotten)
	w.seen[fmt.Sprintf("%v status %d", o.what, r.Status)]++
	if r.Forgotten {
		w.seen["forgotten"]++
	}
}

// checkRead is I2: the value must not stem from a write that ended before another began which ended
// before the read began.
func (w *world) checkRead(r *op) {
	if r.value < 1 || r.value > len(w.ops) || w.ops[r.value-1].key != r.key || w.ops[r.value-1].what != wire.OpSet {
		w.fail("op %d read %d, which nobody wrote to %s", r.id, r.value, r.key)
		return
	}
	v := w.ops[r.value-1]
	for _, u := range w.ops {
		if u.key == r.key && (u.what == wire.OpSet || u.what == wire.OpDelete) && u.ok && u.begin > v.end && u.end < r.begin {
			w.fail("stale: op %d (from %v) at n%d read %s of op %d (ended %v), though op %d (%v-%v) was acknowledged",
				r.id, r.begin, r.node+1, r.key, v.id, v.end, u.id, u.begin, u.end)
		}
	}
}

func (w *world) fail(format string, args ...any) {
	if w.failed == "" {
		w.failed = fmt.Sprintf(format, args...)
	}
	w.say("FAIL "+format, args...)
}

// request lets a client of node i ask something.
func (w *world) request(i int) {
	n := w.nodes[i]
	if n.node == nil {
		return
	}
	o := &op{id: len(w.ops) + 1, key: fmt.Sprint("k", w.rng.IntN(1+w.rng.IntN(w.cfg.keys))), node: i, boot: n.boot, begin: w.now, end: never}
	r := wire.Request{ID: uint64(o.id), Key: []byte(o.key), Sloppy: w.cfg.sloppy}
	switch k := w.rng.IntN(20); {
	case k < 9:
		o.what = wire.OpGet
	case k < 17:
		o.what = wire.OpSet
		r.Value = []byte(strconv.Itoa(o.id))
		if w.rng.IntN(10) == 0 {
			r.TTL = 1 + w.rng.Int64N(300)
		}
	case k < 19:
		o.what = wire.OpDelete
	default:
		o.what = wire.OpTouch
		r.TTL = w.rng.Int64N(300)
	}
	r.Op = o.what
	w.ops = append(w.ops, o)
	w.say("op %d %v %s at n%d", o.id, o.what, o.key, n.id)
	frame := wire.AppendRequest(nil, &r)[wire.FrameHeader:]
	k, shard := n.node.Key(n.node.View(), r.Key)
	var out Outbox
	n.node.Shards()[shard].Request(w.wall(n), k, coordinator.Client{Conn: 1, ID: r.ID}, &r, frame, &out)
	w.flush(n, &out)
}

// deliver hands over one message that is under way, any of them.
func (w *world) deliver() {
	if len(w.packets) == 0 {
		return
	}
	i := w.rng.IntN(len(w.packets))
	p := w.packets[i]
	last := len(w.packets) - 1
	w.packets[i] = w.packets[last]
	w.packets = w.packets[:last]
	n := w.nodes[p.to-1]
	if n.node == nil || n.boot != p.toBoot {
		return // a link to an earlier boot is gone
	}
	if w.cfg.loss && w.rng.IntN(20) == 0 {
		w.seen["lost"]++
		return
	}
	limits := wire.DefaultLimits()
	var m wire.Message
	var r wire.Request
	if err := wire.DecodeMessage(p.frame, &m, &limits); err != nil {
		panic(err)
	}
	v := n.node.View()
	if k, shard, ok := n.node.Route(v, &m, &r); ok {
		var out Outbox
		n.node.Shards()[shard].Receive(w.wall(n), p.from, v.Placement, k, &m, &r, &out)
		w.flush(n, &out)
	}
}

func (w *world) tick(n *simNode) {
	if n.node == nil {
		return
	}
	if vclock.StampAt(w.wall(n).Wall+20) > n.ceiling {
		w.reserve(n, 0)
	}
	for _, s := range n.node.Shards() {
		var out Outbox
		s.Tick(w.wall(n), &out)
		w.flush(n, &out)
	}
}

// recovering reports whether any node is down or has not recovered.
func (w *world) recovering() bool {
	for _, n := range w.nodes {
		if n.node == nil {
			return true
		}
		for _, s := range n.node.Shards() {
			if s.Recovering() > 0 {
				return true
			}
		}
	}
	return false
}

func (w *world) step() {
	w.now += time.Duration(w.rng.IntN(1500)) * time.Microsecond
	for i, n := range w.nodes {
		if n.node == nil && w.now >= n.startAt && vclock.StampAt(w.wall(n).Wall) > n.ceiling {
			w.start(i)
			w.say("n%d is back", n.id)
		}
	}
	switch k := w.rng.IntN(100); {
	case k < 10:
		w.request(w.rng.IntN(len(w.nodes)))
	case k < 20:
		w.tick(w.nodes[w.rng.IntN(len(w.nodes))])
	case k < 21 && w.cfg.restarts:
		if !w.recovering() {
			w.crash(w.rng.IntN(len(w.nodes)))
		}
	default:
		w.deliver()
		w.deliver()
	}
}

// settle lets everything under way finish, without faults.
func (w *world) settle() {
	w.cfg.loss = false
	for range 3000 {
		w.now += 200 * time.Microsecond
		for i, n := range w.nodes {
			if n.node == nil && vclock.StampAt(w.wall(n).Wall) > n.ceiling {
				w.start(i)
			}
			w.tick(n)
		}
		for len(w.packets) > 0 {
			w.deliver()
		}
	}
}
