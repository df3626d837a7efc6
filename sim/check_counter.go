package sim

import (
	"slices"
	"strconv"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// checkCounter is I9: a counter stands at no less than what was acknowledged before it was read, and at no more than what
// had been asked for by then, both since it was last set or deleted. It does not judge while two of those, or one that
// failed, may have come in either order. Where an addition found too few owners that had not forgotten the counter, it began
// anew, and says so; what had begun before is then not counted on. It is I11, too: a counter with a TTL begins anew when that
// has passed, no earlier than what began it says and no later.
func (w *world) checkCounter(key int, ops []*op) {
	strict := w.strict(key)
	for _, r := range ops {
		sum := r.sum
		switch {
		case r.writes() || !r.ok || r.status != wire.StatusOK && (r.status != wire.StatusNotFound || r.forgotten):
			continue
		case r.status == wire.StatusNotFound:
			sum = 0
		}
		base, sure := w.basis(ops, r)
		if !sure {
			w.count("counter not judged")
			continue
		}
		var least, most int64
		anew, since := w.anew(ops, r), time.Duration(-1)
		if base != nil {
			if most, since = base.ask.By, base.begin; anew < since {
				least = most
			}
			anew = max(anew, base.end)
		}
		for _, o := range ops {
			if o.ask.Op != wire.OpIncr || o.begin > r.end || w.over(o) < since {
				continue
			}
			if w.gone(ops, base, o, r) {
				w.count("counter judged without what expired")
				continue
			}
			if most += o.ask.By; o.ask.Initial != 0 && !w.begun(ops, base, o) {
				most += o.ask.Initial
			}
			if o == r && !w.outlived(ops, r) || o.ok && o.end < r.begin && o.begin > anew && !w.mayHaveExpired(ops, o, r) {
				least += o.ask.By
			}
		}
		switch {
		case sum > most && strict:
			w.fail("I9", "op %d (%v-%v) at n%d is told that k%d stands at %d, of %d that were added by then at most", r.number, r.begin, r.end, r.node+1, key, sum, most)
		case r.forgotten && r.ask.Op == wire.OpIncr && sum < r.ask.By && !w.outlived(ops, r):
			w.fail("I9", "op %d (%v-%v) at n%d began k%d anew with %d and is told that it stands at %d", r.number, r.begin, r.end, r.node+1, key, r.ask.By, sum)
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

// begun reports whether addition o certainly found its counter there, so that it did not begin it.
func (w *world) begun(ops []*op, base, o *op) bool {
	if o.forgotten || !o.ok || !w.strict(o.key) {
		return false
	}
	anew := w.anew(ops, o)
	for _, x := range ops {
		if x != o && (x.ask.Op == wire.OpIncr || x == base && x.ask.Op == wire.OpSet) && x.ok && x.end < o.begin && x.begin > anew &&
			(base == nil || x == base || x.begin > base.end) && !w.mayHaveExpired(ops, x, o) {
			return true
		}
	}
	return false
}

// mayHaveExpired reports whether the counter that a was added to may have expired since, by the end of r: whatever may have begun
// it has set its deadline. Of two additions at once each may have begun it, though each is told the sum of both.
func (w *world) mayHaveExpired(ops []*op, a, r *op) bool {
	for _, b := range ops {
		atOnce := func(c *op) bool {
			return c != b && c.ask.Op == wire.OpIncr && c.begin <= w.over(b) && w.over(c) >= b.begin
		}
		if b.ask.Op != wire.OpIncr || b.ask.TTL == 0 || b.begin > r.end || b.ok && b.sum != b.ask.By+b.ask.Initial && !slices.ContainsFunc(ops, atOnce) {
			continue
		}
		if from, to := b.begin+b.ask.TTL-w.apart(), w.over(b)+b.ask.TTL+w.apart(); from <= r.end && to >= a.begin {
			return true
		}
	}
	return false
}

// outlived reports whether the counter that r was added to may have expired before r was answered: it then says what has begun
// since.
func (w *world) outlived(ops []*op, r *op) bool {
	return r.ask.TTL > 0 && r.begin+r.ask.TTL-w.apart() <= r.end || w.mayHaveExpired(ops, r, r)
}

// gone reports whether the counter that o was added to has certainly expired when r reads: whatever began it did so before o
// was acknowledged, and all that add to it would have given it the same TTL.
func (w *world) gone(ops []*op, base, o, r *op) bool {
	return o.ask.TTL > 0 && o.ok && o.end+o.ask.TTL+w.apart() < r.begin && (base == nil || base.ask.Op == wire.OpDelete) && w.strict(o.key) &&
		w.anew(ops, r) < o.begin
}

// isCounter reports whether a key of that name is a counter.
func (w *world) isCounter(name []byte) bool {
	key, err := strconv.Atoi(string(plainName(name)[1:]))
	return err == nil && w.plan.Cluster.counter(key)
}

// basis is the set or delete that a counter stands on when r reads it, nil where there was none yet; false where that is
// not sure.
func (w *world) basis(ops []*op, r *op) (base *op, sure bool) {
	for _, o := range ops {
		if o.writes() && o.begin <= r.end && (base == nil || o.begin > base.begin) {
			base = o
		}
	}
	if base == nil {
		return nil, true
	}
	if !base.ok || base.end >= r.begin {
		return nil, false
	}
	for _, o := range ops {
		if o != base && o.writes() && o.begin <= r.end && w.over(o) >= base.begin {
			return nil, false
		}
	}
	return base, true
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
