package sim

import (
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// This file is that repair does nothing for nothing: what it brings nobody has let go of, nobody keeps what is not his, and where all
// know the same nothing is found to differ.

// repairAge is longer than a read takes until it repairs: its deadline at most, and a while that it listens to late replies.
const repairAge = 6 * time.Second

// checkRepair is that a read sends no version to an owner that has evicted that one, or a later one, or holds a later one: then
// eviction and repair would fight. An owner that was seen to know as much before the read began has told the read so.
func (w *world) checkRepair(p *packet, to int, m *wire.Message) {
	from := &w.nodes[p.from-1]
	if m.Kind != wire.KindStore || m.Pass != wire.PassRepair || m.Set.Packed || w.audited+repairAge > p.sent || from.paused+repairAge > p.sent {
		return
	}
	seen, stamp := w.audits[replicaKey{to, xxhash.Sum64(m.Key)}], m.Set.Dot.Stamp
	if seen.life != w.nodes[to].life {
		return
	}
	if w.count("repair judged"); stamp < seen.news {
		w.fail("waste", "n%d repairs %s at n%d with %v, though %v before that one knew %v", p.from, m.Key, to+1, stamp, w.now-w.audited, seen.known)
	}
}

// checkStray is that a node knows nothing of a key that it does not own.
func (w *world) checkStray(i int, p uint32, inner []byte, stamp vclock.Stamp) {
	if n := &w.nodes[i]; stamp > 0 && !n.core.View().Holds(n.id, p, inner) {
		w.fail("waste", "n%d knows version %v of %s, which it does not own", n.id, stamp, inner)
	}
}

// restedBy is when exchanges have to be through, counted from the end of trouble. From then on until mendedBy nothing is written.
const restedBy = 30 * time.Second

// restsFor is how long all must have been well for that.
const restsFor = 20 * time.Second

// rest is that from now on exchanges find nothing to differ, where nodes exchange and all have long been well.
func (w *world) rest() {
	c := &w.plan.Cluster // with little to do in the background, and where nodes are full, exchanges wait for hints, as long as they may
	if !c.Exchanges || c.Policy == storage.None || c.Background != (replica.Background{}) || !w.exchangesJudged(w.now-restsFor) || slices.ContainsFunc(w.nodes, func(n node) bool { return n.recovering() }) {
		return
	}
	w.rests = w.now
	w.count("rest judged")
}

// checkIdle is that an exchange goes no further down than to sums of windows where two owners know the same. It may go that far: where
// one of them has begun another window, they may have to compare from the end of one that only the other has still.
//
// Of keys that are several versions an owner may have let go of what another never had: then the two differ until one of them is
// replaced, since neither knows what the other's was.
func (w *world) checkIdle(p *packet, to int, m *wire.Message) {
	if w.rests > 0 && m.Kind == wire.KindExchange && m.Step > wire.StepWindows && !w.severalIn(m.Partition) {
		w.fail("waste", "n%d finds partition %d of n%d to differ from %v to %v, though nothing has been written for %v", p.from, m.Partition, to+1, m.From, m.To, w.now-w.plan.Trouble)
	}
}

// exchangesJudged reports whether all was well since t for exchanges.
func (w *world) exchangesJudged(t time.Duration) bool {
	return w.settled(t) && w.agreed() <= t && !w.plan.Cluster.Flushes && w.off <= replica.SkewAllowed
}

// severalIn reports whether a key of a partition may be several versions.
func (w *world) severalIn(p uint32) bool {
	for key := range w.plan.Cluster.names() {
		if w.several(key) && w.nodes[0].core.View().Table.Partition(ring.Slot(keyName(key))) == p {
			return true
		}
	}
	return false
}
