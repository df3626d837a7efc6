package server

import (
	"bytes"
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// ErrStopped is what ended a call of Node.Client that was under way when the node stopped, inside a
// *client.InterruptedError.
var ErrStopped = errors.New("server: the node has stopped")

// embeddedCallsMax bounds the calls of the program under way; more of them wait for their turn.
const embeddedCallsMax = 4096

// Client returns the cluster as this node, in this process, serves it: no socket, and no goroutine for a call. All of a
// node's clients share its bounds. They need not be closed: once the node has stopped their calls fail, with
// *client.NotReadyError or, those under way, with ErrStopped in a *client.InterruptedError. Of the options those count that
// client.Embedded takes.
func (n *Node) Client(opts ...client.Option) client.KV {
	return client.Embedded(n.inside, append([]client.Option{client.WithLimits(n.cfg.Limits)}, opts...)...)
}

// embedded is the caller for the program that the node is part of: a client.Doer. Requests pass through their bytes as
// everyone's do, so that what is wrong with one is found in the same place, and a non-owner can hand them on.
type embedded struct {
	n    *Node
	id   atomic.Uint64 // its number, from its first call on
	room chan struct{} // one for each call under way

	mu     sync.Mutex
	closed bool
	lastID uint64
	seats  map[uint64]seat // by the id of a request under way; an id is never used again
}

// seat is where an answer goes: to a call, or to one key of a multi-get.
type seat struct {
	call *embeddedCall
	part int
}

// embeddedCall is one call and what came of it, under embedded.mu until done has its token.
type embeddedCall struct {
	done     chan struct{} // takes one token
	gather   *coordinator.Gather
	settled  bool
	response wire.Response // memory of its own
	err      error
}

func (k *embeddedCall) settle(r wire.Response, err error) {
	if !k.settled {
		k.settled, k.response, k.err = true, r, err
		k.done <- struct{}{}
	}
}

// desk is what carrying out a request takes: its bytes and an outbox.
type desk struct {
	frame   []byte
	request wire.Request
	out     replica.Outbox
}

const deskKept = 64 << 10 // bytes of its buffer that a desk keeps

var desks = sync.Pool{New: func() any { return new(desk) }}

func newEmbedded(n *Node) *embedded {
	return &embedded{n: n, room: make(chan struct{}, embeddedCallsMax), seats: map[uint64]seat{}}
}

// Do carries out q and returns the answer, or an error where there is none: ctx's, or that the node has stopped. Where
// ctx ends before the request was handed over, the error is a *client.InterruptedError that says so.
func (e *embedded) Do(ctx context.Context, q *wire.Request) (wire.Response, error) {
	if err := e.register(q.Op); err != nil {
		return wire.Response{}, err
	}
	select {
	case e.room <- struct{}{}:
		defer func() { <-e.room }()
	case <-ctx.Done(): // nothing was handed over: it is not in doubt
		return wire.Response{}, &client.InterruptedError{Op: q.Op, Addr: e.n.cfg.Name, Err: ctx.Err()}
	case <-e.n.ctx.Done():
		return wire.Response{}, notReady(q.Op)
	}
	k := &embeddedCall{done: make(chan struct{}, 1)}
	parts := 1
	if q.Op == wire.OpMGet && len(q.Keys) > 0 {
		k.gather, parts = coordinator.NewGather(0, len(q.Keys), e.n.cfg.Limits.Frame), len(q.Keys)
	}
	first, ok := e.sit(k, parts)
	if !ok {
		return wire.Response{}, notReady(q.Op)
	}
	e.hand(q, first, k.gather != nil)
	select {
	case <-k.done:
	case <-ctx.Done():
		e.leave(first, parts)
		select {
		case <-k.done: // the answer was faster
		default:
			return wire.Response{}, ctx.Err()
		}
	}
	if k.err != nil {
		k.err = &client.InterruptedError{Op: q.Op, Addr: e.n.cfg.Name, Indeterminate: q.Op.Changes(), Err: k.err}
	}
	return k.response, k.err
}

// hand gives q to the shards under the id first, or its keys one by one under the ids from there on.
func (e *embedded) hand(q *wire.Request, first uint64, each bool) {
	d := desks.Get().(*desk)
	defer d.release()
	d.frame = wire.AppendRequest(d.frame[:0], q)
	frame, now := d.frame[wire.FrameHeader:], e.n.clock.now()
	to := coordinator.Client{Conn: e.id.Load(), ID: first}
	switch err := wire.DecodeRequest(frame, &d.request, &e.n.cfg.Limits); {
	case err == nil && each:
		e.multiGet(now, to, frame, d)
	case err == nil:
		e.n.carryOut(now, to, &d.request, frame, &d.out, e)
	default:
		for range max(len(q.Keys), 1) {
			d.out.Answer(to, unreadable(q.Op, err))
			to.ID++
		}
	}
	e.n.flushSince(now, &d.out, e)
}

// multiGet reads every key on its own.
func (e *embedded) multiGet(now vclock.Now, to coordinator.Client, frame []byte, d *desk) {
	one := d.request
	one.Op, one.Keys = wire.OpGet, nil
	for _, key := range d.request.Keys {
		one.Key = key
		e.n.request(now, to, &one, frame, &d.out)
		to.ID++
		if len(d.out.Conns) > 0 && len(d.out.Conns[0].Frames) > connBytesSoft { // thousands of values need not be held twice
			e.n.flushSince(now, &d.out, e)
		}
	}
}

func (d *desk) release() {
	if cap(d.frame) > deskKept {
		d.frame, d.request = nil, wire.Request{}
	}
	desks.Put(d)
}

// register gives it its number among the node's callers, at the first call.
func (e *embedded) register(op wire.Op) error {
	if e.id.Load() != 0 {
		return nil
	}
	number := e.n.register(e)
	switch {
	case number != 0 && !e.id.CompareAndSwap(0, number):
		e.n.forget(number) // another call was faster
	case number == 0 && e.n.ctx.Err() != nil:
		return notReady(op)
	case number == 0:
		return &client.OverloadedError{Op: op, Text: "the node has as many connections as it takes"}
	}
	return nil
}

func notReady(op wire.Op) error {
	return &client.NotReadyError{Op: op, Text: "the node has stopped"}
}

// sit gives k's parts ids of their own, from first on; false when the node has stopped.
func (e *embedded) sit(k *embeddedCall, parts int) (first uint64, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return 0, false
	}
	first = e.lastID + 1
	for i := range parts {
		e.lastID++
		e.seats[e.lastID] = seat{call: k, part: i}
	}
	return first, true
}

