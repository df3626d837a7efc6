package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoalcache/shoal/wire"
)

const (
	queuedMax    = 8 << 20                // bytes waiting for the socket before a call waits instead
	bufferKept   = 256 << 10              // the largest buffer that an idle connection keeps
	readBuffer   = 64 << 10               // bytes; grows to the largest frame while one arrives
	pieceMax     = 1 << 20                // bytes of one write: that they went out is a sign of life
	writeTimeout = 10 * time.Second       // a node that reads nothing for so long is given up
	quietMax     = 100 * time.Millisecond // a node that owes answers and says nothing for so long is probed
	probeFactor  = 15                     // and given up when it says nothing for so many times that after it: a busy machine is no dead one
)

// conn is one connection, shared by all calls to a node. Two goroutines serve it: one reads, one writes.
//
//	call ─► queued ─┐                 ┌─► pending[id] ─► call
//	call ─► queued ─┴─► one write ··· ┴─ one read
//
// What is queued while a write is under way goes out in the next, so batches grow with the load by themselves.
// Ids are never used twice on a connection: an answer that comes after its call has gone finds nobody.
type conn struct {
	net      net.Conn
	link     *link
	hello    wire.Hello // the node's
	limits   wire.Limits
	inFlight int
	quiet    time.Duration // quietMax, but in tests
	wake     chan struct{} // something is queued and nobody writes
	closed   chan struct{}
	alive    atomic.Bool
	heard    atomic.Int64 // the last sign of life, nanoseconds since epoch
	answered atomic.Bool  // a request, ever

	mu      sync.Mutex
	queued  []byte
	pending map[uint64]*flight
	room    chan struct{} // made by a call that waits for room, closed when there is some
	writing bool
	gone    flight        // in pending for all that were withdrawn: the node still has them
	probe   flight        // the request that asks whether anybody is there
	probed  time.Duration // when it was queued; 0: there is none
	last    uint64        // the greatest id queued
	sent    uint64        // the greatest id given to the socket
	err     error         // why it ended
}

// lostError says that a request ended without an answer.
type lostError struct {
	cause error
	sent  bool // it may have arrived
}

func (e *lostError) Error() string { return e.cause.Error() }

func newConn(nc net.Conn, l *link, hello wire.Hello) *conn {
	o := &l.client.options
	c := &conn{
		net: nc, link: l, hello: hello, limits: o.limits, inFlight: o.inFlight, quiet: o.quiet,
		wake: make(chan struct{}, 1), closed: make(chan struct{}), pending: map[uint64]*flight{},
	}
	c.alive.Store(true)
	c.heard.Store(int64(sinceEpoch()))
	return c
}

// start sends the call as f. An error is a *lostError, and f has not begun; without one f ends by k.done.
func (c *conn) start(ctx context.Context, k *call, f *flight, now time.Duration) error {
	c.mu.Lock()
	for c.full() && c.err == nil {
		if err := c.await(ctx, k); err != nil {
			return &lostError{cause: err}
		}
	}
	if c.err != nil {
		err := c.err
		c.mu.Unlock()
		return &lostError{cause: err}
	}
	wake := c.launch(k, f, now)
	c.mu.Unlock()
	if wake {
		c.wake <- struct{}{} // has room: there is one token for each time that nobody writes
	}
	return nil
}

// offer is start for a hedge: false instead of waiting for room.
func (c *conn) offer(k *call, f *flight, now time.Duration) bool {
	c.mu.Lock()
	if c.err != nil || c.full() {
		c.mu.Unlock()
		return false
	}
	wake := c.launch(k, f, now)
	c.mu.Unlock()
	if wake {
		c.wake <- struct{}{}
	}
	return true
}

func (c *conn) launch(k *call, f *flight, now time.Duration) (wake bool) {
	f.conn, f.began, f.flying = c, now, true
	k.flying++
	return c.queue(&k.request, f)
}

func (c *conn) full() bool { return len(c.queued) > queuedMax || len(c.pending) >= c.inFlight }

// await waits until there may be room, or returns why the call cannot wait longer. It holds c.mu before and, unless it
// fails, after. It looks after the connection as those do who wait for answers: perhaps none of them is left.
func (c *conn) await(ctx context.Context, k *call) error {
	if c.room == nil {
		c.room = make(chan struct{})
	}
	room := c.room
	c.mu.Unlock()
	k.timer.Reset(min(k.limit-sinceEpoch(), c.quiet/2))
	select {
	case <-room:
	case <-c.closed:
	case <-ctx.Done():
		return ctx.Err()
	case <-k.timer.C:
		now := sinceEpoch()
		if now >= k.limit {
			return errTimeUp
		}
		c.suspect(now)
	}
	c.mu.Lock()
	return nil
}

// queue gives a request its id and appends it to what goes out next; true if the writer must be woken.
func (c *conn) queue(q *wire.Request, f *flight) bool {
	c.last++
	q.ID, f.id = c.last, c.last
	c.queued = wire.AppendRequest(c.queued, q)
	c.pending[f.id] = f
	wake := !c.writing
	c.writing = true
	return wake
}

// roomy lets those in that wait for room. Not at the first place: they would all come for it.
func (c *conn) roomy() {
	if c.room != nil && len(c.queued) <= queuedMax && len(c.pending) <= c.inFlight-c.inFlight/4-1 {
		close(c.room)
		c.room = nil
	}
}

// withdraw takes a flight back; false if it has ended, and call.done has it or is about to. Its place is free only when the
// answer has come: until then the node counts it, and what is too much for the node keeps it from reading even a ping.
func (c *conn) withdraw(f *flight) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, waiting := c.pending[f.id]
	if waiting {
		c.pending[f.id] = &c.gone
	}
	return waiting
}

