package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// Doer carries out one request in its own process and returns the answer, or an error where there is none. The request is
// the caller's again once Do returns, and the response's memory is the caller's. A failure that a node would answer is a
// response and no error. Do returns when ctx ends, with its error.
type Doer interface {
	Do(ctx context.Context, q *wire.Request) (wire.Response, error)
}

// Embedded returns a KV that asks d, a node in this process, and no other. Nothing is sent twice: a failure means that
// the node, which asks the others by itself, could not do it. Of the options WithLimits, WithDefaults and WithNamespace count; the others
// are about connections.
func Embedded(d Doer, opts ...Option) KV {
	o := defaultOptions()
	for _, set := range opts {
		set(&o)
	}
	return &verbs{backend: embedded{d}, defaults: o.calls, limits: o.limits}
}

type embedded struct{ doer Doer }

// clusterID is what the doer says of it, if it does.
func (e embedded) clusterID() uint64 {
	if d, ok := e.doer.(interface{ ClusterID() uint64 }); ok {
		return d.ClusterID()
	}
	return 0
}

const embeddedAddr = "the embedded node" // in errors

func (e embedded) do(ctx context.Context, k *call) error {
	now := sinceEpoch()
	k.begin(now)
	return e.finish(ctx, k, now)
}

// finish carries out a call whose time has begun.
func (e embedded) finish(ctx context.Context, k *call, now time.Duration) error {
	switch err := ctx.Err(); {
	case err != nil:
		return &InterruptedError{Op: k.request.Op, Addr: embeddedAddr, Err: err}
	case k.late(now):
		return timeUp(k, embeddedAddr, false)
	}
	k.fill(ctx, k.limit-grace-now)
	limited, cancel := context.WithTimeout(ctx, k.limit-now)
	defer cancel()
	var err error
	unsure := k.request.Op.Changes()
	k.response, err = e.doer.Do(limited, &k.request)
	if given, ok := errors.AsType[*InterruptedError](err); ok { // the node knows whether it had begun
		unsure = given.Indeterminate
	}
	switch {
	case err == nil:
		return k.response.AsError()
	case limited.Err() == nil || !errors.Is(err, limited.Err()):
		return err
	case ctx.Err() != nil:
		return &InterruptedError{Op: k.request.Op, Addr: embeddedAddr, Indeterminate: unsure, Err: ctx.Err()}
	}
	return timeUp(k, embeddedAddr, unsure)
}

func (e embedded) doAll(ctx context.Context, ks []*call) {
	beginAll(ks)
	each(ks, func(k *call) { k.err = e.finish(ctx, k, sinceEpoch()) })
}

// workers bounds the goroutines of one call with many parts.
const workers = 64

// each runs f on all of ks, some at a time, and returns when all are done.
func each(ks []*call, f func(*call)) {
	next := make(chan *call, len(ks))
	for _, k := range ks {
		next <- k
	}
	close(next)
	var wg sync.WaitGroup
	for range min(len(ks), workers) {
		wg.Go(func() {
			for k := range next {
				f(k)
			}
		})
	}
	wg.Wait()
}

// split leaves the keys together: the node asks their owners side by side.
func (e embedded) split(_ string, keys []string) [][]int { return [][]int{indexes(len(keys))} }

func indexes(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
