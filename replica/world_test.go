package replica

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// world drives the shipped code of a few nodes through one random schedule: messages in any order,
// lost, long late, restarts without memory, joins, nodes that stand still, clocks apart, memory so tight
// that it evicts, ghosts so few that they drop. It records what clients asked and got, for the checks.
type world struct {
	rng      *rand.Rand
	cfg      worldConfig
	now      time.Duration
	nodes    []*simNode // node i+1 is nodes[i]
	packets  []packet
	cuts     []cut
	ops      []*op
	seen     map[string]int
	total    Stats // of boots that are over
	log      []string
	failed   string
	calm     bool          // no faults from here on
	moving   time.Duration // since when nodes differ in placement; never: they do not
	moved    [][2]time.Duration
	joined   bool
	replaced bool
	under    map[[2]uint64]uint64 // link → placement its receiver has from its last map
}

type worldConfig struct {
	nodes, replicas int
	datacenters     int // default 1; replicas are in each
	read, write     wire.Level
	loose           string        // keys whose odd ones are written so: "sloppy" or "any"
	lost            int           // nodes without their memory at one time, at most
	loss            bool          // messages are lost now and then
	breaks          bool          // links break now and then, and nodes hear of it
	cuts            bool          // one direction between two nodes loses nearly everything, and nobody hears of it
	pauses          bool          // nodes stand still, and messages are late, for longer than anything may take
	join            bool          // a node joins
	replace         bool          // a node is replaced by one of its id without its directory
	skew            time.Duration // clocks lie within this either side; default 0 to 60 ms
	ahead           time.Duration // one clock is that far ahead of all
	ttls            bool          // many deadlines, few values
	siblings        bool          // the namespace keeps them
	memory          int64
	shards          int
	keys            int
}

// ordered reports whether links keep order, as they do in a product: placement depends on it, nothing else.
func (c *worldConfig) ordered() bool { return c.join }

type simNode struct {
	id      uint64
	dc      string
	boot    uint64
	skew    int64
	ceiling vclock.Stamp // on disk
	node    *Node        // nil while down
	from    *ring.Map    // of the next start
	startAt time.Duration
	still   time.Duration // until when it stands still
	founder bool
	fresh   bool // starts without its directory
}

type packet struct {
	from, to         uint64
	fromBoot, toBoot uint64
	due              time.Duration
	isMap            bool
	frame            []byte
}

// cut is a link that loses nearly everything, or that is down.
type cut struct {
	from, to uint64
	until    time.Duration
	known    bool // both nodes know, and have each other for down
}

const (
	never       = time.Duration(1 << 60)
	simTimeout  = 40 * time.Millisecond
	simLongest  = 160 * time.Millisecond // longer than a restart takes, as in a product
	simWall     = 1_000_000
	simSkewWait = 300 * time.Millisecond // stands for the skew bound: no clock is further ahead where nodes are replaced
)

func newWorld(seed uint64, cfg worldConfig) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 99)), cfg: cfg, now: time.Second, seen: map[string]int{}, moving: never, under: map[[2]uint64]uint64{}}
	mode := ring.LWW
	if cfg.siblings {
		mode = ring.Siblings
	}
	m := &ring.Map{ClusterID: 7, Cluster: "sim", Partitions: 4, Namespaces: []ring.Namespace{{
		Name: ring.DefaultNamespace, Replicas: uint8(cfg.replicas), Read: uint8(cfg.read), Write: uint8(cfg.write), Mode: mode, Version: 1,
	}}}
	for range cfg.nodes {
		n := w.add()
		n.founder = true
		m = m.With(n.entry())
	}
	if cfg.ahead > 0 {
		w.nodes[w.rng.IntN(cfg.nodes)].skew = cfg.ahead.Milliseconds()
	}
	for i, n := range w.nodes {
		n.from = m
		w.start(i)
	}
	w.beats()
	return w
}

// add makes a node that has not started.
func (w *world) add() *simNode {
	i := len(w.nodes)
	n := &simNode{id: uint64(i + 1), dc: "dc", skew: w.rng.Int64N(60)}
	if s := w.cfg.skew.Milliseconds(); s > 0 {
		n.skew = w.rng.Int64N(2*s+1) - s
	}
	if w.cfg.datacenters > 1 {
		n.dc = fmt.Sprint("dc", i%w.cfg.datacenters)
	}
	w.nodes = append(w.nodes, n)
	return n
}

