package sim

import (
	"slices"
	"time"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/wire"
)

// check judges a run that is over. Each promise has a file of its own.
func (w *world) check() {
	w.total()
	history := make([][]*op, w.plan.Cluster.names())
	for i := range w.ops {
		o := &w.ops[i]
		history[o.key] = append(history[o.key], o)
	}
	for key, ops := range history {
		if w.checkFlushed(key, ops); w.failed != nil {
			return
		}
		w.checkSessions(key, ops)
		for _, ops := range w.eras(ops) {
			if w.checkKey(key, ops); w.failed != nil {
				return
			}
		}
	}
	w.checkForks()
	w.checkMerge()
	w.checkRest()
	if w.failed == nil {
		w.checkAgreement()
		w.checkExchanged()
	}
}

// checkKey judges the history of a key between two flushes.
func (w *world) checkKey(key int, ops []*op) {
	c := &w.plan.Cluster
	switch {
	case c.counter(key):
		w.checkCounter(key, ops)
		return
	case c.list(key):
		w.checkList(key, ops)
		return
	}
	if w.checkValues(key, ops); w.failed != nil {
		return // what nobody wrote has no write that it could be judged by
	}
	w.checkConditions(key, ops)
	if c.Siblings {
		w.checkSiblings(key, ops)
		return
	}
	w.checkDeadlines(ops)
	if w.strict(key) {
		w.checkFresh(key, ops)
		w.checkOrder(key, ops)
		w.checkLost(key, ops)
	}
}

// remembers reports whether no node has forgotten anything but by losing its memory.
func (w *world) remembers() bool {
	return w.stats.Storage.Evicted == 0 && w.stats.Storage.GhostsDropped == 0 && !w.ranFull()
}

// ranFull reports whether a store that evicts nothing had no room for a write. It then forgets an older version of the key, and
// hints of what it missed wait.
func (w *world) ranFull() bool { return w.stats.Full > 0 }

// refused is how many writes nodes have had no room for so far.
func (w *world) refused() int64 {
	if w.plan.Cluster.Policy != storage.None {
		return 0
	}
	t := w.stats
	w.sum(&t)
	return t.Full
}

// strict reports whether reads of a key must see what was acknowledged before they began.
func (w *world) strict(key int) bool {
	return w.plan.Cluster.Strict() && !w.plan.Cluster.sloppy(key) && !w.voided
}

// sane reports whether every clock lay within the skew bound of the truth, all the time. What one further ahead has
// stamped, the others take when their own clocks get there, which may be after the end of the run.
func (w *world) sane() bool { return w.off <= replica.SkewMax }

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
