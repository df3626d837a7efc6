package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/datadir"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
)

const (
	wallBase       = int64(1_700_000_000_000) // milliseconds since 1970 at the beginning
	tickPeriod     = 10 * time.Millisecond    // as the shell has it
	idlePeriod     = 100 * time.Millisecond   // of ticks of a node that has nothing to do, which would be most events of all
	ceilingPeriod  = 500 * time.Millisecond   // as the shell has it
	beatPeriod     = time.Second
	exchangePeriod = 10 * time.Second // half of what a node has by default
	skewWait       = 2 * replica.SkewMax
	dataPath       = "/data"
	startPeriod    = time.Second // after which an operator starts a node again that refused to
)

// node is a machine: its clocks, its disk, and the process on it while there is one.
type node struct {
	id    uint64
	dc    string
	drift float64       // of its clocks
	skew  time.Duration // of its wall clock
	disk  *platter

	core     *replica.Node // nil while it is down
	balancer *replica.Balancer
	pacer    *replica.Pacer
	felt     replica.Latency // of all requests that the process has answered
	dir      *datadir.Dir    // of the process that runs, or is about to
	hintLog  *datadir.HintLog
	logs     time.Duration // when it is its turn
	logsSoon bool          // it is so before an idle node ticks
	boot     uint64
	life     uint32        // counts starts and ends; what belongs to an earlier one does not happen
	booted   time.Duration // true time
	anchor   int64         // wall at boot, milliseconds
	parted   time.Duration // when it let an owner keep a hint last
	lost     bool          // its memory, and has not got it back
	doomed   bool          // it is about to lose its memory
	far      time.Duration // until then every time it tells lies far ahead
	farBy    time.Duration
	paused   time.Duration // until then
	waiting  []event       // that came while it stood still
	ticks    int32         // the number of the next; an earlier one does not happen
	idle     bool          // the next tick is further away than it would be
	ceiling  vclock.Stamp  // as on disk, and promised
	stuck    time.Duration // when its disk last did not take one

	known    *ring.Map     // of the boot that is about to be: the map it begins with
	floor    vclock.Stamp  // its floor
	covered  uint64        // the last boot that the floor is above
	until    vclock.Stamp  // its clock must pass this first; 0: not known yet
	starting time.Duration // it is tried again then

	peers []peer // what it believes of each node
	out   replica.Outbox
}

// ends reports whether a fault may end the node's process: there is one, and it has no memory to lose or may lose it.
func (w *world) ends(i int) bool {
	n := &w.nodes[i]
	if n.core == nil {
		return n.dir != nil
	}
	return w.without(i) < w.plan.Cluster.Down
}

func (n *node) name() string { return fmt.Sprint("n", n.id) }

// mono is the node's monotonic clock.
func (n *node) mono(t time.Duration) time.Duration { return t + time.Duration(float64(t)*n.drift) }

// clock is what the node's clocks say. Wall time is anchored at boot and runs on the monotonic clock.
func (w *world) clock(n *node) vclock.Now {
	m := n.mono(w.now)
	return vclock.Now{Mono: m, Wall: n.anchor + (m - n.mono(n.booted)).Milliseconds()}
}

// wallAt is what the machine's wall clock says, whether or not a process runs on it.
func (w *world) wallAt(n *node) int64 {
	return wallBase + (n.mono(w.now) + n.skew).Milliseconds()
}

// entry is what the map says of the node.
func (n *node) entry(version uint64) ring.Node {
	return ring.Node{
		ID: n.id, Boot: n.boot, Name: n.name(), ClientAddr: "h:1", PeerAddr: "h:2", GossipAddr: "h:3",
		Datacenter: n.dc, Weight: ring.StandardWeight, State: ring.Active, Version: version,
	}
}

// start boots a node as the server does, or waits until its clock has passed what it may have promised before.
func (w *world) start(i int) {
	n := &w.nodes[i]
	if n.core != nil || n.starting > w.now {
		return
	}
	if n.dir == nil {
		if err := w.recall(i); err != nil {
			w.refuse(i, err)
			return
		}
	}
	if wait := time.Duration(n.until.Millis()-w.wallAt(n)+1) * time.Millisecond; n.until > 0 && wait > 0 {
		if wait > replica.StartWaitMax {
			w.refuse(i, errClock)
			return
		}
		n.starting = w.now + wait
		w.at(event{at: n.starting, what: boot, node: int32(i), life: n.life})
		return
	}
	w.run(i)
}

