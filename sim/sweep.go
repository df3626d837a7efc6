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
	Workers  int           // runs at a time; 0: as many as there are processors: more take memory and save no time
	Progress func(Tally)   // told about once a second how far it is; may be nil
}

const (
	progressPeriod = time.Second
	gcPercent      = 1000 // of what a run keeps, which is little: collecting it seldom saves a quarter of the time
)

// Run sweeps until a bound of s is reached, or the last seed, or ctx ends: a seed that is then under way is not counted.
// Otherwise seeds are begun in order and none is left out, so that the first failure is the same however many workers
// there are.
func (s Sweep) Run(ctx context.Context) Tally {
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
		seed := s.From + uint64(begun)
		switch {
		case ctx.Err() != nil, s.For > 0 && time.Since(began) >= s.For, s.Seeds > 0 && begun == s.Seeds,
			s.Failures > 0 && len(total.Failures) >= s.Failures, seed < s.From: // behind the last seed comes the first
			return 0, false
		}
		begun++
		return seed, true
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
				if r, over := twice(ctx, Draw(seed)); over {
					done(&r)
				}
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
