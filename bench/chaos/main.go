package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// options are what the driver is told.
type options struct {
	shoal   string
	seed    uint64
	minutes float64
	runs    int
	trouble time.Duration
	show    bool
	network string // what nodes talk over; empty: what there is
	output  string
}

// errBroken is that a promise was, which has been told by then.
var errBroken = errors.New("a promise was broken, see above")

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = o.begin()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.StringVar(&o.shoal, "shoal", "bin/shoal", "the `program` that nodes run")
	flags.Uint64Var(&o.seed, "seed", 1, "the first run's; each further run has the next")
	flags.Float64Var(&o.minutes, "minutes", 10, "no run begins after as many `minutes`")
	flags.IntVar(&o.runs, "runs", 0, "at most so many runs; 0: as many as there is time for")
	flags.DurationVar(&o.trouble, "trouble", time.Minute, "how long a run has faults")
	flags.BoolVar(&o.show, "show", false, "print the plan of the seed, and run nothing")
	flags.StringVar(&o.network, "network", "", "what nodes talk over, by its `name`: namespaces, with disks of their own, proxy, or none; default: the first of these that this machine allows")
	flags.StringVar(&o.output, "o", "text", "text, or json")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.minutes <= 0 || o.runs < 0 || o.trouble < 15*time.Second || o.output != "text" && o.output != "json" {
		return o, errors.New("use -minutes above 0, -runs from 0, -trouble from 15s, and -o text or json")
	}
	if !slices.Contains([]string{"", bySpaces, byProxy, byNone}, o.network) {
		return o, fmt.Errorf("-network %q: use %s, %s or %s", o.network, bySpaces, byProxy, byNone)
	}
	return o, nil
}

// begin shows the plan, or runs.
func (o *options) begin() error {
	if o.show {
		p := draw(o.seed, o.trouble)
		fmt.Print(p.show())
		return nil
	}
	path, err := exec.LookPath(o.shoal)
	if err == nil {
		o.shoal, err = filepath.Abs(path)
	}
	if err != nil {
		return fmt.Errorf("%w: make build makes it", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	over, err := o.choose(os.Stderr)
	if err != nil {
		return err
	}
	return o.all(ctx, over, os.Stdout, os.Stderr)
}

// choose finds out over what nodes can talk here, and says why it is not what comes first. It returns in the program that enter starts.
func (o *options) choose(progress io.Writer) (over string, err error) {
	if o.network == "" || o.network == bySpaces {
		err = enter()
		if err == nil || o.network == bySpaces {
			return bySpaces, err
		}
		fmt.Fprintf(progress, "chaos: no %s, so that faults of disks are skipped: %v\n", bySpaces, err)
	}
	sweep()
	if o.network == "" || o.network == byProxy {
		p, err := newProxy(replicas)
		if err == nil {
			p.end()
			return byProxy, nil
		}
		if o.network == byProxy {
			return byProxy, err
		}
		fmt.Fprintf(progress, "chaos: no %s, so that faults of networks are skipped, too: %v\n", byProxy, err)
	}
	return byNone, nil
}

// all runs seed after seed.
func (o *options) all(ctx context.Context, over string, out, progress io.Writer) error {
	s, began := &summary{Kept: true}, time.Now()
	for seed := o.seed; ctx.Err() == nil && (o.runs == 0 || len(s.Runs) < o.runs); seed++ {
		if len(s.Runs) > 0 && time.Since(began).Minutes() >= o.minutes {
			break
		}
		p := draw(seed, o.trouble)
		fmt.Fprintf(progress, "seed %d: %d nodes over %s, %d faults in %v\n", seed, p.Nodes, over, len(p.Faults), p.Trouble)
		from := time.Now()
		rep, err := run(ctx, p, o, over, func(format string, args ...any) {
			fmt.Fprintf(progress, "  %6.1fs  %s\n", time.Since(from).Seconds(), fmt.Sprintf(format, args...))
		})
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
		s.Runs, s.Kept = append(s.Runs, rep), s.Kept && rep.kept()
		to := out
		if o.output == "json" {
			to = progress
		}
		fmt.Fprintf(to, "%s\n%s", rep.line(), rep.evidence())
	}
	if err := o.tell(s, out); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if !s.Kept {
		return errBroken
	}
	return nil
}

func (o *options) tell(s *summary, out io.Writer) error {
	if o.output == "json" {
		return s.json(out)
	}
	return s.table(out)
}
