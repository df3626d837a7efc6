package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are what a measurement is told.
type options struct {
	shoal   string
	keys    int
	minutes float64 // of ttl
	memory  string  // of ttl
}

// scenarios by name, in the order in which they run.
var scenarios = []struct {
	name string
	run  func(context.Context, *options, io.Writer) error
}{
	{"exchange", exchange}, {"hints", hinted}, {"refill", refill}, {"ttl", ttl},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "repair:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	f := flag.NewFlagSet("repair", flag.ContinueOnError)
	f.StringVar(&o.shoal, "shoal", "bin/shoal", "the program")
	f.IntVar(&o.keys, "keys", 1_000_000, "how many keys there are, of 16 bytes, with values of 100")
	f.Float64Var(&o.minutes, "minutes", 5, "how long ttl runs")
	f.StringVar(&o.memory, "memory", "128MiB", "what a node of ttl has")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.keys < 1000 {
		return fmt.Errorf("-keys %d: use 1000 at least", o.keys)
	}
	names := f.Args()
	for _, name := range names {
		if !known(name) {
			return fmt.Errorf("no scenario %q: use exchange, hints, refill, ttl", name)
		}
	}
	for _, s := range scenarios {
		if len(names) > 0 && !strings.Contains(" "+strings.Join(names, " ")+" ", " "+s.name+" ") {
			continue
		}
		began := time.Now()
		fmt.Fprintf(out, "%s, %d keys\n", s.name, o.keys)
		if err := s.run(ctx, &o, out); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(out, "  took %v in all\n", time.Since(began).Round(time.Second))
	}
	return nil
}

func known(name string) bool {
	for _, s := range scenarios {
		if s.name == name {
			return true
		}
	}
	return false
}
