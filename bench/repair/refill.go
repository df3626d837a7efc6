package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoalcache/shoal/client"
)

// load is requests at a steady rate, each read checked against what was acknowledged before it began.
type load struct {
	c    *client.Client
	keys int

	mu     sync.Mutex
	took   []time.Duration // of the phase
	failed int

	acked   []atomic.Int64 // by key: the number of the last write that was acknowledged; negative: it was a deletion
	busy    []atomic.Bool  // a write of the key is under way, or one has failed: nobody else writes it
	stale   atomic.Int64
	revived atomic.Int64 // deletions that were undone
	missing atomic.Int64 // acknowledged and not there
	reads   atomic.Int64
}

const (
	loadWorkers = 32
	loadPeriod  = 8 * time.Millisecond // between two requests of a worker: 4,000 a second in all
)

// run works until ctx ends.
func (l *load) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range loadWorkers {
		wg.Go(func() {
			tick := time.NewTicker(loadPeriod)
			defer tick.Stop()
			for n := int64(2); ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				key := rand.IntN(l.keys)
				began := time.Now()
				var err error
				switch kind := rand.IntN(20); {
				case kind < 4 && l.busy[key].CompareAndSwap(false, true):
					err = l.write(ctx, key, max(l.acked[key].Load(), -l.acked[key].Load())+1, kind == 0)
				default:
					err = l.read(ctx, key)
				}
				if ctx.Err() != nil {
					return
				}
				l.mu.Lock()
				l.took = append(l.took, time.Since(began))
				if err != nil {
					l.failed++
				}
				l.mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// write sets or deletes a key; one whose outcome is not known is left alone from then on.
func (l *load) write(ctx context.Context, key int, number int64, deletes bool) (err error) {
	if deletes {
		err = l.c.Delete(ctx, name(key))
		number = -number
	} else {
		err = l.c.Set(ctx, name(key), fmt.Appendf(make([]byte, 0, 100), "%099d", number))
	}
	if err == nil {
		l.acked[key].Store(number)
		l.busy[key].Store(false)
	}
	return err
}

func (l *load) read(ctx context.Context, key int) error {
	before := l.acked[key].Load()
	item, err := l.c.GetItem(ctx, name(key))
	if errors.Is(err, client.ErrNotFound) {
		if after := l.acked[key].Load(); before > 0 && after == before && !l.busy[key].Load() {
			l.missing.Add(1)
		}
		return nil
	}
	if err != nil {
		return err
	}
	l.reads.Add(1)
	number, err := strconv.ParseInt(string(item.Value), 10, 64)
	if err != nil {
		number = 1 // as it was filled
	}
	switch {
	case before < 0 && number <= -before:
		l.revived.Add(1)
	case number < before:
		l.stale.Add(1)
	}
	return nil
}

// phase ends one, and says how long its requests took.
func (l *load) phase() (p50, p99 time.Duration, requests, failed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.took)
	if requests, failed = len(l.took), l.failed; requests > 0 {
		p50, p99 = l.took[requests/2], l.took[requests*99/100]
	}
	l.took, l.failed = l.took[:0], 0
	return p50, p99, requests, failed
}

// refill measures how a node recovers that was killed under load, and what requests feel of it.
func refill(ctx context.Context, o *options, out io.Writer) error {
	c, err := begin(ctx, o)
	if err != nil {
		return err
	}
	defer c.end()
	if err := c.fill(ctx, 0, o.keys, 1); err != nil {
		return err
	}
	if err := c.await(ctx, "no hints are owed", c.unowed); err != nil {
		return err
	}
	l := &load{c: c.Client, keys: o.keys, acked: make([]atomic.Int64, o.keys), busy: make([]atomic.Bool, o.keys)}
	for i := range l.acked {
		l.acked[i].Store(1)
	}
	loading, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { l.run(loading) })
	defer running.Wait()
	defer stop()
	say := func(what string) (p99 time.Duration) {
		p50, p99, requests, failed := l.phase()
		fmt.Fprintf(out, "  %-18s p50 %v, p99 %v, %d requests, %d failed\n", what, p50.Round(time.Microsecond), p99.Round(time.Microsecond), requests, failed)
		return p99
	}
	time.Sleep(5 * time.Second)
	l.phase() // until it is warm
	time.Sleep(20 * time.Second)
	usual := say("before")
	c.kill(nodes - 1)
	time.Sleep(10 * time.Second)
	say("while it is down")
	began := time.Now()
	if err := c.start(nodes - 1); err != nil {
		return err
	}
	if err := c.await(ctx, "the node recovers", func(ctx context.Context) bool { return len(c.stats(ctx)) == nodes }); err != nil {
		return err
	}
	if err := c.await(ctx, "it has recovered", c.whole); err != nil {
		return err
	}
	took := time.Since(began)
	during := say("while it recovers")
	time.Sleep(10 * time.Second)
	say("after")
	fmt.Fprintf(out, "  recovered in       %v; p99 meanwhile %.2f times that before\n", took.Round(100*time.Millisecond), float64(during)/float64(usual))
	fmt.Fprintf(out, "  of %d reads        stale %d, deleted and back %d, missing %d\n", l.reads.Load(), l.stale.Load(), l.revived.Load(), l.missing.Load())
	return nil
}

// ttl measures false repairs where nearly everything that is evicted or expires is known to the others.
func ttl(ctx context.Context, o *options, out io.Writer) error {
	c, err := begin(ctx, o, "--memory", o.memory)
	if err != nil {
		return err
	}
	defer c.end()
	loading, stop := context.WithTimeout(ctx, time.Duration(o.minutes*float64(time.Minute)))
	defer stop()
	var writes, failed atomic.Int64
	var running sync.WaitGroup
	value := make([]byte, 100)
	for range 8 {
		running.Go(func() {
			for loading.Err() == nil {
				var b client.Batch
				for range 100 {
					b.Set(name(rand.IntN(o.keys)), value, client.WithTTL(time.Duration(1000+rand.IntN(59_000))*time.Millisecond))
				}
				results, err := c.Do(loading, &b)
				writes.Add(int64(len(results)))
				if err != nil && loading.Err() == nil {
					failed.Add(1)
				}
			}
		})
	}
	rounds := 0
	for loading.Err() == nil {
		if _, err := c.compareAll(loading); err != nil && loading.Err() == nil {
			return err
		}
		rounds++
		select {
		case <-loading.Done():
		case <-time.After(2 * time.Second):
		}
	}
	running.Wait()
	state, err := c.state(ctx, false)
	if err != nil {
		return err
	}
	evicted, expired := int64(0), int64(0)
	for _, s := range c.stats(ctx) {
		evicted += number(s.Packages["storage"]["evicted"])
		expired += number(s.Packages["storage"]["expired"])
	}
	fmt.Fprintf(out, "  %d writes, %d batches failed; evicted %d, expired %d\n", writes.Load(), failed.Load(), evicted, expired)
	fmt.Fprintf(out, "  %d rounds of exchanges: %d partitions compared, %d differed, %d records and ghosts brought, false repairs %d\n",
		rounds, state.Compared, state.Differing, state.Merged, state.False)
	return nil
}

// number is a count of a document.
func number(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case uint64:
		return int64(n)
	case int8:
		return int64(n)
	case int16:
		return int64(n)
	case int32:
		return int64(n)
	case uint8:
		return int64(n)
	case uint16:
		return int64(n)
	case uint32:
		return int64(n)
	}
	return 0
}
