package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
)

// Faults of nodes: of their processes, their clocks and their names.

// crash ends a process, unless as many as may be are without their memory already.
func (w *world) crash(f *Fault) bool {
	if !w.ends(f.Node) {
		return false
	}
	w.stop(f.Node)
	return true
}

func (w *world) wipe(f *Fault) bool {
	if !w.crash(f) {
		return false
	}
	w.nodes[f.Node].disk.wipe()
	return true
}

func (w *world) restart(f *Fault) { w.start(f.Node) }

// handOver tells a node to let others keep what it owes; keepAgain that it stays. Who restarts meanwhile has forgotten either.
func (w *world) handOver(f *Fault) bool { return w.leave(f.Node, true) }
func (w *world) keepAgain(f *Fault)     { w.leave(f.Node, false) }
func (w *world) leave(i int, on bool) bool {
	n := &w.nodes[i]
	if n.core == nil {
		return false
	}
	for _, s := range n.core.Shards() {
		s.HandOver(on)
	}
	return true
}

func drawPause(r *rand.Rand, _ *Cluster, f *Fault) {
	f.For = max(f.For, 100*time.Millisecond)
	if r.IntN(8) == 0 {
		f.For = between(r, 100*time.Millisecond, 2*time.Minute)
	}
}

func (w *world) pause(f *Fault) bool {
	n := &w.nodes[f.Node]
	if n.core == nil {
		return false
	}
	n.paused = max(n.paused, w.now+f.For)
	return true
}

func (w *world) resumeNode(f *Fault) { w.resume(f.Node) }

// resume lets what came while a node stood still happen now.
func (w *world) resume(i int) {
	n := &w.nodes[i]
	if n.paused > w.now {
		return
	}
	for _, e := range n.waiting {
		e.at = w.now
		w.at(e)
	}
	n.waiting = n.waiting[:0]
}

func drawJump(r *rand.Rand, c *Cluster, f *Fault) {
	f.By = time.Duration(r.IntN(4000)-2000) * time.Millisecond
	if c.Nodes >= 3 && r.IntN(8) == 0 { // so far that nobody follows
		f.By = time.Duration(r.IntN(7200)-3600) * time.Second
	}
}

func (w *world) jump(f *Fault) bool {
	w.nodes[f.Node].skew += f.By
	return true
}

// twin lets another process tell that it runs under the node's id, as one from a copy of its directory would. Who is
// told believes it; the node itself ends when it hears, and its operator starts it again.
func (w *world) twin(f *Fault) bool {
	n, told := &w.nodes[f.Node], &w.nodes[f.Other]
	if n.core == nil || told.core == nil || w.without(f.Node) >= w.plan.Cluster.Down {
		return false
	}
	mine := *told.core.View().Map.Node(n.id)
	mine.Boot, mine.Version = uint64(vclock.StampAt(w.wallAt(n)))|w.rng.Uint64()&0xffff, mine.Version+1
	if mine.Boot <= n.boot {
		return false // it would be the one to end
	}
	n.doomed = true
	w.hear(f.Other, told.core.View().Map.With(mine))
	return true
}

// namesake lets a node of another id tell that it is about to join under the node's name.
func (w *world) namesake(f *Fault) bool {
	n, told := &w.nodes[f.Node], &w.nodes[f.Other]
	if n.core == nil || told.core == nil {
		return false
	}
	x := n.entry(1)
	x.ID, x.Boot, x.State = 1<<32|w.rng.Uint64(), math.MaxUint64-1, ring.Joining // the later of the two
	w.hear(f.Other, told.core.View().Map.With(x))
	return true
}