// leave gives up the answers that have not come: they find nobody.
func (e *embedded) leave(first uint64, parts int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range uint64(parts) {
		delete(e.seats, first+i)
	}
}

func (e *embedded) number() uint64 { return e.id.Load() }

// anySize is for answers: they are in memory already, and may be of a node with larger limits.
var anySize = wire.Limits{Frame: math.MaxInt32, Key: math.MaxInt32, Value: math.MaxInt32, Keys: math.MaxInt32}

// answer gives each frame to the call that it answers.
func (e *embedded) answer(frames []byte, _ int) {
	var r wire.Response
	for len(frames) > 0 {
		frame, rest, err := wire.NextFrame(frames, &anySize)
		if err != nil || frame == nil {
			return // as a connection would break; who waits is told by their context
		}
		frames = rest
		if err := wire.DecodeResponse(frame, &r, &anySize); err != nil {
			r = wire.Response{Status: wire.StatusInternal, ID: r.ID, Err: &wire.Error{Text: err.Error()}}
		}
		e.deliver(&r)
		r.Items, r.Err = nil, nil // they may be the call's now
	}
}

func (e *embedded) deliver(r *wire.Response) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.seats[r.ID]
	if !ok {
		return // whoever asked has left
	}
	delete(e.seats, r.ID)
	if g := s.call.gather; g != nil {
		if g.Add(s.part, r) {
			s.call.settle(g.Response(), nil)
		}
		return
	}
	r.Value, r.Context = bytes.Clone(r.Value), bytes.Clone(r.Context)
	for i := range r.Items {
		r.Items[i].Value = bytes.Clone(r.Items[i].Value)
	}
	s.call.settle(*r, nil)
}

// cut ends all calls.
func (e *embedded) cut() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for id, s := range e.seats {
		delete(e.seats, id)
		s.call.settle(wire.Response{}, ErrStopped)
	}
}

// empty returns once no call is in the node any more, and none comes in again. The node has stopped, and all were cut.
func (e *embedded) empty() {
	for range cap(e.room) {
		e.room <- struct{}{}
	}
}

// ClusterID is the cluster's, by which a session knows where it belongs.
func (e *embedded) ClusterID() uint64 { return e.n.clusterID() }
