package sim

import (
	"context"
	"slices"
)

// Shrink leaves out operations and faults of a plan as long as it still breaks the same promise, by halves, then
// quarters, and so on (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002). It runs the
// plan at most runs times, and ends when ctx does. It returns what is left by then, and how that fails: nil, and the plan as
// it is, where that breaks no promise or was not found to in time.
func Shrink(ctx context.Context, plan Plan, runs int) (Plan, *Failure) {
	first, _ := run(ctx, plan, false)
	failure := first.Failure
	if failure == nil {
		return plan, nil
	}
	fails := func(p Plan) bool {
		runs--
		r, over := run(ctx, p, false)
		if !over {
			runs = 0
		}
		if r.Failure == nil || r.Failure.Promise != failure.Promise {
			return false
		}
		failure = r.Failure
		return true
	}
	for before := -1; before != len(plan.Faults)+len(plan.Asks) && runs > 0; {
		before = len(plan.Faults) + len(plan.Asks)
		plan.Faults = reduce(plan.Faults, &runs, func(f []Fault) bool { p := plan; p.Faults = f; return fails(p) })
		plan.Asks = reduce(plan.Asks, &runs, func(a []Ask) bool { p := plan; p.Asks = a; return fails(p) })
	}
	return plan, failure
}

// reduce leaves out runs of all, ever shorter ones, as long as the rest still fails.
func reduce[T any](all []T, runs *int, fails func([]T) bool) []T {
	for size := max(len(all)/2, 1); len(all) > 0; size /= 2 {
		for at := 0; at < len(all) && *runs > 0; {
			rest := slices.Concat(all[:at], all[min(at+size, len(all)):])
			if fails(rest) {
				all = rest
			} else {
				at += size
			}
		}
		if size <= 1 {
			break
		}
	}
	return all
}
