package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// This file owns a run: a cluster, its load, its faults, and then peace, in which everything is read once more.

const (
	startMax    = 2 * time.Minute  // for a cluster to be well after its start
	convergeMax = 2 * time.Minute  // after the last fault
	afterwards  = 2 * time.Second  // that the load goes on when all is well again
	lookEvery   = time.Second / 2  // at how the cluster is
	problemsMax = 20               // that are told of a run
	recoverMax  = 90 * time.Second // for which a fault waits until all have their memory
)

// runner carries out one plan.
type runner struct {
	plan    plan
	cluster *cluster
	world   *world
	load    *load
	say     func(format string, args ...any)

	whole sync.RWMutex // held while nothing may be wrong with the network, and for reading by what is

	mu     sync.Mutex
	spans  []span
	taking bool // a fault is about to take a node's memory, or has, and the node is not started again yet
	taken  int  // how often that was
	begun  map[kind]int
	left   map[kind]int // out, for want of what they need
	last   time.Time    // when a fault was over

	pressed pressed // by full disks
}

// run carries out a plan and tells what came of it. The error is one of the driver's, or of a cluster that does not start.
func run(ctx context.Context, p plan, o *options, over string, say func(string, ...any)) (*report, error) {
	w, err := newWorld(over, p.all())
	if err != nil {
		return nil, err
	}
	r := &runner{plan: p, world: w, say: say, begun: map[kind]int{}, left: map[kind]int{}}
	rep, err := r.all(ctx, o.shoal)
	r.cluster.end()
	failed := err != nil && ctx.Err() == nil || err == nil && !rep.kept()
	if failed {
		say("what the nodes wrote is in %s", w.kept())
	}
	if failed && rep != nil {
		rep.Files = w.kept()
		err = rep.save(w.dir)
	}
	w.end(failed)
	return rep, err
}

// all is a run from the start of the cluster to the verdict.
func (r *runner) all(ctx context.Context, shoal string) (rep *report, err error) {
	starting, cancel := context.WithTimeout(ctx, startMax)
	r.cluster, err = newCluster(starting, r.world, shoal, r.plan.Nodes)
	if err == nil {
		r.load, err = newLoad(starting, r.cluster)
	}
	cancel()
	if r.load != nil {
		defer r.load.end()
	}
	if err != nil {
		return nil, fmt.Errorf("the cluster did not start: %w", err)
	}
	loading, quiet := context.WithCancel(ctx)
	defer quiet()
	var working sync.WaitGroup
	working.Go(func() { r.load.run(loading, r.plan.Seed) })
	working.Go(func() { r.watch(loading) })
	r.trouble(ctx)
	took := r.converged(ctx)
	wait(ctx, afterwards)
	quiet()
	working.Wait()
	rep = r.judged(ctx, took)
	return rep, ctx.Err()
}

// converged waits, under load, until every node has its memory and owes nothing, and tells how long that took.
func (r *runner) converged(ctx context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, convergeMax)
	defer cancel()
	if err := r.cluster.await(ctx, func() string { return r.cluster.unsettled(ctx) }); err != nil {
		r.cluster.problem(fmt.Sprintf("not converged %v after the last fault: %v", convergeMax, err))
	}
	return time.Since(r.last)
}

// judged reads everything when nothing is asked any more, and judges.
func (r *runner) judged(ctx context.Context, took time.Duration) *report {
	if taken, open := r.look(); open && r.cluster.unwell(ctx) == "" {
		r.close(taken)
	}
	same := r.compared(ctx)
	if n := r.load.readAll(ctx); n > 0 && ctx.Err() == nil {
		r.cluster.problem(fmt.Sprintf("%d reads failed though all was well", n))
	}
	if n := r.cluster.evicted(ctx); n != 0 && ctx.Err() == nil {
		r.cluster.problem(fmt.Sprintf("%d records were evicted: what is missing proves nothing", n))
	}
	r.closeAll()
	rep := &report{Plan: r.plan, Seed: r.plan.Seed, Nodes: r.plan.Nodes, Network: r.world.over, Faults: r.begun, Skipped: r.left, Converged: took, Spans: r.spans, Starts: r.cluster.starts, Copies: same, Pressed: r.pressed}
	rep.verdict = judge(r.load.history.keys, r.spans)
	rep.Problems = r.cluster.problems[:min(len(r.cluster.problems), problemsMax)]
	return rep
}

// trouble carries out the faults and returns when all are over: one lane for what takes memory, one for the network, and
// every other fault on its own.
func (r *runner) trouble(ctx context.Context) {
	began := time.Now()
	var lanes sync.WaitGroup
	var forgetting, parting []*fault
	for i := range r.plan.Faults {
		f := &r.plan.Faults[i]
		lacks := r.world.lacks(f.Kind)
		switch {
		case lacks != "":
			r.leave(f, lacks)
		case f.Kind.forgets():
			forgetting = append(forgetting, f)
		case f.Kind.parts():
			parting = append(parting, f)
		default:
			lanes.Go(func() { r.lane(ctx, began, []*fault{f}) })
		}
	}
	lanes.Go(func() { r.lane(ctx, began, forgetting) })
	lanes.Go(func() { r.lane(ctx, began, parting) })
	lanes.Wait()
	if r.last.IsZero() {
		r.last = began
	}
}

// lane carries out faults one after the other, each when it is due or as soon as it may.
func (r *runner) lane(ctx context.Context, began time.Time, faults []*fault) {
	for _, f := range faults {
		wait(ctx, time.Until(began.Add(f.At)))
		if ctx.Err() != nil {
			return
		}
		if err := r.fault(ctx, f); err != nil {
			r.cluster.problem(fmt.Sprintf("%s: %v", f, err))
		}
		r.mu.Lock()
		r.last = time.Now()
		r.mu.Unlock()
	}
}

// fault begins and ends one.
func (r *runner) fault(ctx context.Context, f *fault) error {
	if f.Kind.parts() {
		return r.parted(ctx, f)
	}
	n := r.cluster.nodes[f.Node]
	if f.Kind.forgets() && !r.recovered(ctx) {
		r.leave(f, "the last to lose its memory has not recovered")
		return nil
	}
	switch {
	case f.Kind == join && ctx.Err() == nil:
		return r.joins(ctx, n, f)
	case f.Node >= len(r.cluster.members()):
		r.leave(f, "the node has not joined")
		return nil
	}
	n.Lock()
	defer n.Unlock()
	if f.Kind.strikes() && !r.cluster.serves(ctx, n) {
		r.leave(f, "the node has not started yet")
		return nil
	}
	if ctx.Err() != nil {
		return nil
	}
	r.begin(f)
	if !f.Kind.forgets() {
		return r.held(ctx, n, f)
	}
	r.open()
	defer r.started()
	return r.forgotten(ctx, n, f)
}

func (r *runner) begin(f *fault) {
	r.mu.Lock()
	r.begun[f.Kind]++
	r.mu.Unlock()
	r.say("%s", f)
}

func (r *runner) leave(f *fault, why string) {
	r.mu.Lock()
	r.left[f.Kind]++
	r.mu.Unlock()
	r.say("%s: skipped, %s", f, why)
}

// wait is over when d has passed or ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
