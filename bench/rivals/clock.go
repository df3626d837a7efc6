package main

import (
	"runtime"
	"slices"
	"time"
)

// This file owns looks at the clock, and at the counter of objects.

var origin = time.Now()

// now is monotonic, and the cheapest look at the clock that there is.
func now() time.Duration { return time.Since(origin) }

// clockCost is the median of what one look takes.
func clockCost() time.Duration {
	took := make([]time.Duration, 100_000)
	last := now()
	for i := range took {
		t := now()
		took[i], last = t-last, t
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// allocated is how many objects this process has ever had on its heap.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
