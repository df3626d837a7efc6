package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shoalcache/shoal/sim"
)

// errFailed ends the command with 1 when it has said what failed.
var errFailed = errors.New("planted: failed")

// run plants bugs one after the other, by seeds from 1 on, as many as most says, and returns those that did as
// expected, with what was found. What goes wrong with one bug is told, and is no reason to leave out the next.
func run(ctx context.Context, to io.Writer, root string, bugs []bug, most func(*bug) int) (good []bug, err error) {
	head(to)
	for i := range bugs {
		b := &bugs[i]
		began, seeds := time.Now(), most(b)
		tally, err := plant(ctx, root, b, 1, seeds)
		if ctx.Err() != nil {
			return good, fmt.Errorf("planted: interrupted at bug %s: %w", b.name, ctx.Err())
		}
		if err == nil {
			b.seed, b.found = 0, ""
			if len(tally.Failures) > 0 {
				f := tally.Failures[0]
				b.seed, b.found, b.gap = f.Seed, f.Promise, ""
			}
			if err = b.judge(seeds); err == nil {
				err = b.blamed(ctx)
			}
		}
		row(to, b, tally.Seeds, time.Since(began), err)
		if len(tally.Failures) > 0 {
			fmt.Fprintf(to, "    %s\n", tally.Failures[0].Text)
		}
		if err == nil {
			good = append(good, *b)
		}
	}
	if len(good) < len(bugs) {
		return good, errFailed
	}
	return good, nil
}

// judge is what is wrong with what was found.
func (b *bug) judge(seeds int) error {
	switch {
	case b.seed == 0 && b.gap == "":
		return fmt.Errorf("planted: bug %s is not found by %d seeds: the simulator needs a fault or a checker that shows it, or the rule is not needed", b.name, seeds)
	case b.seed != 0 && !slices.Contains(b.breaks, b.found):
		return fmt.Errorf("planted: bug %s breaks %s, and is expected to break %s: correct the one or the other", b.name, b.found, strings.Join(b.breaks, ", "))
	}
	return nil
}

// blamed reports whether the seed that finds b is clean without it: this process has no bug.
func (b *bug) blamed(ctx context.Context) error {
	if b.seed == 0 {
		return nil
	}
	tally := sim.Sweep{From: b.seed, Seeds: 1}.Run(ctx)
	switch {
	case len(tally.Failures) > 0:
		return fmt.Errorf("planted: seed %d fails without bug %s too: mend what it finds first: %s", b.seed, b.name, &tally.Failures[0].Failure)
	case tally.Seeds == 0:
		return fmt.Errorf("planted: bug %s is not blamed yet, interrupted before seed %d had run without it: %w", b.name, b.seed, ctx.Err())
	}
	return nil
}

// replay plants every bug that has a seed, several at a time, and runs that seed alone.
func replay(ctx context.Context, to io.Writer, root string, bugs []bug) error {
	var wg sync.WaitGroup
	var mu sync.Mutex // of what follows
	next, failed := 0, false
	head(to)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				mu.Lock()
				for next < len(bugs) && bugs[next].seed == 0 {
					next++
				}
				if next >= len(bugs) || ctx.Err() != nil {
					mu.Unlock()
					return
				}
				b := &bugs[next]
				next++
				mu.Unlock()

				began := time.Now()
				tally, err := plant(ctx, root, b, b.seed, 1)
				if err == nil {
					err = b.compare(tally)
				}
				mu.Lock()
				row(to, b, tally.Seeds, time.Since(began), err)
				failed = failed || err != nil
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if failed || ctx.Err() != nil {
		return errFailed
	}
	return nil
}

// compare is how a replayed seed differs from what is recorded.
func (b *bug) compare(t sim.Tally) error {
	const advice = "record the seeds anew with make planted-record"
	switch {
	case len(t.Failures) == 0:
		return fmt.Errorf("planted: bug %s is no longer found by seed %d: %s", b.name, b.seed, advice)
	case t.Failures[0].Promise != b.found:
		return fmt.Errorf("planted: bug %s breaks %s by seed %d, and not %s: %s", b.name, t.Failures[0].Promise, b.seed, b.found, advice)
	}
	return nil
}

// plant builds the simulator with b in it and runs seeds until one fails.
func plant(ctx context.Context, root string, b *bug, from uint64, seeds int) (sim.Tally, error) {
	s, err := build(ctx, root, b)
	if err != nil {
		return sim.Tally{}, err
	}
	defer s.remove()
	return s.sweep(ctx, from, seeds)
}

func head(to io.Writer) {
	fmt.Fprintf(to, "%-28s %-12s %6s %6s %8s\n", "bug", "breaks", "seed", "seeds", "seconds")
}

func row(to io.Writer, b *bug, seeds int, took time.Duration, err error) {
	breaks, seed := b.found, fmt.Sprint(b.seed)
	if b.seed == 0 {
		breaks, seed = "-", "-"
	}
	fmt.Fprintf(to, "%-28s %-12s %6s %6d %8.1f\n", b.name, breaks, seed, seeds, took.Seconds())
	switch {
	case err != nil:
		fmt.Fprintln(to, err)
	case b.seed == 0:
		fmt.Fprintf(to, "    gap: %s\n", b.gap)
	}
}