// suspect is told that a call has been waiting. A node that said nothing meanwhile is asked whether it is there, which
// any node answers at once whatever else it waits for. While it does not, new calls go elsewhere; in the end those under
// way do, too.
func (c *conn) suspect(now time.Duration) {
	heard := time.Duration(c.heard.Load())
	if now-heard < c.quiet {
		return
	}
	c.mu.Lock()
	wake, probed := false, c.probed
	if c.err == nil && probed == 0 {
		c.probed, c.probe = now, flight{conn: c, began: now}
		wake = c.queue(&wire.Request{Op: wire.OpPing, Timeout: uint32(millis(probeFactor * quietMax))}, &c.probe)
	}
	c.mu.Unlock()
	if wake {
		c.wake <- struct{}{}
	}
	switch silent := now - max(heard, probed); {
	case probed == 0 || silent < c.quiet:
	case silent < probeFactor*c.quiet:
		c.link.rest(0)
	default:
		c.fail(fmt.Errorf("no word from the node for %v", (now - heard).Round(time.Millisecond)))
	}
}

// write sends what is queued until the connection ends. Two buffers take turns: one fills while the other is written.
func (c *conn) write() {
	var buf []byte
	var armed time.Duration // when the deadline was set last: to move it costs, so it moves now and then
	for {
		select {
		case <-c.wake:
		case <-c.closed:
			return
		}
		// Those whose answers came with one read ask again at about the same time: let them, and send it all at once.
		runtime.Gosched()
		for {
			c.mu.Lock()
			if len(c.queued) == 0 || c.err != nil {
				c.writing = false
				c.mu.Unlock()
				break
			}
			if cap(buf) > bufferKept {
				buf = nil
			}
			buf, c.queued = c.queued, buf[:0]
			c.sent = c.last
			c.roomy()
			c.mu.Unlock()
			for rest := buf; len(rest) > 0; {
				now := sinceEpoch()
				if armed == 0 || now-armed > writeTimeout/4 {
					armed = now
					_ = c.net.SetWriteDeadline(time.Now().Add(writeTimeout))
				}
				piece := rest[:min(len(rest), pieceMax)]
				if _, err := c.net.Write(piece); err != nil {
					c.fail(err)
					return
				}
				if rest = rest[len(piece):]; len(rest) > 0 {
					c.heard.Store(int64(sinceEpoch()))
				}
			}
		}
	}
}

// read hands out answers until the connection ends. early is what came behind the node's hello.
func (c *conn) read(early []byte) {
	buf := make([]byte, max(readBuffer, len(early)))
	filled := copy(buf, early)
	var response wire.Response
	now := sinceEpoch()
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
			if !c.deliver(&response, now) {
				c.fail(errors.New("the node answered a call that nobody made"))
				return
			}
			rest = next
		}
		if len(rest) < filled { // or a large frame would be copied onto itself at every read of it
			filled = copy(buf, rest)
		}
		switch {
		case filled == len(buf):
			buf = append(buf, make([]byte, len(buf))...)
		case filled == 0 && len(buf) > bufferKept:
			buf = make([]byte, readBuffer)
			response = wire.Response{}
		}
		n, err := c.net.Read(buf[filled:])
		now = sinceEpoch()
		c.heard.Store(int64(now))
		if err != nil {
			c.fail(err)
			return
		}
		filled += n
	}
}

// deliver hands a copy of r to its call, if it still waits; false if there never was one.
func (c *conn) deliver(r *wire.Response, now time.Duration) bool {
	c.mu.Lock()
	f := c.pending[r.ID]
	delete(c.pending, r.ID)
	known := r.ID != 0 && r.ID <= c.sent
	if f == &c.probe {
		c.probed, f = 0, nil
	}
	c.roomy()
	c.mu.Unlock()
	if !c.answered.Load() {
		c.answered.Store(true)
		c.link.healthy()
	}
	if f == nil || f.call == nil {
		return known
	}
	if r.Status < wire.StatusBadRequest && f.call.request.Op == wire.OpGet {
		c.link.client.latency.observe(now - f.began)
	}
	f.response = *r
	f.response.Value, f.response.Context = bytes.Clone(r.Value), bytes.Clone(r.Context)
	f.response.Items = nil
	if len(r.Items) > 0 {
		f.response.Items = make([]wire.Item, len(r.Items))
	}
	for i, it := range r.Items {
		it.Value = bytes.Clone(it.Value)
		f.response.Items[i] = it
	}
	f.err = r.AsError()
	f.response.Err = nil
	f.call.done <- f
	return known
}

// failIdle ends the connection if no call waits on it.
func (c *conn) failIdle(cause error) bool {
	c.mu.Lock()
	idle := true
	for _, f := range c.pending {
		idle = idle && f.call == nil
	}
	c.mu.Unlock()
	if idle { // whoever comes in between has sent nothing
		c.fail(cause)
	}
	return idle
}

// fail ends the connection, and with it every call that waits. Only the first reason counts.
func (c *conn) fail(cause error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = cause
	c.alive.Store(false)
	pending := c.pending
	c.pending, c.queued = nil, nil
	close(c.closed)
	c.mu.Unlock()
	_ = c.net.Close()
	c.link.lost(c, cause)
	for id, f := range pending {
		if f.call != nil {
			f.err = &lostError{cause: cause, sent: id <= c.sent}
			f.call.done <- f
		}
	}
}
