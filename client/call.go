package client

import (
	"context"
	"errors"
	"slices"
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

	limit    time.Duration // when it is over, answered or not; since epoch
	attempts int           // begun
	retries  int           // attempts after one that failed
	hedged   bool
	partial  []wire.Item // of a multi-get: the best so far, where keys are to be asked for again
	open     []int       // their places in partial
	unsure   bool        // an earlier attempt may have been carried out, or may still be
	tried    []*link     // in this round of attempts
	node     *link       // that was asked, or answered, last; nil: none yet
	only     *link       // where set, no other is asked
	asked    *wire.Hello // of the boot that it was sent to last
	taker    *wire.Hello // of the boot that may have carried it out, and alone may be sent it again; nil: there is none

	timer   *time.Timer
	done    chan *flight // what has ended; room for all flights
	flights [2]flight    // the request as sent, and its hedge
	flying  int          // flights that have not ended
}

// flight is a request on its way over one connection. Whoever takes it off conn.pending sets response or err and hands it
// to call.done; from then on it is the caller's.
type flight struct {
	call     *call // nil: nobody waits for it
	conn     *conn
	id       uint64
	flying   bool // begun, and not taken back or received by the call
	began    time.Duration
	response wire.Response
	err      error
}

// epoch anchors all times of the package on the monotonic clock.
var epoch = time.Now()

func sinceEpoch() time.Duration { return time.Since(epoch) }

// errTimeUp is the cause when the call's own time limit passed.
var errTimeUp = errors.New("time is up")

var calls = sync.Pool{New: func() any {
	k := &call{timer: time.NewTimer(time.Hour), done: make(chan *flight, 2)}
	k.timer.Stop()
	k.flights[0].call, k.flights[1].call = k, k
	return k
}}

// release gives a call back for the next. Nothing of it is under way any more.
func (k *call) release() {
	k.timer.Stop()
	keys, list, tried := k.keys, k.request.Keys, k.tried
	if cap(keys) > 4<<10 {
		keys = nil
	}
	if cap(list) > 64 {
		list = nil
	}
	clear(list[:cap(list)]) // an attempt may have shortened it
	clear(tried)
	*k = call{timer: k.timer, done: k.done, keys: keys[:0], tried: tried[:0]}
	k.request.Keys = list[:0]
	k.flights[0].call, k.flights[1].call = k, k
	calls.Put(k)
}

// begin starts its time.
func (k *call) begin(now time.Duration) { k.limit = now + k.options.timeout + grace }

// beginAll starts the time of all parts of one call at once: so it is over when it should be, however many there are.
func beginAll(ks []*call) {
	now := sinceEpoch()
	for _, k := range ks {
		k.begin(now)
	}
}

// late reports whether its time passed before it was sent: no node would have any left for it.
func (k *call) late(now time.Duration) bool { return now >= k.limit-grace }

// fill completes the request from the options and the time that is left, here and by the context.
func (k *call) fill(ctx context.Context, left time.Duration) {
	q, o := &k.request, &k.options
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(deadline))
	}
	q.Level, q.R, q.W, q.Sloppy, q.Namespace, q.Siblings = o.level, o.r, o.w, o.sloppy, o.namespace, o.siblings
	q.Timeout = uint32(min(max(millis(left), 1), 1<<32-1))
}

// repeatable reports whether it does no harm to carry the call out twice.
func (k *call) repeatable() bool {
	q := &k.request
	switch {
	case !q.Op.Changes():
		return true
	case q.Op == wire.OpIncr || q.Op == wire.OpAppend || q.Previous:
		return false
	case q.Condition == wire.Version && q.Than != 0: // the first to be carried out leaves another stamp
		return true
	}
	return k.options.idempotent
}

// once reports whether the call is told apart by its node from all others, so that it can be sent there again.
func (k *call) once() bool {
	q := &k.request
	return !k.repeatable() && !q.Previous && (q.Op == wire.OpIncr || q.Op == wire.OpAppend || q.Condition != wire.Always)
}

// addr is the node's for errors and hooks.
func (k *call) addr() string {
	if k.node == nil {
		return "any node"
	}
	return k.node.addr
}

func (k *call) triedAt(l *link) bool { return slices.Contains(k.tried, l) }

// millis is d in milliseconds, rounded up.
func millis(d time.Duration) int64 {
	if d%time.Millisecond > 0 {
		return int64(d/time.Millisecond) + 1
	}
	return int64(d / time.Millisecond)
}
