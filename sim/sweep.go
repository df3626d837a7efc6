package sim

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Sweep runs seed after seed, each of them twice.
type Sweep struct {
	From     uint64        // first seed
	Seeds    int           // how many; 0: until something else ends the sweep
	For      time.Duration // begin no seed after so long; 0: no limit
	Failures int           // begin no seed after so many have failed; 0: go on
	Workers  int           // runs at a time; 0: as many as there are processors
	Progress func(Tally)   // told about once a second how far it is; may be nil
}

const (
	progressPeriod = time.Second
	gcPercent      = 1000 // of what a run keeps, which is little: collecting it seldom saves a quarter of the time
)

// Run sweeps until ctx ends, or a bound of s is reached. Seeds are begun in order and none is left out, so that the
// first failure is the same however many workers there are.
func (s Sweep) Run(ctx context.Context) Tally {
	if s.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.For)
		defer cancel()
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex // of all that follows
		begun int
		began = time.Now()
		told  = began
		total = Tally{From: s.From}
	)
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	next := func() (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil || s.Seeds > 0 && begun == s.Seeds || s.Failures > 0 && len(total.Failures) >= s.Failures {
			return 0, false
		}
		begun++
		return s.From + uint64(begun-1), true
	}
	done := func(r *Result) {
		mu.Lock()
		defer mu.Unlock()
		total.Add(r)
		total.Elapsed = time.Since(began)
		if s.Progress != nil && time.Since(told) >= progressPeriod {
			told = time.Now()
			s.Progress(total.copy())
		}
	}
	for range cmp.Or(s.Workers, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for {
				seed, ok := next()
				if !ok {
					return
				}
				r := Twice(Draw(seed))
				done(&r)
			}
		})
	}
	wg.Wait()
	slices.SortFunc(total.Failures, func(a, b FailedSeed) int { return cmp.Compare(a.Seed, b.Seed) })
	return total
}

// copy is t as it is now: the sweep goes on counting in its own.
func (t *Tally) copy() Tally {
	c := *t
	c.States, c.Failures = maps.Clone(t.States), slices.Clone(t.Failures)
	return c
}
