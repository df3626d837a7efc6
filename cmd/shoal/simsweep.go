package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/sim"
	"github.com/urfave/cli/v2"
)

// What a sweep is bounded by: its seeds if nothing is said, and what may be said.
const (
	sweepSeeds      = 1000
	sweepFailures   = 10
	sweepMinutesMin = 0.01 // about what one seed takes
	sweepMinutesMax = 365 * 24 * 60
)

func simSweepFlags() []cli.Flag {
	const category = "sweep"
	return []cli.Flag{
		&cli.IntFlag{Category: category, Name: "seeds", Usage: "run `N` seeds; 0: until something else ends it", DefaultText: "1000 without --minutes"},
		&cli.Float64Flag{Category: category, Name: "minutes", Usage: "begin no seed after `M` minutes, as in 10 or 0.5", DefaultText: "no limit"},
		&cli.Uint64Flag{Category: category, Name: "from", Usage: "begin with seed `S`", Value: 1},
		&cli.IntFlag{Category: category, Name: "workers", Usage: "run `W` seeds at a time, at most one a processor", DefaultText: "one a processor"},
		&cli.IntFlag{Category: category, Name: "failures", Usage: "end after `K` seeds that failed; 0: go on", Value: sweepFailures},
	}
}

// swept is a sweep, in JSON.
type swept struct {
	sim.Tally
	Failures     []sweptFailure `json:"failures"`
	Seconds      float64        `json:"seconds"`
	SeedsPerHour float64        `json:"seeds_per_hour"` // each of them run twice
}

// sweptFailure is a seed that failed.
type sweptFailure struct {
	sim.FailedSeed
	Replay string `json:"replay"` // the command that runs it again, or what is left of it

	uncut bool // the command will cut it down
}

func (t *tool) simSweep(c *cli.Context, look style) error {
	if err := notOf(c, "sweep", append(simRunFlags(), simExhaustFlags()...)); err != nil {
		return err
	}
	sweep, err := sweepOf(c)
	if err != nil {
		return err
	}
	if t.errTerminal {
		sweep.Progress = func(so sim.Tally) { t.redrawLine(sweepLine(&sweep, &so)) }
	}
	tally := sweep.Run(c.Context)
	if t.errTerminal {
		t.redrawLine("")
	}
	s := newSwept(&tally)
	if c.Bool("shrink") {
		for i := range s.Failures {
			t.cutSwept(c.Context, sim.Draw(s.Failures[i].Seed), &s.Failures[i], c.Int("runs"))
		}
	}
	if err := t.present(look, s); err != nil {
		return err
	}
	return s.outcome(c.Context.Err())
}

// sweepOf reads the flags.
func sweepOf(c *cli.Context) (sim.Sweep, error) {
	s := sim.Sweep{From: c.Uint64("from"), Seeds: c.Int("seeds"), Workers: c.Int("workers"), Failures: c.Int("failures")}
	minutes, processors := c.Float64("minutes"), runtime.GOMAXPROCS(0)
	switch {
	case s.Seeds < 0:
		return s, usage("--seeds %d: use a number from 1, or 0 for no limit", s.Seeds)
	case s.Failures < 0:
		return s, usage("--failures %d: use a number from 1, or 0 to go on whatever fails", s.Failures)
	case c.IsSet("workers") && (s.Workers < 1 || s.Workers > processors):
		return s, usage("--workers %d: use 1 to %d, the number of processors: more take memory and save no time", s.Workers, processors)
	case c.IsSet("minutes") && !(minutes >= sweepMinutesMin && minutes <= sweepMinutesMax): // which NaN is not either
		return s, usage("--minutes %v: use %v to %d", minutes, sweepMinutesMin, sweepMinutesMax)
	case c.IsSet("minutes"):
		s.For = time.Duration(minutes * float64(time.Minute))
	case !c.IsSet("seeds"):
		s.Seeds = sweepSeeds
	}
	if behind := math.MaxUint64 - s.From; s.Seeds > 0 && uint64(s.Seeds-1) > behind {
		return s, usage("--from %d: %s left from there, not %d: begin earlier, or use --seeds %d", s.From, count(int(behind)+1, "seed"), s.Seeds, behind+1)
	}
	return s, nil
}

// cutSwept cuts the plan of a failed seed down, and makes f what is left of it: how that fails, and its command.
func (t *tool) cutSwept(ctx context.Context, plan sim.Plan, f *sweptFailure, runs int) {
	left, failure, done := t.cutDown(ctx, plan, runs)
	if failure != nil {
		f.Failure = *failure
	}
	if f.Replay, f.uncut = replayOf(&left)+" --timeline", false; !done {
		f.Replay, f.uncut = replayOf(&left)+" --shrink", true
	}
}