var (
	errClock  = errors.New("its clock is far behind what it promised")
	errLater  = errors.New("the cluster knows a later boot")
	errNobody = errors.New("there is nobody to ask for the cluster map")
)

// recall opens the node's directory and finds out what an earlier boot left: who the node is, the map, and what it
// may have promised.
func (w *world) recall(i int) (err error) {
	n := &w.nodes[i]
	if n.dir, err = datadir.Open(n.disk, dataPath, datadir.Claim{Name: n.name(), Cluster: w.first.Cluster, Wall: w.wallAt(n), Random: w.rng.Uint64}); err != nil {
		return err
	}
	founder := w.now == 0
	m, err := n.dir.LoadMap()
	if err != nil && !errors.Is(err, datadir.ErrMapLost) {
		return err
	}
	found := m != nil
	switch {
	case found:
	case founder || len(w.nodes) == 1:
		m = w.first
	default:
		if m = w.anyMap(i); m == nil {
			return errNobody
		}
	}
	if err := n.dir.SetCluster(m.ClusterID, m.Cluster); err != nil {
		return err
	}
	if n.dir.Identity().NodeID != n.id {
		promised := vclock.Stamp(0)
		if !founder {
			promised = replica.PromisedMax(w.wallAt(n), skewWait)
			w.count("place taken")
			if n.skew.Abs() > replica.SkewMax {
				w.void("a node lost its directory and has a clock that nobody should trust")
			}
		}
		if err := n.dir.SetNode(n.id, promised); err != nil {
			return err
		}
	}
	n.boot, n.known = n.dir.Identity().Boot, m
	known := m.Node(n.id).Boot
	if known > n.boot {
		return errLater
	}
	ceiling, saved := n.dir.Ceiling()
	past := replica.Boot{
		Wall: w.wallAt(n), Ceiling: ceiling, Saved: saved, MapFound: found, Founder: founder, Known: known, SkewWait: skewWait,
	}
	n.floor, n.until, n.covered = past.Floor()
	return nil
}

// refuse is a node that does not start, and an operator who does what the error says and tries again.
func (w *world) refuse(i int, why error) {
	n := &w.nodes[i]
	w.say("n%d does not start: %v", n.id, why)
	w.count("start refused")
	w.blown(i)
	n.end()
	switch {
	case errors.Is(why, datadir.ErrDamaged):
		w.count("directory damaged")
		n.disk.wipe()
	case (errors.Is(why, errClock) || errors.Is(why, errLater)) && n.skew < -w.plan.Cluster.Skew:
		n.skew = 0
	case errors.Is(why, errClock): // it was wrong when the promise was made
		n.disk.wipe()
	}
	n.starting = w.now + startPeriod
	w.at(event{at: n.starting, what: boot, node: int32(i), life: n.life})
}

// end lets go of everything that the process had; what it wrote is as safe as the disk makes it.
func (n *node) end() {
	n.core, n.dir, n.hintLog, n.paused, n.waiting, n.ceiling = nil, nil, nil, 0, nil, 0
	n.floor, n.until, n.starting = 0, 0, 0
	n.disk.crash()
}

// run starts the process of a node whose time has come.
func (w *world) run(i int) {
	n := &w.nodes[i]
	n.booted, n.anchor, n.ceiling = w.now, w.wallAt(n), n.floor
	w.off = max(w.off, n.skew.Abs())
	c := &w.plan.Cluster
	shards, memory, ghosts := c.node(i)
	h := hints.DefaultConfig()
	h.BytesMax, h.Log = max(c.Memory/64, 4096), c.HintLog
	r := antientropy.DefaultConfig()
	r.PageBytes = 1000
	x := antientropy.DefaultExchangeConfig()
	if x.Period, x.PageBytes = 0, 1000; c.Exchanges {
		x.Period = exchangePeriod
	}
	requests := coordinator.DefaultConfig()
	requests.ReadRepairChance = c.Checks
	core, err := replica.New(replica.Config{
		Self: vclock.Actor{Node: n.id, Boot: n.boot}, Shards: shards, BytesMax: memory, GhostsMax: ghosts, Policy: c.Policy,
		PendingMax: 1000, PendingMem: 1 << 20, BootFloor: n.floor, Covered: n.covered, Founder: w.now == 0, Hash: xxhash.Sum64,
		Limits: w.limits, Coordinator: requests, Hints: h, Refill: r, RefillsMax: 4, Exchange: x, Background: c.Background,
	}, n.known.With(n.entry(n.known.Node(n.id).Version+1)), w.clock(n))
	if err != nil {
		panic(err) // the plan makes no config that a node refuses
	}
	n.core, n.balancer, n.doomed = core, core.Balancer(), false
	n.pacer, n.felt = core.Pacer(), replica.Latency{}
	w.openHints(i)
	w.turned = w.now
	if !w.hearAll(i) {
		return
	}
	n.dir.OwnCeiling()
	if err := w.raise(n, 0); err != nil {
		w.refuse(i, err)
		return
	}
	n.life++
	n.peers = make([]peer, len(w.nodes))
	w.say("n%d starts with floor %s", n.id, stampText(n.floor))
	w.count("start")
	w.tickLater(i)
	w.at(event{at: w.now + time.Duration(w.rng.Int64N(int64(beatPeriod))), what: beat, node: int32(i), life: n.life})
	w.at(event{at: w.now, what: look, node: int32(i), life: n.life})
	w.mapChanged(i)
}

