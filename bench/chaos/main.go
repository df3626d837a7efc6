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
	"syscall"
	"time"
)

// options are what the driver is told.
type options struct {
	shoal    string
	seed     uint64
	minutes  float64
	runs     int
	trouble  time.Duration
	show     bool
	loopback bool // nodes get no networks of their own
	output   string
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
	flags.BoolVar(&o.loopback, "loopback", false, "give nodes no networks and disks of their own, and leave out the faults of these")
	flags.StringVar(&o.output, "o", "text", "text, or json")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.minutes <= 0 || o.runs < 0 || o.trouble < 15*time.Second || o.output != "text" && o.output != "json" {
		return o, errors.New("use -minutes above 0, -runs from 0, -trouble from 15s, and -o text or json")
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
	apart := errors.New("-loopback")
	if !o.loopback {
		apart = enter()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return o.all(ctx, apart, os.Stdout, os.Stderr)
}

// all runs seed after seed. Apart is why nodes have no networks of their own, or nil.
func (o *options) all(ctx context.Context, apart error, out, progress io.Writer) error {
	if apart != nil {
		fmt.Fprintf(progress, "chaos: no networks of their own for nodes, so that faults of networks and disks are skipped: %v\n", apart)
	}
	s, began := &summary{Kept: true}, time.Now()
	for seed := o.seed; ctx.Err() == nil && (o.runs == 0 || len(s.Runs) < o.runs); seed++ {
		if len(s.Runs) > 0 && time.Since(began).Minutes() >= o.minutes {
			break
		}
		p := draw(seed, o.trouble)
		fmt.Fprintf(progress, "seed %d: %d nodes, %d faults in %v\n", seed, p.Nodes, len(p.Faults), p.Trouble)
		from := time.Now()
		rep, err := run(ctx, p, o, apart == nil, func(format string, args ...any) {
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