func newSwept(tally *sim.Tally) *swept {
	s := &swept{Tally: *tally, Failures: []sweptFailure{}, Seconds: seconds(tally.Elapsed), SeedsPerHour: math.Round(seedsPerHour(tally))}
	if s.States == nil {
		s.States = map[string]int{}
	}
	for _, f := range tally.Failures {
		s.Failures = append(s.Failures, sweptFailure{f, fmt.Sprintf("shoal sim run --seed %d --shrink", f.Seed), true})
	}
	return s
}

func seedsPerHour(tally *sim.Tally) float64 {
	if tally.Elapsed <= 0 {
		return 0
	}
	return float64(tally.Seeds) / tally.Elapsed.Hours()
}

// outcome is what a sweep means for the exit code, that was interrupted or not.
func (s *swept) outcome(interrupted error) error {
	switch {
	case len(s.Failures) > 0:
		next := "replay the first with "
		if s.Failures[0].uncut {
			next = "cut the first down with "
		}
		return &brokenError{fmt.Sprintf("%d of %s broke a promise", len(s.Failures), count(s.Seeds, "seed")), next + s.Failures[0].Replay}
	case interrupted != nil && s.Seeds == 0:
		return &notedError{"interrupted before the first seed was over: nothing was tried", interrupted}
	case s.Seeds == 0:
		return errors.New("no seed was begun in time, so nothing was tried: give it more --minutes")
	case interrupted != nil:
		return &notedError{"interrupted: the sums are of the seeds until then", interrupted}
	}
	return nil
}

// show writes the sums, and below them each failure with its command.
func (s *swept) show(t *tool) error {
	good := func(n int, c text.Color) string {
		if n == 0 {
			return "0"
		}
		return t.colour(c, fmt.Sprint(n))
	}
	starved := good(s.Starved, text.FgYellow)
	if s.Starved > 0 {
		starved += ", with fewer than half acknowledged: they prove little"
	}
	seeds := max(s.Seeds, 1)
	err := t.table(table.Row{fmt.Sprintf("FROM SEED %d", s.From), fmt.Sprintf("IN %.1f SECONDS", s.Seconds)}, []table.Row{
		{"seeds", fmt.Sprintf("%d, each run twice", s.Seeds)},
		{"seeds an hour", fmt.Sprintf("%.0f", s.SeedsPerHour)},
		{"operations a seed", s.Operations / seeds},
		{"  acknowledged", percent(s.Acknowledged, s.Operations)},
		{"faults a seed", fmt.Sprintf("%.1f", float64(s.Faults)/float64(seeds))},
		{"states reached", len(s.States)},
		{"clean", t.colour(text.FgGreen, fmt.Sprint(s.Clean))},
		{"starved", starved},
		{"failed", good(len(s.Failures), text.FgRed)},
	})
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, f := range s.Failures {
		fmt.Fprintf(&b, "\nseed %d  %s\n  %s\n", f.Seed, &f.Failure, f.Replay)
	}
	return t.write([]byte(b.String()))
}

// sweepLine says in one line, of 80 columns at most, how far a sweep is.
func sweepLine(s *sim.Sweep, so *sim.Tally) string {
	const width = 8
	share, left := sweepShare(s, so)
	sums := fmt.Sprintf("%s seeds  %s/h  %.0f%% acked  %s faults  %d failed", brief(so.Seeds), brief(int(seedsPerHour(so))),
		100*float64(so.Acknowledged)/float64(max(so.Operations, 1)), brief(so.Faults), len(so.Failures))
	if share < 0 {
		return sums + "  Ctrl-C ends"
	}
	some := left.Round(time.Second).String()
	if left >= time.Hour {
		some = strings.TrimSuffix(left.Round(time.Minute).String(), "0s")
	}
	return bar(share, width) + "  " + sums + "  " + some + " left"
}

// sweepShare is how much of a sweep is done, by the bound that ends it first, and how long it still takes; less than 0
// where there is no bound.
func sweepShare(s *sim.Sweep, so *sim.Tally) (share float64, left time.Duration) {
	share = -1
	if s.Seeds > 0 {
		share = float64(so.Seeds) / float64(s.Seeds)
	}
	if s.For > 0 {
		share = max(share, float64(so.Elapsed)/float64(s.For))
	}
	if share > 0 {
		share = min(share, 1)
		left = time.Duration(float64(so.Elapsed) * (1 - share) / share)
	}
	return share, left
}

// brief is a number in five characters or fewer.
func brief(n int) string {
	x := float64(n)
	switch {
	case n < 10_000:
		return fmt.Sprint(n)
	case n < 1_000_000:
		return fmt.Sprintf("%.0fk", x/1e3)
	}
	return fmt.Sprintf("%.1fM", x/1e6)
}
