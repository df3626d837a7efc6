package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// run is what the workers of one Run share.
type run struct {
	cfg     Config
	begins  time.Time     // what is sent before is warm-up
	ends    time.Time     // nothing is sent after; zero: when left is used up
	left    atomic.Int64  // requests nobody has taken yet; only with Config.Requests
	stopped chan struct{} // closed when a worker failed, or the caller gave up
	stop    sync.Once
}

// Run connects, drives the load of cfg and reports what was answered. It returns when the requests are answered, the
// duration is over, ctx ends or a connection fails; in the last two cases with an error (*client.ConnectError for
// a connection), beside the report of what was measured until then. Failed requests are no error: the report counts them.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, err
	}
	cfg = cfg.withDefaults()
	workers, err := connect(ctx, cfg)
	if err != nil {
		return Report{}, err
	}
	defer closeAll(workers)
	r := &run{cfg: cfg, stopped: make(chan struct{})}
	r.left.Store(int64(cfg.Requests))
	r.begins = time.Now().Add(cfg.Warmup)
	if cfg.Duration > 0 {
		r.ends = r.begins.Add(cfg.Duration)
	}
	// A worker waits in a read most of its life: closing the connections is what wakes it.
	quit := func() { r.stop.Do(func() { close(r.stopped); closeAll(workers) }) }
	defer context.AfterFunc(ctx, quit)()
	failures := make([]error, len(workers))
	var wg sync.WaitGroup
	for i, w := range workers {
		wg.Go(func() {
			if failures[i] = w.loop(r); failures[i] != nil {
				quit()
			}
		})
	}
	wg.Wait()
	report := newReport(cfg, workers, r.begins)
	if ctx.Err() != nil {
		return report, context.Cause(ctx)
	}
	for _, err := range failures { // the first failure closed the other connections, whose failures say nothing
		if err != nil && !errors.Is(err, errStopped) {
			return report, err
		}
	}
	return report, nil
}

// take returns how many requests the next batch has, and whether it counts; 0 ends the worker.
func (r *run) take(now time.Time) (n int, counts bool) {
	counts = !now.Before(r.begins)
	switch {
	case !counts:
		return r.cfg.Depth, false
	case !r.ends.IsZero() && !now.Before(r.ends):
		return 0, true
	case r.cfg.Requests == 0:
		return r.cfg.Depth, true
	}
	depth := int64(r.cfg.Depth)
	if left := r.left.Add(-depth); left < 0 {
		return int(max(left+depth, 0)), true
	}
	return r.cfg.Depth, true
}

func (r *run) over() bool {
	select {
	case <-r.stopped:
		return true
	default:
		return false
	}
}
