package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// This file owns the clocks, and the counter of objects.

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

// worked is the processor time of this process, all threads together. What others on the machine take is not in it.
func worked() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(fmt.Sprintf("processor time: %v: run on a system that tells it", err))
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// allocated is how many objects this process has ever had on its heap.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
