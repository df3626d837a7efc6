package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"time"
)

// This file owns the rounds, in which each subject has a short turn at each measurement, so that a slow minute of the
// machine falls on all of them, and an order that turns, so that nobody always comes after the same one.

// race is the subjects in one process.
type race struct {
	o       *options
	figures figures
	say     io.Writer
	random  *rand.Rand
	value   []byte
	dst     []byte
	took    []time.Duration // of single calls; used again
	clock   time.Duration   // what a look at the clock takes
}

// runner is a subject with the cache that is measured.
type runner struct {
	subject
	cache cache
}

func newRace(o *options, f figures, say io.Writer) *race {
	return &race{
		o: o, figures: f, say: say, random: rand.New(rand.NewPCG(o.seed, 2)), value: newValue(o.valueBytes),
		dst: make([]byte, 0, o.valueBytes), took: make([]time.Duration, o.ops),
	}
}

// run measures gets, and then sets, each on caches of their own. No collection starts by itself meanwhile, or whoever has
// garbage would stop the others: what collecting costs is measured in processes of their own (weigh.go).
func (r *race) run(ctx context.Context) error {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	if available, err := availableBytes(); err == nil {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(available * 3 / 4))
	}
	if err := r.gets(ctx); err != nil {
		return err
	}
	return r.sets(ctx)
}

func (r *race) gets(ctx context.Context) error {
	runners, err := r.start(false)
	defer end(runners)
	if err != nil {
		return err
	}
	for _, s := range runners {
		r.fill(ctx, s, newKeyRun(r.o.entries, r.o.keyBytes, counter()))
	}
	skewed := newSkew(r.o.entries, r.o.theta, r.random)
	return r.rounds(ctx, "gets", runners, func() []func(runner) {
		zipf := r.draw(func() int { return skewed.draw(r.random) })
		uniform := r.draw(func() int { return r.random.IntN(r.o.entries) })
		return []func(runner){
			func(s runner) { r.singleGets(s, zipf) },
			func(s runner) { r.manyGets(s, uniform) },
			func(s runner) { r.batches(s, uniform) },
		}
	})
}

func (r *race) sets(ctx context.Context) error {
	runners, err := r.start(true)
	defer end(runners)
	if err != nil {
		return err
	}
	universe := r.o.entries * r.o.universe
	draw := func() int { return r.random.IntN(universe) }
	full := newKeyRun(universe, r.o.keyBytes, draw)
	for _, s := range runners {
		r.fill(ctx, s, full)
	}
	return r.rounds(ctx, "sets", runners, func() []func(runner) {
		many, single := r.draw(draw), r.draw(draw)
		return []func(runner){
			func(s runner) { r.manySets(s, many) },
			func(s runner) { r.singleSets(s, single) },
		}
	})
}

// start makes the caches; those that were made are returned with an error, too.
func (r *race) start(evicts bool) (runners []runner, err error) {
	runtime.GC()
	for _, s := range r.o.subjects {
		if evicts && s.grows {
			continue
		}
		c, err := s.new(room{r.o.entries, r.o.keyBytes, r.o.valueBytes, evicts})
		if err != nil {
			return runners, err
		}
		runners = append(runners, runner{s, c})
	}
	return runners, nil
}

func end(runners []runner) {
	for _, s := range runners {
		s.cache.close()
	}
}

func (r *race) fill(ctx context.Context, s runner, keys keyRun) {
	fmt.Fprintf(r.say, "filling %s: %d sets\n", s.name, keys.len())
	if s.keeps {
		keys = keys.clone()
	}
	for i := range keys.len() {
		if i%between == 0 {
			s.cache.settle()
			if ctx.Err() != nil {
				return
			}
		}
		s.cache.set(keys.at(i), r.value)
	}
	s.cache.settle()
	runtime.GC()
}

// rounds lets every runner do each of a round's turns, beginning with another runner in every round.
func (r *race) rounds(ctx context.Context, what string, runners []runner, turns func() []func(runner)) error {
	for round := range r.o.rounds {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(r.say, "%s: round %d of %d\n", what, round+1, r.o.rounds)
		all := turns()
		runtime.GC()
		r.clock = clockCost()
		r.figures.add(clockNS, nothing, float64(r.clock))
		for _, turn := range all {
			for i := range runners {
				turn(runners[(round+i)%len(runners)])
			}
		}
	}
	return nil
}

func counter() func() int {
	i := -1
	return func() int {
		i++
		return i
	}
}