func (n *simNode) entry() ring.Node {
	return ring.Node{
		ID: n.id, Boot: 1, Name: fmt.Sprint("n", n.id), ClientAddr: "h:1", PeerAddr: "h:2", GossipAddr: "h:3",
		Datacenter: n.dc, Weight: ring.StandardWeight, State: ring.Active, Version: 1,
	}
}

func (w *world) wall(n *simNode) vclock.Now {
	return vclock.Now{Mono: w.now, Wall: simWall + w.now.Milliseconds() + n.skew}
}

func (w *world) say(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%8v ", w.now)+fmt.Sprintf(format, args...))
}

func (w *world) fail(format string, args ...any) {
	if w.failed == "" {
		w.failed = fmt.Sprintf(format, args...)
	}
	w.say("FAIL "+format, args...)
}

// start boots a node with nothing in memory; it must find its clock past its ceiling.
func (w *world) start(i int) {
	n := w.nodes[i]
	n.boot++
	floor := n.ceiling
	if n.fresh {
		floor, n.fresh = vclock.StampAt(w.wall(n).Wall), false // the clock has passed the wait by now
	}
	c := coordinator.DefaultConfig()
	c.TimeoutDefault, c.TimeoutMax, c.LingerMax = simTimeout, simLongest, simTimeout/2
	h := hints.DefaultConfig()
	h.RetryPeriod = 30 * time.Millisecond
	r := antientropy.DefaultConfig()
	r.Retry, r.PageBytes = 20*time.Millisecond, 200
	memory, ghosts := w.cfg.memory, int64(0)
	if shards := int64(w.cfg.shards); memory < 1<<20 { // what entries may have, beside a page of the index for each partition
		memory, ghosts = shards*(storage.BytesLeast+(4/shards-1)<<8)+memory/2, memory/10
	}
	node, err := New(Config{
		Self: vclock.Actor{Node: n.id, Boot: n.boot}, Shards: w.cfg.shards, BytesMax: memory, GhostsMax: ghosts, PendingMax: 1000, PendingMem: 1 << 20,
		BootFloor: floor, Covered: math.MaxUint64, Founder: n.founder && n.boot == 1, Hash: xxhash.Sum64, Limits: wire.DefaultLimits(), Coordinator: c, Hints: h, Refill: r,
		RefillsMax: 2,
	}, n.from, w.wall(n))
	if err != nil {
		panic(err)
	}
	n.node = node
	for _, s := range node.Shards() {
		s.calls.boot = generationMask - 20 // so that they wrap
	}
	w.reserve(n, 0)
	for _, o := range w.nodes {
		if o != n {
			w.connect(n, o)
		}
	}
	w.placed()
}

// knows reports whether n has a running o in its map.
func (n *simNode) knows(o *simNode) bool {
	return n.node != nil && o.node != nil && n.node.View().Map.Node(o.id) != nil
}

// connect opens the links between two running nodes as far as they know of each other: the map goes first.
func (w *world) connect(a, b *simNode) {
	if w.apart(a.id, b.id, true) {
		return
	}
	for _, x := range [][2]*simNode{{a, b}, {b, a}} {
		if x[0].knows(x[1]) {
			w.sendMap(x[0], x[1])
		}
	}
	w.judgeUp(a, b)
}

// judgeUp has two nodes up to each other when both links stand.
func (w *world) judgeUp(a, b *simNode) {
	up := a.knows(b) && b.knows(a) && !w.apart(a.id, b.id, true)
	for _, x := range [][2]*simNode{{a, b}, {b, a}} {
		if x[0].node != nil && x[0].node.SetUp(x[1].id, up) {
			w.view(x[0])
		}
	}
}

// disconnect loses what is under way between two nodes.
func (w *world) disconnect(a, b *simNode) {
	w.packets = slices.DeleteFunc(w.packets, func(p packet) bool {
		return p.from == a.id && p.to == b.id || p.from == b.id && p.to == a.id
	})
	for _, x := range [][2]*simNode{{a, b}, {b, a}} {
		delete(w.under, [2]uint64{x[0].id, x[1].id})
		if x[0].node != nil && x[0].node.SetUp(x[1].id, false) {
			w.view(x[0])
		}
	}
}

// apart reports whether the link is cut.
func (w *world) apart(from, to uint64, known bool) bool {
	return slices.ContainsFunc(w.cuts, func(c cut) bool {
		return c.known == known && (c.from == from && c.to == to || known && c.from == to && c.to == from)
	})
}

