package sim

import "github.com/shoalcache/shoal/wire"

// checkOrder is I2 judged by time alone, whatever stamps say: no read returns the value of a write that was
// acknowledged before another began which was acknowledged before the read began. One pass over the history of a key
// in the order of acknowledgements, O(n log n).
func (w *world) checkOrder(key int, ops []*op) {
	acked := writesByEnd(ops)
	latest := make([]*op, len(acked)) // of acked[:i+1], the one that began last
	for i, o := range acked {
		if latest[i] = o; i > 0 && latest[i-1].begin > o.begin {
			latest[i] = latest[i-1]
		}
	}
	for _, r := range ops {
		if r.ask.Op != wire.OpGet || !r.ok || r.status != wire.StatusOK {
			continue
		}
		u, v := lastBefore(acked, latest, r.begin), &w.ops[r.wrote-1]
		if u != nil && u.begin > v.end {
			w.fail("I2", "superseded: op %d (%v-%v) at n%d reads op %d of k%d, which was acknowledged at %v, though op %d (%v-%v) came after it", r.number, r.begin, r.end,
				r.node+1, v.number, key, v.end, u.number, u.begin, u.end)
		}
	}
}
