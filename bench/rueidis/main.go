// Command rueidis sets Shoal's Go client beside rueidis, the fastest of Redis' Go clients, on this machine and in one run:
// as many goroutines as asked for, each of which makes one call after the other, on three nodes at quorum and on a
// redis-server without persistence or replica.
//
//	make bench-client
//	go run . -shoal ../../bin/shoal -rounds 5 -goroutines 64
//
// Shoal is measured twice, with keys asked of their owners, as clients do by default, and with all calls through one node.
// The former spreads the load over the nodes, at the price of smaller batches: it wins where nodes have machines of their
// own, and the latter where, as here, they share one.
//
// Every round starts everything afresh, fills it, and measures sets and gets. Servers and client share the machine, so the
// rates hold what the servers cost, too; the columns of processor time tell the two apart.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/shoalcache/shoal/client"
)

const (
	keys       = 100_000
	valueBytes = 100
)

// options are what a comparison is told.
type options struct {
	shoal      string // the program
	rounds     int
	goroutines int
	requests   int
	profile    string
}

// ops are measured in this order.
var ops = []string{"set", "get"}

// subjects are measured in every round; ratios are to the first.
var subjects = []struct {
	name  string
	start func(context.Context, *options, *servers) (store, error)
}{
	{"redis", startRedis},
	{"shoal, owners", func(ctx context.Context, o *options, s *servers) (store, error) { return startNodes(ctx, o, s) }},
	{"shoal, one", func(ctx context.Context, o *options, s *servers) (store, error) {
		return startNodes(ctx, o, s, client.WithoutRouting())
	}},
}

// store is a client on servers of its own.
type store interface {
	set(ctx context.Context, key string, value []byte) error
	get(ctx context.Context, key string) error
	close()
}

// measurement is one load.
type measurement struct {
	perSecond      float64
	p50, p99       time.Duration
	client, server time.Duration // processor time of a request
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "rueidis:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("rueidis", flag.ContinueOnError)
	flags.StringVar(&o.shoal, "shoal", "../../bin/shoal", "the `program` whose nodes are measured")
	flags.IntVar(&o.rounds, "rounds", 5, "`times` that everything is measured")
	flags.IntVar(&o.goroutines, "goroutines", 64, "`callers` at a time")
	flags.IntVar(&o.requests, "requests", 400_000, "`requests` of a measurement")
	flags.StringVar(&o.profile, "profile", "", "write a processor profile of the Shoal client's gets to `FILE`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.rounds < 1 || o.goroutines < 1 || o.requests < o.goroutines {
		return fmt.Errorf("-rounds %d -goroutines %d -requests %d: use numbers from 1, and a request for each goroutine", o.rounds, o.goroutines, o.requests)
	}
	fmt.Fprintf(out, "%d goroutines, %d keys, values of %d bytes, %d cores\n", o.goroutines, keys, valueBytes, runtime.NumCPU())
	fmt.Fprintf(out, "%-14s %-4s %10s %9s %9s %11s %11s  %s\n", "", "", "per second", "p50", "p99", "client cpu", "server cpu", "ratio")
	ratios := map[string][]float64{}
	for range o.rounds {
		base := map[string]float64{}
		for _, subject := range subjects {
			results, err := o.measure(ctx, subject.start)
			if err != nil {
				return fmt.Errorf("%s: %w", subject.name, err)
			}
			for _, op := range ops {
				m := results[op]
				if base[op] == 0 {
					base[op] = m.perSecond
				}
				what := subject.name + " " + op
				ratio := m.perSecond / base[op]
				ratios[what] = append(ratios[what], ratio)
				fmt.Fprintf(out, "%-14s %-4s %10.0f %9v %9v %11v %11v  %.2f\n", subject.name, op, m.perSecond, m.p50, m.p99, m.client, m.server, ratio)
			}
		}
	}
	for _, subject := range subjects[1:] {
		for _, op := range ops {
			r := ratios[subject.name+" "+op]
			slices.Sort(r)
			fmt.Fprintf(out, "%s, %s: median %.2f of redis (%.2f to %.2f)\n", subject.name, op, r[len(r)/2], r[0], r[len(r)-1])
		}
	}
	return nil
}

// measure takes one store through a round.
func (o *options) measure(ctx context.Context, start func(context.Context, *options, *servers) (store, error)) (map[string]measurement, error) {
	s, err := newServers()
	if err != nil {
		return nil, err
	}
	defer s.end()
	st, err := start(ctx, o, s)
	if err != nil {
		return nil, fmt.Errorf("%w; its log ends with:\n%s", err, s.said())
	}
	defer st.close()
	value := make([]byte, valueBytes)
	for i := range value {
		value[i] = byte(rand.Uint32()) // nothing that compresses
	}
	set := func(ctx context.Context, key string) error { return st.set(ctx, key, value) }
	var next atomic.Int64
	fill := func(ctx context.Context, _ string) error { return set(ctx, name(int(next.Add(1)-1)%keys)) }
	if _, err := o.load(ctx, s, 2*keys, fill); err != nil {
		return nil, err
	}
	runtime.GC()
	result := map[string]measurement{}
	if result["set"], err = o.load(ctx, s, o.requests, set); err != nil {
		return nil, err
	}
	if o.profile != "" && s.shoal {
		f, err := os.Create(o.profile)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return nil, err
		}
		defer pprof.StopCPUProfile()
	}
	result["get"], err = o.load(ctx, s, o.requests, st.get)
	return result, err
}

// load makes so many calls on random keys.
func (o *options) load(ctx context.Context, s *servers, requests int, call func(context.Context, string) error) (m measurement, err error) {
	each := requests / o.goroutines
	took := make([]time.Duration, each*o.goroutines)
	failed := make(chan error, o.goroutines)
	spent, server, began := processorTime(), s.processorTime(), time.Now()
	var wg sync.WaitGroup
	for g := range o.goroutines {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 1))
			for i := range each {
				key := name(random.IntN(keys))
				t := time.Now()
				if err := call(ctx, key); err != nil {
					failed <- err
					return
				}
				took[g*each+i] = time.Since(t)
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(began)
	select {
	case err := <-failed:
		return m, err
	default:
	}
	n := time.Duration(len(took))
	slices.Sort(took)
	return measurement{
		perSecond: float64(len(took)) / elapsed.Seconds(),
		p50:       took[len(took)/2].Round(time.Microsecond), p99: took[len(took)*99/100].Round(time.Microsecond),
		client: ((processorTime() - spent) / n).Round(10 * time.Nanosecond), server: ((s.processorTime() - server) / n).Round(10 * time.Nanosecond),
	}, nil
}

func name(i int) string { return fmt.Sprintf("key:%012d", i) }

// processorTime is what this process has taken.
func processorTime() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
