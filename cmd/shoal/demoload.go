package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/shoalcache/shoal/client"
	"golang.org/x/time/rate"
)

const (
	demoWorkers   = 24
	demoRate      = 6000 // operations a second once the keys are there: far less than two busy cores manage
	demoWriteTurn = 8    // one operation in so many writes

	triesMax  = 3
	triesTime = time.Second            // for all tries of an operation
	tryTime   = 250 * time.Millisecond // for one, which the client adds a little to
	tryPause  = 40 * time.Millisecond  // between two, at random between half and all of it, doubled each time
)

// demoStore is what the load needs of a client.
type demoStore interface {
	GetItem(ctx context.Context, key string, opts ...client.CallOption) (client.Item, error)
	Set(ctx context.Context, key string, value []byte, opts ...client.CallOption) error
}

// errForgotten is a miss that says of itself that it may be none: while one owner recovers and another does not answer, too few are
// left that could have forgotten nothing. It is tried again, and if that is so to the end it is a miss as any other.
var errForgotten = errors.New("too few owners can vouch that it is not there")

// demoLoad is the demo's traffic: workers that read and write, and what came of it.
type demoLoad struct {
	store demoStore
	pace  *rate.Limiter

	mu     sync.Mutex
	ledger demoLedger
	tally  demoTally
	down   bool // a node is
	window demoWindow
}

// demoWindow is what happened since the last line was printed.
type demoWindow struct {
	operations, failedFirst int
	p99                     time.Duration           // from the first try to the end of the last
	latency                 *hdrhistogram.Histogram // the same in microseconds
}

func newDemoLoad(keys int) *demoLoad {
	l := &demoLoad{ledger: make(demoLedger, keys), pace: rate.NewLimiter(demoRate, demoWorkers)}
	l.window.latency = hdrhistogram.New(1, (2 * triesTime).Microseconds(), 3)
	return l
}

// demoSource hands out keys to read or write, until it says that there are no more.
type demoSource func() (k int, write, ok bool)

// drive runs workers until there is nothing left to do or ctx ends.
func (l *demoLoad) drive(ctx context.Context, next demoSource, opts ...client.CallOption) {
	var workers sync.WaitGroup
	for range demoWorkers {
		workers.Go(func() {
			for ctx.Err() == nil {
				k, write, ok := next()
				switch {
				case !ok:
					return
				case write:
					l.write(ctx, k, opts)
				default:
					l.read(ctx, k, opts)
				}
			}
		})
	}
	workers.Wait()
}

// every hands out each key once.
func (l *demoLoad) every(write bool) demoSource {
	var mu sync.Mutex
	next := -1
	return func() (int, bool, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next, write, next < len(l.ledger)
	}
}

// steady hands out keys at random, at the pace, until over says that it is enough.
func (l *demoLoad) steady(ctx context.Context, over func() bool) demoSource {
	return func() (int, bool, bool) {
		if over() || l.pace.Wait(ctx) != nil {
			return 0, false, false
		}
		return rand.IntN(len(l.ledger)), rand.IntN(demoWriteTurn) == 0, true
	}
}

// write writes the next version of key k, or of one behind it if that cannot be written now.
func (l *demoLoad) write(ctx context.Context, k int, opts []client.CallOption) {
	l.mu.Lock()
	version, ok := l.ledger.write(k)
	for range len(l.ledger) {
		if ok {
			break
		}
		k = (k + 1) % len(l.ledger)
		version, ok = l.ledger.write(k)
	}
	l.mu.Unlock()
	if !ok {
		return
	}
	began := time.Now()
	a := l.try(ctx, func(ctx context.Context) error {
		return l.store.Set(ctx, demoKey(k), demoValue(k, version), opts...)
	})
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ledger.wrote(k, a.err == nil, a.unsure)
	if ctx.Err() == nil {
		l.tally.wrote(k, &a)
		l.window.add(&a, took)
	}
}

// read reads key k and checks the answer.
func (l *demoLoad) read(ctx context.Context, k int, opts []client.CallOption) {
	l.mu.Lock()
	floor, down := l.ledger.floor(k), l.down
	l.mu.Unlock()
	var value []byte
	found := false
	began := time.Now()
	a := l.try(ctx, func(ctx context.Context) error {
		item, err := l.store.GetItem(ctx, demoKey(k), opts...)
		value, found = item.Value, err == nil
		switch {
		case !errors.Is(err, client.ErrNotFound):
			return err
		case item.Forgotten && floor > 0:
			return errForgotten
		}
		return nil
	})
	if errors.Is(a.err, errForgotten) {
		a.err = nil
	}
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() == nil {
		judged, evidence := l.ledger.judge(k, floor, value, found)
		l.tally.read(k, &a, judged, evidence, down && l.down)
		l.window.add(&a, took)
	}
}

// try calls do until it succeeds, a few times within a second.
func (l *demoLoad) try(ctx context.Context, do func(context.Context) error) (a demoTries) {
	ctx, cancel := context.WithTimeout(ctx, triesTime)
	defer cancel()
	for i := range triesMax {
		if a.err = do(ctx); a.err == nil {
			return a
		}
		a.failedFirst = true
		a.unsure = a.unsure || client.Indeterminate(a.err)
		pause := tryPause << i
		select {
		case <-ctx.Done():
			return a
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
	}
	return a
}

func (w *demoWindow) add(a *demoTries, took time.Duration) {
	w.operations++
	if a.failedFirst {
		w.failedFirst++
	}
	_ = w.latency.RecordValue(min(took, 2*triesTime).Microseconds()) // which is in its range
}

// setDown says whether a node is down: for sure, before that is said.
func (l *demoLoad) setDown(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
}

// owed takes note of the hints owed now.
func (l *demoLoad) owed(hints int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tally.owed(hints)
}

// sum is what was counted so far.
func (l *demoLoad) sum() demoTally {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tally
}

// turn returns the window and begins the next.
func (l *demoLoad) turn() demoWindow {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.window
	w.p99 = time.Duration(w.latency.ValueAtQuantile(99)) * time.Microsecond
	w.latency.Reset()
	l.window = demoWindow{latency: w.latency}
	return w
}
