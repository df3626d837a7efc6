package sim

import (
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// checkAgreement is I4 as far as hints bring it: where no hint can have been lost, all who hold a key hold the same
// version of it. A node whose disk is full, or whose clock is wrong, refuses stamps of its own and keeps no hint of them.
func (w *world) checkAgreement() {
	s := &w.stats
	if !w.remembers() || s.Hints.Dropped+s.Hints.Refused > 0 || w.counts["start"] > len(w.nodes) || s.Ahead > 0 || w.counts["ceiling not saved"] > 0 || !w.sane() {
		return
	}
	w.count("agreement judged")
	w.checkAlike("by hints", func(int) bool { return true })
}

// mendedBy lies between the last read of every key and the write after it, counted from the end of trouble.
const mendedBy = healFor - 4*time.Second - time.Millisecond

// checkMended is I4 as far as reads bring it: where each asks all owners, and no message is lost, a key that was read is the
// same wherever it is held, whatever became of the hints. Hedges may take what such reads need: few have been.
func (w *world) checkMended() {
	c, net, s := &w.plan.Cluster, &w.plan.Net, w.stats
	w.sum(&s)
	if c.Checks < 1 || c.Datacenters > 1 || net.Loss > 0 || net.Tail > 0 || s.Storage.Evicted+s.Storage.GhostsDropped > 0 || s.Full > 0 || s.Ahead > 0 || s.Hedges > 100 || !w.sane() {
		return
	}
	w.count("mending judged")
	read := map[int]bool{}
	for i := range w.ops {
		if o := &w.ops[i]; o.ask.Last && o.ok && !o.forgotten {
			read[o.key] = true
		}
	}
	w.checkAlike("by reads", func(key int) bool { return read[key] })
}

// checkAlike is that owners which hold a key that counts hold the same version of it.
func (w *world) checkAlike(how string, counts func(key int) bool) {
	held := make([]map[string]uint64, len(w.nodes))
	for i := range w.nodes {
		held[i] = w.keys(i)
	}
	v := w.nodes[0].core.View()
	for key := range w.plan.Cluster.Keys {
		if !counts(key) {
			continue
		}
		name := keyName(key)
		first, at := uint64(0), -1
		for _, place := range v.Table.Owners(v.Table.Partition(ring.Slot(name))) {
			if !place.Holds(uint8(w.plan.Cluster.Replicas)) {
				continue
			}
			i := int(v.Table.Nodes()[place.Node].ID - 1)
			switch stamp := held[i][string(name)]; {
			case stamp == 0:
			case at < 0:
				first, at = stamp, i
			case stamp != first:
				w.fail("I4", "%v after the faults ended, %s, n%d has version %v of %s and n%d %v", w.now-w.calm, how, at+1, vclock.Stamp(first), name, i+1, vclock.Stamp(stamp))
				return
			}
		}
	}
}

// checkCompared is that an exchange compares all partitions that two nodes share, however many shards either has. Nothing is written until
// now, and afterwards nobody rests any more.
func (w *world) checkCompared() {
	rested := w.rests
	if w.rests = 0; rested == 0 || !w.settled(rested) {
		return
	}
	since := rested + 4*time.Second // an exchange that ends later has begun when nobody recovered any more
	for i := range w.nodes {
		n := &w.nodes[i]
		shards := n.core.Shards()
		for s, shard := range shards {
			for _, c := range shard.Comparisons(nil, nil) {
				if c.At < n.mono(since) {
					continue
				}
				shared := int64(0)
				for p := uint32(s); p < w.plan.Cluster.Partitions; p += uint32(len(shards)) {
					if w.owns(n, p) && w.owns(&w.nodes[c.Node-1], p) {
						shared++
					}
				}
				if w.count("comparison judged"); c.Compared < shared {
					w.fail("I4", "shard %d of n%d has compared %d of the %d partitions that it shares with n%d", s, n.id, c.Compared, shared, c.Node)
					return
				}
			}
		}
	}
}

// agreesFor is how long all must have been well for exchanges to be through.
const agreesFor = 30 * time.Second

// checkExchanged is I4 as exchanges bring it: whatever was lost on the way, two owners that can compare know the same of every key, as a
// record or as a ghost, of what both know all about: above both marks, as far as windows tell.
func (w *world) checkExchanged() {
	if !w.plan.Cluster.Exchanges || !w.exchangesJudged(w.now-agreesFor) {
		return
	}
	w.count("exchange judged")
	v := w.nodes[0].core.View()
	for p := range w.plan.Cluster.Partitions {
		owners := v.Table.Owners(p)
		for i, a := range owners {
			for _, b := range owners[i+1:] {
				one, other := int(v.Table.Nodes()[a.Node].ID-1), int(v.Table.Nodes()[b.Node].ID-1)
				if w.checkPair(p, one, other, max(a.Rank, b.Rank)); w.failed != nil {
					return
				}
			}
		}
	}
}

// coarse is a span of stamps that no window of a run's length is longer than.
const coarse = vclock.Stamp(8 * storage.WindowStamps)

func (w *world) checkPair(p uint32, one, other int, rank uint8) {
	if int(rank) >= w.plan.Cluster.Replicas {
		return
	}
	known := [2]map[uint64]wire.PageEntry{{}, {}}
	from := vclock.Stamp(0)
	for side, i := range [2]int{one, other} {
		mark, floor, owned := w.pages(i, p, func(e *wire.PageEntry) {
			hash := e.Ghost.Hash
			if !e.IsGhost {
				hash = xxhash.Sum64(e.Key)
			}
			known[side][hash] = wire.PageEntry{IsGhost: e.IsGhost, Ghost: e.Ghost, Set: e.Set}
		})
		if !owned || floor > 0 {
			return
		}
		if mark > 0 {
			from = max(from, (mark/coarse+1)*coarse)
		}
	}
	until := vclock.StampAt(wallBase + (w.now - agreesFor).Milliseconds()) // whatever a node's clock says by now, it stamps by those of all
	for side := range 2 {
		for hash, e := range known[side] {
			stamp, deadline := versionOf(&e)
			less := known[1-side][hash]
			lessStamp, lessDeadline := versionOf(&less)
			if stamp < from || max(stamp, deadline.Stamp) > until || stamp < lessStamp || stamp == lessStamp && deadline.Compare(lessDeadline) <= 0 {
				continue
			}
			w.fail("I4", "%v after the faults ended n%d knows version %v until %v of a key of partition %d, hash %x, and n%d %v until %v; both know all from %v", w.now-w.calm,
				[2]int{one, other}[side]+1, stamp, deadline, p, hash, [2]int{one, other}[1-side]+1, lessStamp, lessDeadline, from)
			return
		}
	}
}

// versionOf is what an entry says of its key.
func versionOf(e *wire.PageEntry) (vclock.Stamp, vclock.Deadline) {
	if e.IsGhost {
		return e.Ghost.Stamp, e.Ghost.Deadline
	}
	return e.Set.Dot.Stamp, e.Set.Deadline
}

// keys are the live keys of a node, with their stamps.
func (w *world) keys(i int) map[string]uint64 {
	n := &w.nodes[i]
	held := map[string]uint64{}
	shards := n.core.Shards()
	for p := range w.plan.Cluster.Partitions {
		var page replica.ScanPage
		r := wire.Request{Op: wire.OpScan, Namespace: w.plan.Cluster.Space, Key: wire.ScanCursor{Partition: p}.Append(nil)}
		if page.Open(n.core.View(), &r) != nil {
			continue
		}
		for page.Cursor.Partition == p && shards[int(p)%len(shards)].Scan(w.clock(n), &page) {
		}
		for _, it := range page.Response().Items {
			held[string(it.Value)] = it.Stamp
		}
	}
	return held
}
