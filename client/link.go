package client

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// How long an address rests after it could not be reached: doubled each time, at random between half and all of it.
const (
	restMin = 50 * time.Millisecond
	restMax = 2 * time.Second
)

// link is one address and the connection to it, made when it is first needed and again when it broke. All calls
// that find none wait for the same attempt, which none of them can cancel for the others.
type link struct {
	client *Client
	addr   string
	conn   atomic.Pointer[conn]

	mu       sync.Mutex
	attempt  *attempt // under way
	failures int      // in a row
	rested   time.Time
}

type attempt struct {
	done chan struct{}
	conn *conn
	err  error
}

// get returns the connection, making one if need be. Errors are *ConnectError, or ErrClosed, or what ended the
// context; nothing has been sent then.
func (l *link) get(ctx context.Context, timeUp <-chan time.Time) (*conn, error) {
	if c := l.conn.Load(); c != nil && c.alive() {
		return c, nil
	}
	a, err := l.join()
	if err != nil {
		return nil, err
	}
	select {
	case <-a.done:
		return a.conn, a.err
	case <-timeUp:
		return nil, &ConnectError{Addr: l.addr, Reason: "no connection within the call's time limit", Err: errTimeUp}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// join returns the attempt under way, or begins one.
func (l *link) join() (*attempt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.attempt != nil {
		return l.attempt, nil
	}
	if c := l.conn.Load(); c != nil && c.alive() {
		a := &attempt{done: make(chan struct{}), conn: c}
		close(a.done)
		return a, nil
	}
	a := &attempt{done: make(chan struct{})}
	if !l.client.spawn(func() { l.dial(a) }) {
		return nil, ErrClosed
	}
	l.attempt = a
	return a, nil
}

func (l *link) dial(a *attempt) {
	a.conn, a.err = l.client.connect(l.addr)
	l.mu.Lock()
	if a.err != nil {
		rest := min(restMin<<min(l.failures, 10), restMax)
		l.rested = time.Now().Add(rest/2 + rand.N(rest/2))
		l.failures++
	} else {
		l.conn.Store(a.conn)
		l.failures, l.rested = 0, time.Time{}
	}
	l.attempt = nil
	l.mu.Unlock()
	close(a.done)
}

// resting reports whether other addresses should be tried first.
func (l *link) resting() bool {
	if c := l.conn.Load(); c != nil && c.alive() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.rested)
}
