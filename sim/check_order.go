package sim

import (
	"slices"
	"time"

	"github.com/shoalcache/shoal/wire"
)

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

// writesByEnd are the acknowledged writes, by when they were.
func writesByEnd(ops []*op) (acked []*op) {
	for _, o := range ops {
		if o.writes() && o.ok && o.status == wire.StatusOK {
			acked = append(acked, o)
		}
	}
	slices.SortStableFunc(acked, func(a, b *op) int { return int(a.end - b.end) })
	return acked
}

// lastBefore is the one of best that belongs to the last write acknowledged before t; nil if there is none.
func lastBefore(acked, best []*op, t time.Duration) *op {
	i, _ := slices.BinarySearchFunc(acked, t, func(o *op, t time.Duration) int {
		if o.end < t {
			return -1
		}
		return 1
	})
	if i == 0 {
		return nil
	}
	return best[i-1]
}
