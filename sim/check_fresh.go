package sim

import (
	"slices"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// checkFresh is I2 and I6 in two passes over the history of a key, O(n log n) each: no read returns a version
// older than one acknowledged before it began; and of two writes one after the other, the later has the later
// stamp.
func (w *world) checkFresh(key int, ops []*op) {
	var acked []*op // writes, by when they were acknowledged
	for _, o := range ops {
		if o.writes() && o.ok && o.status == wire.StatusOK {
			acked = append(acked, o)
		}
	}
	slices.SortStableFunc(acked, func(a, b *op) int { return int(a.end - b.end) })
	newest := make([]*op, len(acked)) // of acked[:i+1], by stamp
	for i, o := range acked {
		if newest[i] = o; i > 0 && newest[i-1].stamp > o.stamp {
			newest[i] = newest[i-1]
		}
	}
	before := func(t time.Duration) *op { // the newest version acknowledged before t
		i, _ := slices.BinarySearchFunc(acked, t, func(o *op, t time.Duration) int {
			if o.end < t {
				return -1
			}
			return 1
		})
		if i == 0 {
			return nil
		}
		return newest[i-1]
	}
	for _, o := range ops {
		if !o.ok || o.status != wire.StatusOK || !o.writes() && o.ask.Op != wire.OpGet {
			continue
		}
		u := before(o.begin)
		switch {
		case u == nil:
		case o.writes() && o.stamp <= u.stamp:
			w.fail("I6", "op %d (%v-%v) on k%d was acknowledged as %v, though op %d had been as %v at %v", o.number, o.begin, o.end, key,
				vclock.Stamp(o.stamp), u.number, vclock.Stamp(u.stamp), u.end)
		case !o.writes() && o.stamp < u.stamp:
			w.fail("I2", "stale: op %d (%v-%v) at n%d reads k%d as %v, of op %d, though op %d had been acknowledged as %v at %v", o.number, o.begin, o.end, o.node+1, key,
				vclock.Stamp(o.stamp), o.wrote, u.number, vclock.Stamp(u.stamp), u.end)
		}
		if o.ask.Op == wire.OpGet {
			if v := &w.ops[o.wrote-1]; v.ok && v.end < o.begin && v.stamp != o.stamp {
				w.fail("I8", "op %d reads op %d as %v, which was acknowledged as %v", o.number, o.wrote, vclock.Stamp(o.stamp), vclock.Stamp(v.stamp))
			}
		}
	}
}
