package client

import (
	"context"
	"sync"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// call is one request and what came of it. Calls are pooled, with all that a call needs: the common one allocates nothing
// but the value that it returns.
type call struct {
	request  wire.Request
	options  callOptions
	response wire.Response // memory of its own: the caller's
	err      error         // what came of it, where many are done side by side
	keys     []byte        // memory of request.Key and request.Keys

	timer  *time.Timer
	done   chan struct{} // one token when response or failed is set
	failed error
}

var calls = sync.Pool{New: func() any {
	k := &call{done: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	k.timer.Stop()
	return k
}}

// release gives a call back for the next. Nobody else may know of it any more.
func (k *call) release() {
	k.timer.Stop()
	keys, list := k.keys, k.request.Keys[:0]
	if cap(keys) > 4<<10 {
		keys = nil
	}
	if cap(list) > 64 {
		list = nil
	}
	clear(list[:cap(list)])
	k.keys, k.request = keys[:0], wire.Request{Keys: list}
	k.options, k.response, k.err, k.failed = callOptions{}, wire.Response{}, nil, nil
	calls.Put(k)
}

// fill completes the request from the options. The node has the time that the context leaves, too.
func (k *call) fill(ctx context.Context) {
	q, o := &k.request, &k.options
	limit := o.timeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline))
	}
	q.Level, q.R, q.W, q.Sloppy = o.level, o.r, o.w, o.sloppy
	q.Timeout = uint32(min(max(millis(limit), 1), 1<<32-1))
}

// millis is d in milliseconds, rounded up.
func millis(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// sideBySide bounds the goroutines of one call with many parts.
const sideBySide = 64

// each runs f on all of ks, some at a time, and returns when all are done.
func each(ks []*call, f func(*call)) {
	next := make(chan *call, len(ks))
	for _, k := range ks {
		next <- k
	}
	close(next)
	var wg sync.WaitGroup
	for range min(len(ks), sideBySide) {
		wg.Go(func() {
			for k := range next {
				f(k)
			}
		})
	}
	wg.Wait()
}
