package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/shoalcache/shoal/sim"
	"github.com/urfave/cli/v2"
)

// simWays are what can be simulated.
var simWays = []string{"run", "sweep", "exhaust"}

// simCutRuns is how often a failing plan is run to cut it down, unless something else is said.
const simCutRuns = 500

func (t *tool) simCommand() *cli.Command {
	return &cli.Command{
		Name: "sim", Usage: "simulate clusters in which much goes wrong, and check every promise", ArgsUsage: "run --seed S | sweep | exhaust",
		Description: "A seed is a cluster, what its clients ask, and what goes wrong when; it is run twice, which must not differ.\n" +
			"run shows one seed, or what is left of it. sweep runs seed after seed, on every processor; Ctrl-C ends it\n" +
			"and sums up. exhaust tries every order of the events of a few operations on one key. All exit with 1 if a\n" +
			"promise was broken. No cluster is asked, and no file written.\n\n" +
			"shoal sim run --seed 5                           what the seed is, and how its run ended\n" +
			"shoal sim run --seed 5 --shrink                  if it fails: cut down to what the failure needs\n" +
			"shoal sim run --seed 5 --ops 3,40-52 --faults none --timeline\n" +
			"shoal sim sweep --minutes 10 --from 1000\n" +
			"shoal sim exhaust                                all of it takes minutes",
		Flags: slices.Concat(simCutFlags(), simRunFlags(), simSweepFlags(), simExhaustFlags(), []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FORMAT`: table, json or jsonl", DefaultText: formatTable},
		}),
		Action: func(c *cli.Context) error {
			way := c.Args().First()
			switch {
			case way == "":
				return usage("sim needs run, sweep or exhaust: shoal sim run --seed S, shoal sim sweep, or shoal sim exhaust")
			case c.NArg() > 1 && way == "run":
				return usage("sim run takes no argument %q: shoal sim run --seed S", c.Args().Get(1))
			case c.NArg() > 1:
				return usage("sim %s takes no argument %q: shoal sim %s", way, c.Args().Get(1), way)
			case c.IsSet("runs") && !c.Bool("shrink"):
				return usage("--runs goes with --shrink")
			case c.Int("runs") < 1:
				return usage("--runs %d: use a number from 1", c.Int("runs"))
			}
			look, err := styleOf(c)
			switch {
			case err != nil:
				return err
			case way == "run":
				return t.simRun(c, look)
			case way == "sweep":
				return t.simSweep(c, look)
			case way == "exhaust":
				return t.simExhaust(c, look)
			}
			return unknown("sim", way, simWays)
		},
	}
}

// simCutFlags say what to do with a run that fails.
func simCutFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "shrink", DisableDefaultText: true, Usage: "cut what fails down to the operations and faults that it needs"},
		&cli.IntFlag{Name: "runs", Usage: "run what fails at most `N` times to cut it down", Value: simCutRuns},
	}
}

// brokenError is that a promise was broken, in what was simulated.
type brokenError struct {
	what string // broke which
	next string // to do
}

func (e *brokenError) Error() string { return e.what + ": " + e.next }

// cutDown leaves out of a failing plan what its failure does not need, and says meanwhile that it is at it. It returns what
// is left and how that fails, which is nil where it was two runs that differed; and whether it was done before ctx ended.
func (t *tool) cutDown(ctx context.Context, plan sim.Plan, runs int) (left sim.Plan, failure *sim.Failure, done bool) {
	defer t.ticking(func(so time.Duration) string {
		return fmt.Sprintf("cutting down seed %d  %v  at most %s", plan.Seed, so.Round(time.Second), count(runs, "run"))
	})()
	left, failure = sim.Shrink(ctx, plan, runs)
	return left, failure, ctx.Err() == nil
}

// ticking keeps a line on the terminal that standard error is, drawn anew every second, until the function that it
// returns takes it away. It draws nothing elsewhere, and nothing of what is over within a second.
func (t *tool) ticking(line func(time.Duration) string) (stop func()) {
	if !t.errTerminal {
		return func() {}
	}
	over, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		begun, clock := time.Now(), time.NewTicker(time.Second)
		defer clock.Stop()
		for {
			select {
			case now := <-clock.C:
				t.redrawLine(line(now.Sub(begun)))
			case <-over:
				t.redrawLine("")
				return
			}
		}
	}()
	return func() {
		close(over)
		<-gone
	}
}

// redrawLine puts text in the place of the last line of the terminal that standard error is.
func (t *tool) redrawLine(text string) { fmt.Fprintf(t.err, "\r%s\x1b[K", text) }

// replayOf is the command that runs this plan again, behind which more flags may stand.
func replayOf(plan *sim.Plan) string {
	command := fmt.Sprintf("shoal sim run --seed %d", plan.Seed)
	operations, faults := leftOf(plan)
	if operations != nil {
		command += " --ops " + formatNumbers(operations)
	}
	if faults != nil {
		command += " --faults " + formatNumbers(faults)
	}
	return command
}

// leftOf are the numbers of the operations and of the faults of a plan; nil where its seed has no more of them.
func leftOf(plan *sim.Plan) (operations, faults []int) {
	whole := sim.Draw(plan.Seed)
	if len(plan.Asks) != len(whole.Asks) {
		operations = []int{}
		for i := range plan.Asks {
			operations = append(operations, plan.Asks[i].Number)
		}
	}
	if len(plan.Faults) != len(whole.Faults) {
		faults = []int{}
		for i := range plan.Faults {
			faults = append(faults, plan.Faults[i].Number)
		}
	}
	return operations, faults
}

// percent is a part of a whole, for people.
func percent(part, whole int) string {
	if whole == 0 {
		return "none"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}