func (w *world) sendMap(n, o *simNode) {
	if w.cfg.ordered() {
		frame := wire.AppendMessage(nil, &wire.Message{Kind: wire.KindMap, Body: wire.EncodeMap(n.node.View().Map)})
		w.packets = append(w.packets, packet{n.id, o.id, n.boot, o.boot, w.now, true, frame[wire.FrameHeader:]})
	}
}

// learn gives a node a map; what it sends from now on goes behind it.
func (w *world) learn(n *simNode, m *ring.Map) {
	changed, err := n.node.Merge(m)
	if err != nil {
		panic(err)
	}
	if !changed {
		return
	}
	w.say("n%d has a new map", n.id)
	for _, o := range w.nodes {
		if o != n && n.knows(o) && !w.apart(n.id, o.id, true) {
			w.sendMap(n, o)
		}
	}
	for _, o := range w.nodes {
		if o != n {
			w.judgeUp(n, o)
		}
	}
	w.view(n)
	w.placed()
}

// placed notes for how long nodes differ in what they believe of placement: that is not promised to be seamless.
func (w *world) placed() {
	same, first := true, uint64(0)
	for _, n := range w.nodes {
		if n.node == nil {
			continue
		}
		if p := n.node.View().Placement; first == 0 {
			first = p
		} else if p != first {
			same = false
		}
	}
	switch {
	case !same && w.moving == never:
		w.moving = w.now
	case same && w.moving != never:
		w.moved = append(w.moved, [2]time.Duration{w.moving, w.now})
		w.moving = never
	}
}

// uncertain reports whether nodes differed in placement at a time.
func (w *world) uncertain(at time.Duration) bool {
	return at >= w.moving || slices.ContainsFunc(w.moved, func(m [2]time.Duration) bool { return at >= m[0] && at <= m[1] })
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
	for _, s := range n.node.Shards() {
		s.Add(&w.total)
	}
	n.from, n.node = n.node.View().Map, nil
	n.startAt = w.now + time.Duration(20+w.rng.IntN(200))*time.Millisecond
	if w.cfg.replace && !w.replaced && w.rng.IntN(2) == 0 {
		w.replaced, n.fresh, n.startAt = true, true, w.now+simSkewWait+20*time.Millisecond
		w.seen["replaced"]++
		w.say("n%d loses its directory", n.id)
	}
	for _, o := range w.nodes {
		if o != n {
			w.disconnect(o, n)
		}
	}
	for _, o := range w.ops { // its clients never hear
		if !o.done && o.node == i {
			o.done = true
		}
	}
	w.seen["restart"]++
	w.say("n%d crashes", n.id)
}

// join starts a node that no other knows yet.
func (w *world) join() {
	w.joined = true
	n := w.add()
	n.from = w.nodes[w.rng.IntN(w.cfg.nodes)].node.View().Map.With(n.entry())
	w.seen["join"]++
	w.say("n%d joins", n.id)
	w.start(len(w.nodes) - 1)
}

// beats tells every node the time of all that it has for up.
func (w *world) beats() {
	for _, n := range w.nodes {
		for _, o := range w.nodes {
			if n == o || !n.knows(o) {
				continue
			}
			if changed, _ := n.node.Greet(w.wall(n), o.id, w.wall(o).Wall, 0); changed {
				w.view(n)
			}
		}
	}
}

