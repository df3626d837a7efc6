package sim

import "slices"

// Shrink leaves out operations and faults of a plan as long as it still fails, by halves, then quarters, and so on
// (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002). It runs the plan at most runs
// times. What fails in the end may be another promise than in the beginning, as any failure is worth reading.
func Shrink(plan Plan, runs int) Plan {
	fails := func(p Plan) bool {
		runs--
		return Run(p, false).Failure != ""
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
