package sim

import (
	"time"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/wire"
)

// checkRest is that, once all is well, whatever is asked is done and nothing is pending.
func (w *world) checkRest() {
	for i := range w.ops {
		if o := &w.ops[i]; o.ask.After && !o.ok && !(w.plan.Cluster.Flushes && o.status == wire.StatusContext) && o.status != wire.StatusOutOfMemory && w.off <= replica.SkewMax/2 && w.settled(o.begin) {
			w.fail("liveness", "op %d, %v of k%d at n%d, fails with status %d, %v after the faults ended", o.number, o.ask.Op, o.key, o.node+1, o.status, w.now-w.calm)
			return
		}
	}
	rested := w.sane() && w.settled(w.now-settlesFor) // who was told late that it has no place starts late
	for i := range w.nodes {
		n := &w.nodes[i]
		switch {
		case n.core == nil && w.sane(): // else its clock may have to get where it once was
			w.fail("liveness", "n%d has not started %v after the faults ended", n.id, w.now-w.calm)
			return
		case n.core == nil:
			continue
		case n.recovering() && rested:
			w.fail("liveness", "n%d has not recovered %v after the faults ended", n.id, w.now-w.calm)
			return
		}
		for s, shard := range n.core.Shards() {
			if shard.Busy() > 0 {
				w.fail("liveness", "shard %d of n%d has %d requests under way %v after the last was asked", s, n.id, shard.Busy(), w.now-w.calm)
			}
			for o := range w.nodes {
				if owed := shard.OwedTo(uint64(o + 1)); owed > 0 && rested && !w.ranFull() { // what has no room there waits for it
					w.fail("liveness", "shard %d of n%d owes n%d %d hints %v after the faults ended", s, n.id, o+1, owed, w.now-w.calm)
				}
			}
		}
	}
}

// settlesFor is how long the others may take to find that a node has started.
const settlesFor = 10 * time.Second

// settled reports whether every node had started long enough before t for all to know of it.
func (w *world) settled(t time.Duration) bool {
	for i := range w.nodes {
		if n := &w.nodes[i]; n.core == nil || n.booted+settlesFor > t {
			return false
		}
	}
	return true
}
