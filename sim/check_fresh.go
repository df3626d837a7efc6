package sim

import (
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// checkFresh is I2 and I6 by what versions had seen, in one pass over the history of a key in the order of
// acknowledgements, O(n log n): under lww a version covers all with lesser stamps, so no read returns a lesser one than
// was acknowledged before it began; and of two writes one after the other, the later has the greater.
func (w *world) checkFresh(key int, ops []*op) {
	acked := writesByEnd(ops)
	newest := make([]*op, len(acked)) // of acked[:i+1], by stamp
	for i, o := range acked {
		if newest[i] = o; i > 0 && newest[i-1].stamp > o.stamp {
			newest[i] = newest[i-1]
		}
	}
	for _, o := range ops {
		if !o.ok || o.status != wire.StatusOK || !o.writes() && o.ask.Op != wire.OpGet {
			continue
		}
		u := lastBefore(acked, newest, o.begin)
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
				w.fail("I8", "stamped anew: op %d reads op %d as %v, which was acknowledged as %v", o.number, o.wrote, vclock.Stamp(o.stamp), vclock.Stamp(v.stamp))
			}
		}
	}
}
