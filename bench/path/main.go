package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

const (
	conns      = 50
	keys       = 100_000
	valueBytes = 100
	fillDepth  = 64
)

// options are what a comparison is told.
type options struct {
	shoal    string // the program
	door     string // of Shoal that is loaded: native, by shoal bench, or resp, by redis-benchmark like Redis itself
	rounds   int
	depths   []int
	requests int // of a cell at depth 1; deeper ones take more, to last about as long
	fill     int // random sets before the first cell
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "path:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Shoal's %s door: %d connections, %d keys, values of %d bytes, %d cores, load %s\n", o.door, conns, keys, valueBytes, runtime.NumCPU(), load())
	results, err := o.compare(ctx, progress)
	if err != nil {
		return err
	}
	fmt.Fprint(out, results.table(o.depths))
	return nil
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("path", flag.ContinueOnError)
	flags.StringVar(&o.shoal, "shoal", "bin/shoal", "the `program` that is measured")
	flags.StringVar(&o.door, "door", doorNative, "how Shoal is loaded: "+doorNative+", or "+doorResp+", with the generator that Redis is")
	flags.IntVar(&o.rounds, "rounds", 5, "`times` that everything is measured")
	flags.IntVar(&o.requests, "requests", 150_000, "`requests` at depth 1; 4 times as many from 8, 8 times from 32")
	flags.IntVar(&o.fill, "fill", 10*keys, "random sets before the first measurement")
	depths := flags.String("depths", "1,16,64", "requests in a pipeline, as a `list`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for _, text := range strings.Split(*depths, ",") {
		d, err := strconv.Atoi(text)
		if err != nil || d < 1 {
			return o, fmt.Errorf("-depths %q: use numbers from 1, with commas between", *depths)
		}
		o.depths = append(o.depths, d)
	}
	if o.rounds < 1 || o.requests < 1 || o.fill < 1 {
		return o, fmt.Errorf("-rounds %d -requests %d -fill %d: use numbers from 1", o.rounds, o.requests, o.fill)
	}
	if o.door != doorNative && o.door != doorResp {
		return o, fmt.Errorf("-door %q: use %s or %s", o.door, doorNative, doorResp)
	}
	for _, program := range []string{o.shoal, "redis-server", "redis-benchmark"} {
		if _, err := exec.LookPath(program); err != nil {
			return o, fmt.Errorf("%w: build it or install it first", err)
		}
	}
	return o, nil
}

// compare measures every subject in every round.
func (o *options) compare(ctx context.Context, progress io.Writer) (results, error) {
	all := results{}
	for round := range o.rounds {
		for _, name := range subjects {
			fmt.Fprintf(progress, "round %d of %d: %s\n", round+1, o.rounds, name)
			if err := o.measure(ctx, name, all); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return all, nil
}

// measure takes one subject through all cells of a round.
func (o *options) measure(ctx context.Context, name string, all results) error {
	s, err := begin(ctx, o, name)
	if err != nil {
		return err
	}
	defer s.end()
	if _, err := s.load(ctx, "set", fillDepth, o.fill); err != nil {
		return err
	}
	for _, depth := range o.depths {
		for _, op := range []string{"set", "get"} {
			m, err := s.load(ctx, op, depth, o.requests*weight(depth))
			if err != nil {
				return fmt.Errorf("%s at depth %d: %w", op, depth, err)
			}
			at := cell{name, depth, op}
			all[at] = append(all[at], m)
		}
	}
	return nil
}

// weight is how many times the requests of depth 1 a depth gets.
func weight(depth int) int {
	switch {
	case depth >= 32:
		return 8
	case depth >= 8:
		return 4
	}
	return 1
}

// load is the machine's load average over a minute, where the system tells.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
