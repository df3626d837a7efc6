package sim

import (
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// auditPeriod lies between two looks at all that the nodes hold.
const auditPeriod = 10 * time.Second

// audited is what a process was seen to hold of a key.
type audited struct {
	life  uint32
	stamp vclock.Stamp
	known vclock.Stamp // that, or what it may have forgotten of what it was told
	news  vclock.Stamp // the least stamp of what a read may bring it
}

// replicaKey is a key, by its hash, at one node.
type replicaKey struct {
	node int
	hash uint64
}

// audit is I8 seen from the replicas: what a process holds of a key only ever gives way to something later, or to a
// floor that covers it. A repair, a hint, a refill or an EXPIRE that overwrote something newer would show here before
// any read finds it. And no replica holds a tombstone of a key that nobody deleted (I12).
func (w *world) audit() {
	for i := range w.nodes {
		if w.nodes[i].core == nil {
			continue
		}
		for p := range w.plan.Cluster.Partitions {
			w.auditPartition(i, p)
		}
	}
	w.audited = w.now
	w.checkHandoffs()
	w.at(event{at: w.now + auditPeriod, what: audit})
}

func (w *world) auditPartition(i int, p uint32) {
	n := &w.nodes[i]
	here := map[uint64]audited{}
	mark, floor, owned := w.pages(i, p, func(e *wire.PageEntry) {
		if e.IsGhost {
			here[e.Ghost.Hash] = audited{stamp: e.Ghost.Stamp, news: e.Ghost.Stamp + 1}
			return
		}
		hash := xxhash.Sum64(e.Key)
		stamp := max(e.Set.Dot.Stamp, e.Below)
		here[hash] = audited{stamp: stamp, news: stamp} // of two of one stamp it may hold the lesser
		if e.Set.Tombstone && !w.deleted[string(plainName(e.Key))] {
			w.fail("I12", "n%d holds a tombstone of %s, %v, which nobody has deleted", n.id, e.Key, e.Set.Dot.Stamp)
		}
	})
	if !owned {
		return
	}
	if w.plan.Cluster.Flushes && w.space(n).Dropped {
		return // as it may have been on the other side of a partition while keys were written here
	}
	for key := range w.plan.Cluster.names() {
		name := keyName(key)
		if n.core.View().Table.Partition(ring.Slot(name)) != p {
			continue
		}
		inner := w.inner(n, name)
		at := replicaKey{i, xxhash.Sum64(inner)}
		before, seen := w.audits[at], here[at.hash]
		if seen.life, seen.known = n.life, max(seen.stamp, mark); seen.stamp == 0 {
			seen.news = mark + 1
		}
		if floor > 0 {
			seen.news = 0
		}
		w.checkStray(i, p, inner, seen.stamp)
		now := max(seen.known, floor)
		if before.life == n.life && now < before.stamp && !w.several(key) { // who vouches for several versions knows which were acknowledged
			w.fail("I8", "n%d held %s at %v, and now knows no more than %v of it", n.id, name, before.stamp, now)
		}
		w.audits[at] = seen
	}
}

// several reports whether a key may have been several versions since it was looked at last.
func (w *world) several(key int) bool { return w.plan.Cluster.Siblings || w.plan.Cluster.counter(key) }

// pages shows what a node knows of a partition, as it would tell another owner, which changes nothing of it: the mark
// that covers what it does not show, its floor while it recovers, and whether it owns the partition.
func (w *world) pages(i int, p uint32, each func(*wire.PageEntry)) (mark, floor vclock.Stamp, owned bool) {
	n := &w.nodes[i]
	shard := n.core.Shards()[int(p)%len(n.core.Shards())]
	pull := wire.Message{Partition: p, Limit: 1 << 20}
	for {
		reply := shard.Show(&pull)
		if reply.Outcome != wire.OutcomeOK {
			return 0, 0, false
		}
		page := wire.NewPage(reply.Body, &w.limits)
		var e wire.PageEntry
		for {
			more, err := page.Next(&e)
			if err != nil {
				panic(err)
			}
			if !more {
				break
			}
			each(&e)
		}
		if pull.Cursor = reply.Cursor; pull.Cursor == 0 {
			return reply.Floor, reply.Known.Stamp, true
		}
	}
}