func (w *world) flush(n *simNode, out *Outbox) {
	if out.Ceiling > n.ceiling {
		w.seen["ceiling"]++
		w.reserve(n, out.Ceiling)
	}
	limits := wire.DefaultLimits()
	for _, p := range out.Peers {
		to := w.nodes[p.To-1]
		for rest := p.Frames; len(rest) > 0; {
			frame, r, err := wire.NextFrame(rest, &limits)
			if err != nil {
				panic(err)
			}
			rest = r
			if w.apart(n.id, p.To, true) {
				continue
			}
			due := w.now
			if w.cfg.pauses && !w.calm && w.rng.IntN(40) == 0 {
				due += time.Duration(w.rng.IntN(1200)) * time.Millisecond
			}
			w.packets = append(w.packets, packet{n.id, p.To, n.boot, to.boot, due, false, slices.Clone(frame)})
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

// request lets a client of node i ask something.
func (w *world) request(i int) {
	if n := w.nodes[i]; n.node == nil || n.still > w.now {
		return
	}
	key := w.rng.IntN(1 + w.rng.IntN(w.cfg.keys))
	r := wire.Request{Key: []byte(fmt.Sprint("k", key))}
	if key%2 == 1 {
		switch w.cfg.loose {
		case "sloppy":
			r.Sloppy = true
		case "any":
			r.Level = wire.LevelAny
		}
	}
	if w.rng.IntN(4) == 0 {
		r.Timeout = uint32(simLongest.Milliseconds())
	}
	k := w.rng.IntN(20)
	if w.cfg.ttls && k >= 13 && k < 17 { // a third of them
		k = 19
	}
	switch {
	case k < 9:
		r.Op = wire.OpGet
	case k < 17:
		r.Op = wire.OpSet
		if w.rng.IntN(10) == 0 {
			r.TTL = 1 + w.rng.Int64N(300)
		}
	case k < 19 && !(w.cfg.ttls && k == 18):
		r.Op = wire.OpDelete
	default:
		r.Op = wire.OpTouch
		switch w.rng.IntN(4) {
		case 0:
			r.TTL = 1 + w.rng.Int64N(300)
		case 1: // persist
		default:
			r.TTL = ttlUnit * int64(len(w.ops)+1) // its deadline names it
		}
	}
	w.ask(i, &r)
}

// ask begins one call at node i.
func (w *world) ask(i int, r *wire.Request) *op {
	n := w.nodes[i]
	o := &op{id: len(w.ops) + 1, key: string(r.Key), what: r.Op, ttl: r.TTL, node: i, begin: w.now, end: never}
	if o.until = w.now + simTimeout; r.Timeout != 0 {
		o.until = w.now + simLongest
	}
	if w.cfg.datacenters > 1 {
		o.dc = n.dc
	}
	o.loose = r.Sloppy || r.Level == wire.LevelAny
	r.ID = uint64(o.id)
	if r.Op == wire.OpSet {
		r.Value = []byte(strconv.Itoa(o.id))
	}
	w.ops = append(w.ops, o)
	w.say("op %d %v %s ttl %d at n%d", o.id, o.what, o.key, o.ttl, n.id)
	frame := wire.AppendRequest(nil, r)[wire.FrameHeader:]
	k, shard := n.node.Key(n.node.View(), r.Key)
	var out Outbox
	n.node.Shards()[shard].Request(w.wall(n), k, coordinator.Client{Conn: 1, ID: r.ID}, r, frame, &out)
	w.flush(n, &out)
	return o
}

// deliver hands over one message that is under way, any of them, or the first of any link.
func (w *world) deliver() {
	if len(w.packets) == 0 {
		return
	}
	i := w.rng.IntN(len(w.packets))
	p := w.packets[i]
	if w.cfg.ordered() {
		i = slices.IndexFunc(w.packets, func(q packet) bool { return q.from == p.from && q.to == p.to })
		p = w.packets[i]
	}
	n := w.nodes[p.to-1]
	if p.due > w.now || n.still > w.now {
		return
	}
	if w.cfg.ordered() {
		w.packets = slices.Delete(w.packets, i, i+1)
	} else {
		last := len(w.packets) - 1
		w.packets[i] = w.packets[last]
		w.packets = w.packets[:last]
	}
	if n.node == nil || n.boot != p.toBoot || w.nodes[p.from-1].boot != p.fromBoot && w.cfg.ordered() {
		return // a link to an earlier boot is gone
	}
	if w.lose(&p) {
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
	under := v.Placement
	if w.cfg.ordered() {
		link := [2]uint64{p.from, p.to}
		if p.isMap {
			theirs, err := wire.DecodeMap(m.Body)
			if err != nil {
				panic(err)
			}
			w.under[link] = theirs.PlacementHash(xxhash.Sum64)
			w.learn(n, theirs)
			return
		}
		under = w.under[link]
	}
	if k, shard, ok := n.node.Route(v, &m, &r); ok {
		var out Outbox
		n.node.Shards()[shard].Receive(w.wall(n), p.from, under, k, &m, &r, &out)
		w.flush(n, &out)
	}
}

// lose decides whether a message is lost on its way. Where links keep order they break instead.
func (w *world) lose(p *packet) bool {
	switch {
	case w.calm:
		return false
	case w.apart(p.from, p.to, false):
		return w.rng.IntN(10) != 0
	default:
		return w.cfg.loss && !w.cfg.ordered() && w.rng.IntN(20) == 0
	}
}

func (w *world) tick(i int) {
	n := w.nodes[i]
	if n.node == nil || n.still > w.now {
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
	w.checkAnswered(i)
}

// lost is how many nodes are down or have not recovered.
func (w *world) lost() (lost int) {
	for _, n := range w.nodes {
		if n.node == nil || slices.ContainsFunc(n.node.Shards(), func(s *Shard) bool { return s.Recovering() > 0 }) {
			lost++
		}
	}
	return lost
}

func (w *world) step() {
	w.now += time.Duration(w.rng.IntN(1500)) * time.Microsecond
	w.life()
	switch k := w.rng.IntN(100); {
	case k < 10:
		w.request(w.rng.IntN(len(w.nodes)))
	case k < 20:
		w.tick(w.rng.IntN(len(w.nodes)))
	case k < 22:
		w.fault()
	default:
		for range max(2, len(w.nodes)*w.cfg.replicas*max(w.cfg.datacenters, 1)/6) {
			w.deliver()
		}
	}
}

// life brings back who was down, and ends cuts.
func (w *world) life() {
	for i, n := range w.nodes {
		if n.node == nil && n.startAt <= w.now && (n.fresh || vclock.StampAt(w.wall(n).Wall) > n.ceiling) {
			w.start(i)
			w.say("n%d is back", n.id)
		}
	}
	for i := 0; i < len(w.cuts); {
		c := w.cuts[i]
		if c.until > w.now {
			i++
			continue
		}
		w.cuts = slices.Delete(w.cuts, i, i+1)
		if c.known {
			w.connect(w.nodes[c.from-1], w.nodes[c.to-1])
		}
	}
}

// fault is one thing that goes wrong.
func (w *world) fault() {
	i, j := w.rng.IntN(len(w.nodes)), w.rng.IntN(len(w.nodes))
	n, o := w.nodes[i], w.nodes[j]
	switch k := w.rng.IntN(8); {
	case k < 3:
		if n.node != nil && w.moving == never && w.lost() < w.cfg.lost {
			w.crash(i)
		}
	case k == 3 && w.cfg.breaks && n != o:
		if !w.apart(n.id, o.id, true) {
			w.disconnect(n, o)
			w.cuts = append(w.cuts, cut{n.id, o.id, w.now + time.Duration(w.rng.IntN(120))*time.Millisecond, true})
			w.disconnect(n, o) // what knowing of it sent is lost too
			w.say("the link of n%d and n%d breaks", n.id, o.id)
			w.seen["breaks"]++
		}
	case k == 4 && w.cfg.cuts && n != o:
		until := w.now + time.Duration(w.rng.IntN(300))*time.Millisecond
		w.cuts = append(w.cuts, cut{n.id, o.id, until, false})
		if n.dc != o.dc {
			for _, x := range w.nodes {
				for _, y := range w.nodes {
					if x.dc == n.dc && y.dc == o.dc {
						w.cuts = append(w.cuts, cut{x.id, y.id, until, false}, cut{y.id, x.id, until, false})
					}
				}
			}
		}
		w.say("n%d can hardly reach n%d", n.id, o.id)
		w.seen["cuts"]++
	case k == 5 && w.cfg.pauses:
		n.still = w.now + time.Duration(w.rng.IntN(900))*time.Millisecond
		w.say("n%d stands still", n.id)
		w.seen["pauses"]++
		if w.rng.IntN(4) == 0 {
			w.now += time.Duration(w.rng.IntN(900)) * time.Millisecond
		}
	case k == 6 && w.cfg.join && !w.joined && w.lost() == 0 && w.rng.IntN(4) == 0:
		w.join()
	case k == 6 && w.cfg.join && n.node != nil && n.knows(o): // gossip brings maps by another way
		w.learn(n, o.node.View().Map)
	case k == 7:
		w.beats()
	}
}

// settle lets everything under way finish, without faults.
func (w *world) settle() {
	w.calm = true
	w.now += w.cfg.ahead
	for _, n := range w.nodes {
		n.still = 0
		if n.node == nil {
			w.now = max(w.now, n.startAt, time.Duration(n.ceiling.Millis()+1-simWall-n.skew)*time.Millisecond)
		}
	}
	for i := range w.cuts {
		w.cuts[i].until = 0
	}
	for i := range w.packets {
		w.packets[i].due = 0
	}
	for i := 0; i < 3000 && w.failed == ""; i++ {
		w.now += 200 * time.Microsecond
		if i%500 == 0 {
			w.beats()
		}
		w.life()
		for i := range w.nodes {
			w.tick(i)
		}
		for len(w.packets) > 0 && w.failed == "" {
			w.deliver()
		}
	}
}
