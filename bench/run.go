package bench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
)

// run is what one Run is made of.
type run struct {
	*load
	workers   []*worker
	recorders []*recorder
	from      int64        // nanoseconds since the run's epoch: when requests begin
	begins    atomic.Int64 // what is sent before does not count
	ends      atomic.Int64 // nothing is sent from then on
	left      atomic.Int64 // requests nobody has taken yet; only with Config.Requests
	stop      sync.Once
}

// Run connects, drives the load of cfg and reports what was answered. It returns when the requests are answered, the
// duration is over, ctx ends or a connection fails; in the last two cases with an error (*client.ConnectError for
// a connection), beside the report of what was measured until then. Failed requests are no error, nor are values that
// did not verify: the report counts them.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, err
	}
	r := &run{load: newLoad(cfg.withDefaults(), rand.Uint64())}
	r.begins.Store(math.MaxInt64)
	links, err := connect(ctx, r.cfg.Addrs, r.cfg.Conns, r.cfg.Timeout)
	if err != nil {
		return Report{}, err
	}
	defer closeAll(links)
	for range min(r.cfg.Conns, 2*runtime.GOMAXPROCS(0)) {
		r.recorders = append(r.recorders, &recorder{tally: newTally()})
	}
	for i, k := range links {
		r.workers = append(r.workers, newWorker(r.load, i, k, r.recorders[i%len(r.recorders)]))
	}
	defer context.AfterFunc(ctx, r.quit)()
	w := newWatch(watched{now: r.now, begins: r.begins.Load, recorders: r.recorders, phase: "run", second: r.cfg.second, progress: r.cfg.Progress})
	err = r.drive()
	g := w.end()
	report := newReport(&r.cfg, w.total, w.series, r.begins.Load(), g)
	if ctx.Err() != nil {
		err = fmt.Errorf("bench: ended before its time: %w", ctx.Err())
	}
	return report, err
}

// quit ends the run before its time. A worker waits in a read most of its life: closing the connections is what wakes it.
func (r *run) quit() {
	r.stop.Do(func() {
		for _, w := range r.workers {
			_ = w.conn.Close()
			w.finish()
		}
	})
}

// drive runs one stretch after the other.
func (r *run) drive() error {
	if r.cfg.Load {
		s := r.loading()
		if err := r.every(func(w *worker) error { return w.closed(s) }); err != nil {
			return err
		}
	}
	r.schedule(r.now())
	if r.cfg.Rate > 0 {
		a := newAlarm(r.load)
		defer a.stop()
		return r.every(func(w *worker) error { return w.open(r, a) })
	}
	s := &stretch{depth: r.cfg.Depth, take: r.take, draw: (*worker).draw}
	return r.every(func(w *worker) error { return w.closed(s) })
}

// schedule says what counts, from now on.
func (r *run) schedule(now int64) {
	r.from = now
	r.left.Store(int64(r.cfg.Requests))
	begins, ends := now+int64(r.cfg.Warmup), int64(math.MaxInt64)
	if r.cfg.Duration > 0 {
		ends = begins + int64(r.cfg.Duration)
	}
	r.begins.Store(begins)
	r.ends.Store(ends)
}

// every runs f for every connection at once, and returns the first failure: it closes the other connections, whose
// failures say nothing.
func (r *run) every(f func(*worker) error) error {
	first := make(chan error, 1)
	var wg sync.WaitGroup
	for _, w := range r.workers {
		wg.Go(func() {
			if err := f(w); err != nil {
				select {
				case first <- err:
				default:
				}
				r.quit()
			}
		})
	}
	wg.Wait()
	select {
	case err := <-first:
		return err
	default:
		return nil
	}
}

// take returns how many of n requests may be sent that are due now, and whether they count; 0: no more are.
func (r *run) take(now int64, n int) (int, bool) {
	switch {
	case now < r.begins.Load():
		return n, false
	case now >= r.ends.Load() || n == 0:
		return 0, true
	case r.cfg.Requests == 0:
		return n, true
	}
	if left := r.left.Add(-int64(n)); left < 0 {
		return int(max(left+int64(n), 0)), true
	}
	return n, true
}
