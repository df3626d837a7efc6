package sim

import (
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

const (
	wallBase     = int64(1_700_000_000_000) // milliseconds since 1970 at the beginning
	tickPeriod   = 10 * time.Millisecond
	beatPeriod   = time.Second
	ceilingAhead = 2 * time.Second // as the shell has it
	skewWait     = 2 * replica.SkewMax
)

// node is a machine: its clocks, its disk, and the process on it while there is one.
type node struct {
	id    uint64
	dc    string
	drift float64       // of its clocks
	skew  time.Duration // of its wall clock
	disk  disk

	core    *replica.Node // nil while it is down
	life    uint32        // counts starts and ends; what belongs to an earlier one does not happen
	booted  time.Duration // true time
	anchor  int64         // wall at boot, milliseconds
	lost    bool          // its memory, and has not got it back
	paused  time.Duration // until then
	waiting []event       // that came while it stood still
	ceiling vclock.Stamp  // as on disk, and promised
	peers   []peer        // what it believes of each node
	out     replica.Outbox
}

// disk is what a node's data directory keeps.
type disk struct {
	boot    uint64
	ceiling vclock.Stamp
	cluster *ring.Map // nil: no directory
	founder bool      // this node made the cluster, and has not restarted since
	full    time.Duration
}

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
		ID: n.id, Boot: n.disk.boot, Name: fmt.Sprint("n", n.id), ClientAddr: "h:1", PeerAddr: "h:2", GossipAddr: "h:3",
		Datacenter: n.dc, Weight: ring.StandardWeight, State: ring.Active, Version: version,
	}
}

// start boots a node, or waits until its clock has passed what it may have promised before.
func (w *world) start(i int) {
	n := &w.nodes[i]
	if n.core != nil {
		return
	}
	founder := n.disk.founder
	wipe := n.disk.cluster == nil
	floor := n.disk.ceiling
	if wipe {
		floor = 0
		if n.disk.boot > 0 { // the shell waits out the skew bound, counted from when it begins
			if n.ceiling == 0 {
				n.ceiling = vclock.StampAt(w.wallAt(n) + skewWait.Milliseconds())
			}
			floor = n.ceiling
		}
	}
	if wait := floor.Millis() - w.wallAt(n) + 1; floor > 0 && wait > 0 {
		w.at(event{at: w.now + time.Duration(wait)*time.Millisecond, what: boot, node: int32(i), life: n.life})
		return
	}
	n.disk.boot++
	n.booted, n.anchor, n.ceiling = w.now, w.wallAt(n), floor
	m := n.disk.cluster
	if m == nil {
		m = w.anyMap(i)
	}
	version := uint64(1)
	if mine := m.Node(n.id); mine != nil {
		version = mine.Version + 1
	}
	c := coordinator.DefaultConfig()
	h := hints.DefaultConfig()
	h.BytesMax = max(w.plan.Cluster.Memory/16, 4096)
	r := antientropy.DefaultConfig()
	r.PageBytes = 1000
	core, err := replica.New(replica.Config{
		Self: vclock.Actor{Node: n.id, Boot: n.disk.boot}, Shards: w.plan.Cluster.Shards, BytesMax: w.plan.Cluster.Memory,
		PendingMax: 1000, PendingMem: 1 << 20, BootFloor: floor, Founder: founder && n.disk.boot == 1, Hash: xxhash.Sum64,
		Limits: wire.DefaultLimits(), Coordinator: c, Hints: h, Refill: r, RefillsMax: 4,
	}, m.With(n.entry(version)), w.clock(n))
	if err != nil {
		panic(err) // the plan makes no config that a node refuses
	}
	n.core = core
	n.life++
	n.peers = make([]peer, len(w.nodes))
	w.raise(n, 0)
	n.disk.cluster = core.View().Map
	w.say("n%d starts, boot %d, floor %v", n.id, n.disk.boot, floor)
	w.count("start")
	w.at(event{at: w.now + tickPeriod, what: tick, node: int32(i), life: n.life})
	w.at(event{at: w.now + time.Duration(w.rng.Int64N(int64(beatPeriod))), what: beat, node: int32(i), life: n.life})
	w.at(event{at: w.now, what: look, node: int32(i), life: n.life})
}

// stop ends the process: what it had in memory is gone, and its clients never hear.
func (w *world) stop(i int) {
	n := &w.nodes[i]
	for _, s := range n.core.Shards() {
		s.Add(&w.stats)
	}
	n.core, n.paused, n.waiting, n.ceiling = nil, 0, nil, 0
	n.disk.founder, n.lost = false, true
	n.life++
	w.hangUp(i)
}

// anyMap is the cluster's map as some other node has it.
func (w *world) anyMap(i int) *ring.Map {
	for d := range w.nodes {
		if o := &w.nodes[(i+d)%len(w.nodes)]; o.core != nil {
			return o.core.View().Map
		} else if o.disk.cluster != nil {
			return o.disk.cluster
		}
	}
	return w.first
}

// raise puts a ceiling ahead of the clock, and of what is wanted, on disk, if that takes it.
func (w *world) raise(n *node, wanted vclock.Stamp) {
	if w.now < n.disk.full {
		return
	}
	n.ceiling = max(n.ceiling, vclock.StampAt(w.clock(n).Wall+ceilingAhead.Milliseconds()))
	if wanted > 0 {
		n.ceiling = max(n.ceiling, vclock.StampAt(wanted.Millis()+1000))
	}
	n.disk.ceiling = n.ceiling
	for _, s := range n.core.Shards() {
		s.SetCeiling(n.ceiling)
	}
}

// tick lets time pass on a node.
func (w *world) tick(i int) {
	n := &w.nodes[i]
	now := w.clock(n)
	if vclock.StampAt(now.Wall+ceilingAhead.Milliseconds()*3/4) > n.ceiling {
		w.raise(n, 0)
	}
	for _, s := range n.core.Shards() {
		s.Tick(now, &n.out)
	}
	w.flush(i)
	w.at(event{at: w.now + tickPeriod, what: tick, node: int32(i), life: n.life})
}

// view turns a node's shards to what it believes now.
func (w *world) view(i int) {
	n := &w.nodes[i]
	for _, s := range n.core.Shards() {
		s.SetView(w.clock(n), n.core.View(), &n.out)
	}
	w.flush(i)
}

// learn takes in another node's map.
func (w *world) learn(i int, m *ring.Map) {
	n := &w.nodes[i]
	changed, err := n.core.Merge(m)
	if err != nil {
		w.count("map refused")
		return
	}
	if !changed {
		return
	}
	w.count("map learnt")
	n.disk.cluster = n.core.View().Map
	for o := range w.nodes {
		w.sendMap(i, o)
	}
	w.view(i)
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
		if n.lost = n.lost && (n.core == nil || n.recovering()); n.lost && i != but {
			nodes++
		}
	}
	return nodes
}
