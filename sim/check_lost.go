package sim

import (
	"time"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/wire"
)

// checkLost is I1 and I12: a read that finds nothing, though a value had been acknowledged before it began and
// nothing can have ended that since, says that it may have been forgotten; and the last reads, when all is well
// and there was memory for everything, find it.
func (w *world) checkLost(key int, ops []*op) {
	c := &w.plan.Cluster
	_, acks := c.votes()
	if c.Down >= acks {
		return // what only those had who lost their memory is lost
	}
	found := c.Down <= (c.owners()-1)/2 && w.remembers() && w.sane() // it takes half of the owners to get back what was lost
	for _, o := range ops {
		if o.ask.Op != wire.OpGet || o.status != wire.StatusNotFound || !o.ok || o.forgotten && !(o.ask.Last && found) {
			continue
		}
		if u := w.live(ops, o); u != nil && (o.stamp < u.stamp || o.ask.Last) {
			w.fail("I1", "lost: op %d (%v-%v) at n%d finds nothing of k%d, though op %d (%v-%v) was acknowledged", o.number, o.begin, o.end,
				o.node+1, key, u.number, u.begin, u.end)
			return
		}
	}
}

// live is a write that read r must know of and that nothing can have ended since, its own TTL included (I11: it is
// not served early); nil if there is none.
func (w *world) live(ops []*op, r *op) (u *op) {
	for _, o := range ops {
		if o.ask.Op == wire.OpSet && o.writes() && o.ok && o.end < r.begin && (u == nil || o.begin > u.begin) {
			u = o
		}
	}
	if u == nil || u.ask.TTL > 0 && r.end > u.begin+u.ask.TTL-w.apart() {
		return nil
	}
	for _, o := range ops {
		if o != u && o.brief() && o.begin <= r.end && (w.over(o) >= u.begin || o.stamp > u.stamp) {
			return nil
		}
	}
	return u
}

// over is when a write can have happened last: what was not acknowledged may still, until nobody stores it any more.
func (w *world) over(o *op) time.Duration {
	if o.end != never {
		return o.end
	}
	return o.until + replica.SkewAllowed + w.apart()
}

// brief reports whether the op may end its key's value within the run.
func (o *op) brief() bool {
	return o.status != wire.StatusNotMet && (o.ask.Op == wire.OpDelete || o.ask.TTL > 0 && o.ask.TTL < ttlUnit)
}