// stop ends the process, be it one that waits to start: what it had in memory is gone, and its clients never hear.
func (w *world) stop(i int) {
	n := &w.nodes[i]
	if n.core == nil {
		w.count("ended while it waited")
	} else {
		w.outlive(i)
		for _, s := range n.core.Shards() {
			s.Add(&w.stats)
		}
	}
	n.end()
	n.lost = true
	w.turned = w.now
	n.life++
	w.hangUp(i)
	w.settle()
}

// raise puts a ceiling ahead of the clock, and of what is wanted, on disk, if that takes it.
func (w *world) raise(n *node, wanted vclock.Stamp) error {
	c := max(n.ceiling, n.core.View().Ceiling(w.clock(n), wanted))
	if err := n.dir.SaveCeiling(c); err != nil {
		w.count("ceiling not saved")
		n.stuck = w.now
		return err
	}
	n.ceiling = c
	for _, s := range n.core.Shards() {
		s.SetCeiling(c)
	}
	return nil
}

// tick lets time pass on a node.
func (w *world) tick(i int) {
	n := &w.nodes[i]
	now := w.clock(n)
	if n.core.View().Ceiling(now, 0) > n.ceiling+vclock.StampAt(ceilingPeriod.Milliseconds()) {
		if w.raise(n, 0) != nil && w.blown(i) { // else it is tried again with the next tick
			return
		}
	}
	n.pacer.Tick(now, func() replica.Latency { return n.felt })
	for _, s := range n.core.Shards() {
		n.pacer.Deal(s)
		s.Tick(now, &n.out)
	}
	n.balancer.Balance(now, func(shard int, f func(*replica.Shard)) { f(n.core.Shards()[shard]) })
	w.flush(i)
	if w.logHints(i) {
		return
	}
	w.tickLater(i)
}

// tickLater plans a node's next tick, and no other.
func (w *world) tickLater(i int) {
	n := &w.nodes[i]
	if n.core == nil { // it just ended
		return
	}
	period := tickPeriod
	if n.idle = !n.busy(); n.idle {
		period = idlePeriod
	}
	n.ticks++
	w.at(event{at: w.now + period, what: tick, node: int32(i), life: n.life, index: n.ticks})
}

// busy reports whether anything waits for a node's next tick.
func (n *node) busy() bool {
	if n.logsSoon {
		return true
	}
	for _, s := range n.core.Shards() {
		if s.Busy() > 0 || s.Recovering() > 0 {
			return true
		}
	}
	return false
}

// view turns a node's shards to what it believes now.
func (w *world) view(i int) {
	n := &w.nodes[i]
	for _, s := range n.core.Shards() {
		s.SetView(w.clock(n), n.core.View(), &n.out)
	}
	w.flush(i)
}

// recovering reports whether a node has partitions whose memory it has not got back.
func (n *node) recovering() bool {
	for _, s := range n.core.Shards() {
		if s.Recovering() > 0 {
			return true
		}
	}
	return false
}

// without is how many nodes besides one have lost their memory and not got it back.
func (w *world) without(but int) (nodes int) {
	for i := range w.nodes {
		n := &w.nodes[i]
		if n.lost = n.lost && (n.core == nil || n.recovering()); (n.lost || n.doomed) && i != but {
			nodes++
		}
	}
	return nodes
}
