package sim

import "slices"

// Shrink leaves out operations and faults of a plan as long as it still breaks the same promise, by halves, then
// quarters, and so on (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002). It runs the
// plan at most runs times. A plan that breaks no promise is returned as it is.
func Shrink(plan Plan, runs int) Plan {
	first := Run(plan, false)
	if first.Failure == nil {
		return plan
	}
	fails := func(p Plan) bool {
		runs--
		r := Run(p, false)
		return r.Failure != nil && r.Failure.Promise == first.Failure.Promise
	}
	for before := -1; before != len(plan.Faults)+len(plan.Asks) && runs > 0; {
		before = len(plan.Faults) + len(plan.Asks)
		plan.Faults = reduce(plan.Faults, &runs, func(f []Fault) bool { p := plan; p.Faults = f; return fails(p) })
		plan.Asks = reduce(plan.Asks, &runs, func(a []Ask) bool { p := plan; p.Asks = a; return fails(p) })
	}
	return plan
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
