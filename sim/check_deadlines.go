package sim

import (
	"slices"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// ttlUnit is much longer than any run: a deadline that lies near the nth unit was set by ask n, from 1.
const ttlUnit = 1_000_000_000 * time.Millisecond

// setBy is the ask that a deadline names, 0 where it is one of the short ones that name none.
func setBy(deadline int64) int {
	return int((deadline - wallBase + ttlUnit.Milliseconds()/2) / ttlUnit.Milliseconds())
}

// apart is how far apart what two clocks make of one moment may be, each as far off as any was, with their drift.
func (w *world) apart() time.Duration { return 2*w.off + time.Second }

func (o *op) touches() bool { return o.ask.Op == wire.OpTouch }

// checkDeadlines is I11: nothing is read past its deadline, neither by the clock of who answers nor by that of the
// world, and no deadline that an acknowledged touch had changed before the read began is seen again. That nothing
// ends early is checkLost's.
func (w *world) checkDeadlines(ops []*op) {
	for _, r := range ops {
		if r.ask.Op != wire.OpGet || !r.ok || r.status != wire.StatusOK {
			continue
		}
		if r.deadline != 0 && r.deadline <= r.wall {
			w.fail("I11", "op %d reads op %d at %s, past its deadline of %s", r.number, r.wrote, wallText(r.wall), wallText(r.deadline))
		}
		if v := &w.ops[r.wrote-1]; v.ask.TTL > 0 && r.begin > min(v.end, v.until)+v.ask.TTL+w.apart() && !slices.ContainsFunc(ops, (*op).touches) {
			w.fail("I11", "late: op %d (%v-%v) at n%d reads op %d (%v-%v), whose TTL was %v", r.number, r.begin, r.end, r.node+1, v.number, v.begin, v.end, v.ask.TTL)
		}
		if by := w.latestBrief(ops, r); r.deadline != 0 && setBy(r.deadline) == 0 && time.Duration(r.deadline-wallBase)*time.Millisecond > by {
			w.fail("I11", "put off: op %d (%v-%v) at n%d reads op %d with deadline %s, which nobody set so late", r.number, r.begin, r.end, r.node+1, r.wrote, wallText(r.deadline))
		}
		if !w.strict(r.key) {
			continue
		}
		for _, t := range ops {
			if t.ask.Op != wire.OpTouch || !t.ok || t.status != wire.StatusOK || t.end >= r.begin || t.stamp != r.stamp {
				continue
			}
			// Of two writes of one stamp, one of which failed, the other may be what was touched; so may the same, asked for again.
			other := func(o *op) bool {
				return o.writes() && o.number != r.wrote && (o.ok && o.stamp == r.stamp || !o.ok && o.ask == w.ops[r.wrote-1].ask)
			}
			if !slices.ContainsFunc(ops, func(o *op) bool { return o.named(r) && o.end >= t.begin || other(o) }) && !w.tied(r.stamp) {
				w.fail("I11", "undone: op %d (%v-%v) at n%d reads k%d of op %d with deadline %s, though op %d (%v-%v) had set it to %v from then", r.number,
					r.begin, r.end, r.node+1, r.key, r.wrote, until(vclock.Deadline{At: r.deadline}), t.number, t.begin, t.end, t.ask.TTL)
			}
			w.count("deadline judged")
		}
	}
}

// latestBrief is the latest of the short deadlines that r may have read: that of the write which it read, or of a touch.
func (w *world) latestBrief(ops []*op, r *op) (by time.Duration) {
	for _, o := range ops {
		if o.begin <= r.end && o.ask.TTL > 0 && o.ask.TTL < ttlUnit && (o.number == r.wrote || o.touches()) {
			by = max(by, min(o.end, o.until, r.end)+o.ask.TTL+w.apart())
		}
	}
	return by
}

// named reports whether touch o may have set the deadline that r read.
func (o *op) named(r *op) bool {
	switch n := setBy(r.deadline); {
	case o.ask.Op != wire.OpTouch || o.begin > r.end:
		return false
	case r.deadline == 0:
		return o.ask.TTL == 0
	case n > 0:
		return o.ask.Number == n
	default:
		return o.ask.TTL > 0 && o.ask.TTL < ttlUnit
	}
}
