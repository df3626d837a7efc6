package main

import (
	"context"
	"time"
)

// This file owns when nodes are without their memory: a span begins before a fault takes it and ends when every node was
// seen to have all of its own. No fault takes another's before that.

// open begins a span, unless one is open.
func (r *runner) open() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taking = true
	r.taken++
	if n := len(r.spans); n == 0 || r.spans[n-1].To != 0 {
		r.spans = append(r.spans, span{From: time.Since(r.load.start)})
	}
}

// started says that the node which open was for runs again.
func (r *runner) started() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taking = false
	r.taken++
}

// look is what a look at the cluster must be about to close a span.
func (r *runner) look() (taken int, open bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.spans)
	return r.taken, n > 0 && r.spans[n-1].To == 0
}

// close ends the open span if nothing has been taken since a look.
func (r *runner) close(taken int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.spans); n > 0 && r.spans[n-1].To == 0 && !r.taking && r.taken == taken {
		r.spans[n-1].To = time.Since(r.load.start)
	}
}

// closeAll ends a span that nothing has ended, when nobody else is left to look at it.
func (r *runner) closeAll() {
	if n := len(r.spans); n > 0 && r.spans[n-1].To == 0 {
		r.spans[n-1].To = time.Since(r.load.start)
	}
}

// watch closes spans as soon as all is well.
func (r *runner) watch(ctx context.Context) {
	for ctx.Err() == nil {
		if taken, open := r.look(); open && r.cluster.unwell(ctx) == "" {
			r.close(taken)
		}
		wait(ctx, lookEvery)
	}
}

// recovered waits until no span is open.
func (r *runner) recovered(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, recoverMax)
	defer cancel()
	for ctx.Err() == nil {
		if _, open := r.look(); !open {
			return true
		}
		wait(ctx, lookEvery)
	}
	return false
}
