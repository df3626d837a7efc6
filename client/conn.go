package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoalcache/shoal/wire"
)

const (
	queuedMax    = 8 << 20          // bytes waiting for the socket before a call waits instead
	readBuffer   = 64 << 10         // bytes; grows to the largest frame while one arrives
	writeTimeout = 10 * time.Second // a node that reads nothing for so long is given up
	silenceMax   = time.Second      // a node that says nothing for so long while it owes an answer is given up
)

// conn is one connection, shared by all calls to a node. Two goroutines serve it: one reads, one writes.
//
//	call ─► queued ─┐                 ┌─► pending[id] ─► call
//	call ─► queued ─┴─► one write ··· ┴─ one read
//
// What is queued while a write is under way goes out in the next, so batches grow with the load by themselves.
// Ids are never used twice on a connection: an answer that comes after its call has gone finds nobody.
type conn struct {
	net    net.Conn
	addr   string
	hello  wire.Hello // the node's
	limits wire.Limits
	slots  chan struct{} // one for each call between queue and answer
	wake   chan struct{} // something is queued
	closed chan struct{}
	heard  atomic.Int64 // when the last bytes came, nanoseconds since epoch

	mu      sync.Mutex
	queued  []byte
	drained chan struct{} // closed, and made anew, whenever queued goes out
	pending map[uint64]*call
	last    uint64 // the greatest id queued
	sent    uint64 // the greatest id given to the socket
	err     error  // why it ended
}

// lostError says that a connection ended before the answer came.
type lostError struct {
	cause error
	sent  bool // the request may have arrived
}

func (e *lostError) Error() string { return e.cause.Error() }

// errTimeUp is the cause when the call's own time limit passed.
var errTimeUp = errors.New("time is up")

// epoch anchors heard on the monotonic clock.
var epoch = time.Now()

func newConn(nc net.Conn, addr string, hello wire.Hello, o *options) *conn {
	return &conn{
		net: nc, addr: addr, hello: hello, limits: o.limits,
		slots: make(chan struct{}, o.inFlight), wake: make(chan struct{}, 1), closed: make(chan struct{}),
		drained: make(chan struct{}), pending: map[uint64]*call{},
	}
}

func (c *conn) alive() bool {
	select {
	case <-c.closed:
		return false
	default:
		return true
	}
}

// roundTrip sends k's request and waits for its answer, which is in k.response if there is no error. The caller has
// started k.timer. Every error is a *lostError, or the node's.
func (c *conn) roundTrip(ctx context.Context, k *call) error {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return &lostError{cause: ctx.Err()}
	case <-k.timer.C:
		return &lostError{cause: errTimeUp}
	case <-c.closed:
		return &lostError{cause: c.cause()}
	}
	defer func() { <-c.slots }()
	began := time.Since(epoch)
	if err := c.enqueue(ctx, k); err != nil {
		return err
	}
	var cause error
	select {
	case <-k.done:
		return k.failed
	case <-ctx.Done():
		cause = ctx.Err()
	case <-k.timer.C:
		cause = errTimeUp
	}
	if !c.withdraw(k.request.ID) {
		<-k.done // the answer was faster after all
		return k.failed
	}
	silent := time.Since(epoch) - max(began, time.Duration(c.heard.Load()))
	if cause == errTimeUp && silent >= silenceMax {
		c.fail(fmt.Errorf("no word from the node for %v", silent.Round(time.Millisecond)))
	}
	return &lostError{cause: cause, sent: true}
}

// enqueue gives the request an id and appends it to what goes out next.
func (c *conn) enqueue(ctx context.Context, k *call) error {
	c.mu.Lock()
	for len(c.queued) > queuedMax && c.err == nil {
		drained := c.drained
		c.mu.Unlock()
		select {
		case <-drained:
		case <-c.closed:
		case <-ctx.Done():
			return &lostError{cause: ctx.Err()}
		case <-k.timer.C:
			return &lostError{cause: errTimeUp}
		}
		c.mu.Lock()
	}
	if c.err != nil {
		err := c.err
		c.mu.Unlock()
		return &lostError{cause: err}
	}
	c.last++
	k.request.ID = c.last
	c.queued = wire.AppendRequest(c.queued, &k.request)
	c.pending[c.last] = k
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default: // it will find this too
	}
	return nil
}

// withdraw takes the call off pending; false if its answer has been taken, or is about to be.
func (c *conn) withdraw(id uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, waiting := c.pending[id]
	delete(c.pending, id)
	return waiting
}

// write sends what is queued until the connection ends. Two buffers take turns: one fills while the other is written.
func (c *conn) write() {
	var buf []byte
	for {
		select {
		case <-c.wake:
		case <-c.closed:
			return
		}
		for {
			c.mu.Lock()
			if len(c.queued) == 0 || c.err != nil {
				c.mu.Unlock()
				break
			}
			if cap(buf) > queuedMax { // one large value should not be held for ever
				buf = nil
			}
			buf, c.queued = c.queued, buf[:0]
			c.sent = c.last
			close(c.drained)
			c.drained = make(chan struct{})
			c.mu.Unlock()
			_ = c.net.SetWriteDeadline(time.Now().Add(writeTimeout))
			if _, err := c.net.Write(buf); err != nil {
				c.fail(err)
				return
			}
		}
	}
}

// read hands out answers until the connection ends. early is what came behind the node's hello.
func (c *conn) read(early []byte) {
	buf := make([]byte, max(readBuffer, len(early)))
	filled := copy(buf, early)
	var response wire.Response
	for {
		rest := buf[:filled]
		for {
			frame, next, err := wire.NextFrame(rest, &c.limits)
			if err == nil && frame != nil {
				err = wire.DecodeResponse(frame, &response, &c.limits)
			}
			if err != nil {
				c.fail(fmt.Errorf("the node sent what it must not: %w", err))
				return
			}
			if frame == nil {
				break
			}
			if !c.deliver(&response) {
				c.fail(errors.New("the node answered a call that nobody made"))
				return
			}
			rest = next
		}
		filled = copy(buf, rest)
		switch {
		case filled == len(buf):
			buf = append(buf, make([]byte, len(buf))...)
		case filled == 0 && len(buf) > queuedMax:
			buf = make([]byte, readBuffer)
		}
		n, err := c.net.Read(buf[filled:])
		c.heard.Store(int64(time.Since(epoch)))
		if err != nil {
			c.fail(err)
			return
		}
		filled += n
	}
}

// deliver hands a copy of r to its call, if it still waits; false if there never was one.
func (c *conn) deliver(r *wire.Response) bool {
	c.mu.Lock()
	k, waiting := c.pending[r.ID]
	delete(c.pending, r.ID)
	known := r.ID != 0 && r.ID <= c.sent
	c.mu.Unlock()
	if !waiting {
		return known
	}
	k.response = *r
	k.response.Value = bytes.Clone(r.Value)
	k.response.Items = make([]wire.Item, 0, len(r.Items))
	for _, it := range r.Items {
		it.Value = bytes.Clone(it.Value)
		k.response.Items = append(k.response.Items, it)
	}
	k.failed = r.AsError()
	k.response.Err = nil
	k.done <- struct{}{}
	return known
}

// fail ends the connection, and with it every call that waits. Only the first reason counts.
func (c *conn) fail(cause error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = cause
	pending := c.pending
	c.pending, c.queued = nil, nil
	close(c.closed)
	c.mu.Unlock()
	_ = c.net.Close()
	for id, k := range pending {
		k.failed = &lostError{cause: cause, sent: id <= c.sent}
		k.done <- struct{}{}
	}
}

func (c *conn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
