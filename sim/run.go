package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// This file owns how a plan is carried out, from the first event to the verdict.

const (
	healFor     = 45 * time.Second // after the faults: everything has to be well by then
	eventsMax   = 3_000_000
	lookUpEvery = 1024 // events: a few milliseconds, after which a run that nobody waits for any more ends
)

// Run carries out a plan. It is a pure function of it: the same plan has the same Trace, always.
// A panic of the core fails it.
func Run(plan Plan, timeline bool) Result {
	r, _ := run(context.Background(), plan, timeline)
	return r
}

// run is Run until ctx ends: a run that is not over by then has no result.
func run(ctx context.Context, plan Plan, timeline bool) (r Result, over bool) {
	w := &world{
		plan: plan, rng: rand.New(rand.NewPCG(plan.Seed, 0x0ca1)), counts: map[string]int{}, talks: timeline, limits: wire.DefaultLimits(),
		dots: map[vclock.Dot]uint64{}, samples: map[string][]vclock.Set{}, audits: map[replicaKey]audited{}, deleted: map[string]bool{}, about: map[uint64]string{},
	}
	defer func() {
		if p := recover(); p != nil {
			w.fail("panic", "%v, at %s", p, origin())
			r, over = w.result(), true
		}
	}()
	w.foundCluster()
	for w.failed == nil && len(w.agenda.heap) > 0 {
		e := w.agenda.pop()
		if e.at > w.plan.Trouble+healFor {
			break
		}
		if w.events%lookUpEvery == 0 && ctx.Err() != nil {
			return Result{}, false
		}
		w.now = e.at
		w.happen(&e)
		if w.events++; w.events > eventsMax {
			w.fail("liveness", "the run does not end: %d events", w.events)
		}
	}
	if w.failed == nil {
		w.check()
	}
	return w.result(), true
}

// origin is the line that a panic came from; it is called where that is recovered.
func origin() string {
	pc := make([]uintptr, 64)
	frames := runtime.CallersFrames(pc[:runtime.Callers(2, pc)])
	for panicked := false; ; {
		f, more := frames.Next()
		if panicked && !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
		if panicked = panicked || f.Function == "runtime.gopanic"; !more {
			return "an unknown place"
		}
	}
}

// Twice runs a plan two times and fails the result where the traces differ: then something in the core depends on
// more than its inputs.
func Twice(plan Plan) Result {
	r, _ := twice(context.Background(), plan)
	return r
}

// twice is Twice until ctx ends.
func twice(ctx context.Context, plan Plan) (r Result, over bool) {
	first, over := run(ctx, plan, false)
	second, overToo := run(ctx, plan, false)
	if !over || !overToo {
		return Result{}, false
	}
	if first.Trace != second.Trace && first.Failure == nil {
		first.Failure = &Failure{Promise: "determinism", Text: "two runs of one plan differ"}
	}
	return first, true
}
