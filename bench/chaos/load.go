package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoalcache/shoal/client"
)

// This file owns what is asked of the cluster: workers, each with keys that it alone writes, and keys that all write.

const (
	workers  = 24
	ownKeys  = 8  // of each worker, which nobody else writes
	shared   = 24 // keys that all write
	counters = 8
	bulk     = 3000 // keys with values of bulkSize, which a flood writes
	floods   = 8    // that write at a time
	callMax  = time.Second
	restMin  = 4 * time.Millisecond // of a worker between two calls
	restMax  = 20 * time.Millisecond
)

// load asks, and notes what came of it.
type load struct {
	history history
	start   time.Time
	number  atomic.Int64 // of the last value written
	routed  *client.Client

	mu     sync.Mutex
	direct []*client.Client // one for each node, which asks that one alone
}

// newLoad connects to all nodes.
func newLoad(ctx context.Context, c *cluster) (*load, error) {
	l := &load{history: history{keys: map[string][]op{}}, start: time.Now()}
	var addrs []string
	for _, n := range c.members() {
		addrs = append(addrs, n.addr)
		if err := l.join(ctx, n); err != nil {
			return l, err
		}
	}
	var err error
	l.routed, err = client.Dial(ctx, addrs)
	return l, err
}

// join asks a node, too.
func (l *load) join(ctx context.Context, n *node) error {
	one, err := client.Dial(ctx, []string{n.addr}, client.WithoutRouting())
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.direct = append(l.direct, one)
	return nil
}

// through are the clients of one node each.
func (l *load) through() []*client.Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.direct
}

func (l *load) end() {
	for _, c := range l.through() {
		c.Close()
	}
	if l.routed != nil {
		l.routed.Close()
	}
}

// keys are all there are.
func allKeys() (keys []string) {
	for w := range workers {
		for k := range ownKeys {
			keys = append(keys, own(w, k))
		}
	}
	for k := range shared {
		keys = append(keys, fmt.Sprint("shared-", k))
	}
	for k := range counters {
		keys = append(keys, fmt.Sprint("counter-", k))
	}
	for k := range bulk {
		keys = append(keys, bulky(k))
	}
	return keys
}

func bulky(k int) string { return fmt.Sprint("bulk-", k) }

func own(worker, k int) string { return fmt.Sprintf("own-%d-%d", worker, k) }

// run lets the workers work until ctx ends; calls that are under way then are finished.
func (l *load) run(ctx context.Context, seed uint64) {
	var working sync.WaitGroup
	keys := allKeys()[:workers*ownKeys+shared+counters]
	for w := range workers {
		working.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for ctx.Err() == nil {
				l.step(r, w, keys)
				select {
				case <-ctx.Done():
				case <-time.After(between(r, restMin, restMax)):
				}
			}
		})
	}
	working.Wait()
}

// flood writes the bulky keys through one node as fast as it takes them, again and again until ctx ends.
func (l *load) flood(ctx context.Context, node int) {
	var working sync.WaitGroup
	c := l.through()[node]
	for w := range floods {
		working.Go(func() {
			for k := w; ctx.Err() == nil; k = (k + floods) % bulk {
				l.do(c, fmt.Sprint("n", node+1), set, bulky(k))
			}
		})
	}
	working.Wait()
}

// step is one call of a worker: through the client that knows the owners, or at any one node.
func (l *load) step(r *rand.Rand, worker int, keys []string) {
	c, via := l.routed, "all"
	if direct := l.through(); r.IntN(2) == 0 {
		n := r.IntN(len(direct))
		c, via = direct[n], fmt.Sprint("n", n+1)
	}
	key := own(worker, r.IntN(ownKeys))
	if r.IntN(4) == 0 {
		key = fmt.Sprint("shared-", r.IntN(shared))
	}
	switch n := r.IntN(100); {
	case n < 45:
		l.do(c, via, get, keys[r.IntN(len(keys))])
	case n < 80:
		l.do(c, via, set, key)
	case n < 88:
		l.do(c, via, del, key)
	default:
		l.do(c, via, incr, fmt.Sprint("counter-", r.IntN(counters)))
	}
}

// do carries out one operation and notes it. It outlives the end of the load: a call that is given up would be unsure.
func (l *load) do(c *client.Client, via string, v verb, key string, opts ...client.CallOption) op {
	o := op{Verb: v, Via: via, Outcome: acked}
	ctx := context.Background()
	opts = append(opts, client.WithTimeout(callMax))
	var err error
	if v == set {
		o.Value = l.number.Add(1)
	}
	o.Began = time.Since(l.start)
	switch v {
	case get:
		var item client.Item
		if item, err = c.GetItem(ctx, key, opts...); errors.Is(err, client.ErrNotFound) {
			o.Forgotten, err = item.Forgotten, nil
		} else if err == nil {
			o.Value = found(key, item.Value)
		}
	case set:
		err = c.Set(ctx, key, encode(key, o.Value), opts...)
	case del:
		err = c.Delete(ctx, key, opts...)
	case incr:
		o.Value, err = c.Incr(ctx, key, 1, opts...)
	}
	o.Ended = time.Since(l.start)
	if err != nil {
		o.Err, o.Outcome = err.Error(), undone
		if v != get && client.Indeterminate(err) {
			o.Outcome = unsure
		}
	}
	l.history.note(key, o)
	return o
}

// found is the number in what was read: of a counter what it stands at, of others what decode makes of it.
func found(key string, value []byte) int64 {
	if !counting(key) {
		return decode(key, value)
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// readAll reads every key that was used through every node, and from all of its owners. It returns how many reads failed, however often
// they were tried; through whom so many fail, nothing more is read.
func (l *load) readAll(ctx context.Context) (failed int) {
	const tries, failedMax = 5, 20
	var reading sync.WaitGroup
	var n atomic.Int64
	keys := l.history.used()
	read := func(c *client.Client, via string, opts ...client.CallOption) {
		missed := 0
		for _, key := range keys {
			done := false
			for try := 0; try < tries && !done && ctx.Err() == nil; try++ {
				done = l.do(c, via, get, key, opts...).Outcome == acked
			}
			if !done {
				missed++
			}
			if missed == failedMax {
				break
			}
		}
		n.Add(int64(missed))
	}
	for i, c := range l.through() {
		reading.Go(func() { read(c, fmt.Sprint("n", i+1)) })
	}
	reading.Go(func() { read(l.routed, "all, at all", client.WithLevel(client.LevelAll)) })
	reading.Wait()
	return int(n.Load())
}
