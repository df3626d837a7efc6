package sim

import (
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// checkCounter is I9: a counter stands at no less than what was acknowledged before it was read, and at no more than what
// had been asked for by then. Where an addition found too few owners that had not forgotten the counter, it began anew, and
// says so; what had begun before is then not counted on.
func (w *world) checkCounter(key int, ops []*op) {
	strict := w.plan.Cluster.Strict() && !w.voided
	for _, r := range ops {
		sum := r.sum
		switch {
		case !r.ok || r.status != wire.StatusOK && (r.status != wire.StatusNotFound || r.forgotten):
			continue
		case r.status == wire.StatusNotFound:
			sum = 0
		}
		var least, most int64
		anew := w.anew(ops, r)
		for _, o := range ops {
			if o.ask.Op != wire.OpIncr || o.begin > r.end {
				continue
			}
			if most += o.ask.By; o == r || o.ok && o.end < r.begin && o.begin > anew {
				least += o.ask.By
			}
		}
		switch {
		case sum > most:
			w.fail("I9", "op %d (%v-%v) at n%d is told that k%d stands at %d, of %d that were added by then at most", r.number, r.begin, r.end, r.node+1, key, sum, most)
		case strict && !r.forgotten && sum < least:
			w.fail("I9", "op %d (%v-%v) at n%d is told that k%d stands at %d, after %d that were acknowledged (counting from %v), as %v", r.number, r.begin, r.end, r.node+1, key,
				sum, least, anew, vclock.Stamp(r.stamp))
		}
		w.count("counter judged")
		if strict && !r.forgotten && least > 0 {
			w.count("counter judged by what was acknowledged")
		}
	}
}

// anew is when a write may last have begun its key anew that read r may have met; -1 if none has. What failed may have,
// without whoever answered knowing of it.
func (w *world) anew(ops []*op, r *op) (last time.Duration) {
	last = -1
	for _, o := range ops {
		if o.ask.Op != wire.OpGet && o.begin <= r.end && (o.forgotten || !o.ok) && o != r {
			last = max(last, w.over(o))
		}
	}
	return last
}
