package client

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// How long an address rests after it failed: doubled each time, at random between half and all of it.
const (
	restMin = 50 * time.Millisecond
	restMax = 2 * time.Second
)

// errRetired ends the connections to an address that the cluster's map no longer has.
var errRetired = errors.New("the node left the cluster or moved to another address")

// link is one address and the connections to it, made when they are first needed and again when they broke. No call waits
// for a link while another one can take it: an address that is gone costs nothing but an attempt now and then.
type link struct {
	client *Client
	addr   string
	seed   bool // given to Dial
	lanes  []lane
	turn   atomic.Uint32
	rested atomic.Int64  // when its rest ends, since epoch; 0: it does not rest
	node   atomic.Uint64 // who answered there last; 0: nobody yet
	asked  atomic.Bool   // for by name: it stays, whatever the map says

	mu       sync.Mutex
	failures int  // in a row, since an answer came
	retired  bool // nothing leads here any more
}

// lane is one connection of a link. All calls that need it wait for the same attempt, which none of them can cancel for
// the others.
type lane struct {
	conn    atomic.Pointer[conn]
	attempt *attempt // under way; under link.mu
}

// attempt is one try to connect; conn or err is set before done closes.
type attempt struct {
	done chan struct{}
	conn *conn
	err  error
}

func newLink(c *Client, addr string, seed bool) *link {
	return &link{client: c, addr: addr, seed: seed, lanes: make([]lane, c.options.conns)}
}

// ready returns a connection that can be used at once, or nil where there is none or the link rests. A lane that has none
// gets one in the background, for the calls to come.
func (l *link) ready() *conn {
	if l.resting() {
		return nil
	}
	at := 0
	if len(l.lanes) > 1 {
		at = int(l.turn.Add(1) % uint32(len(l.lanes)))
	}
	for i := range l.lanes {
		n := &l.lanes[(at+i)%len(l.lanes)]
		if c := n.conn.Load(); c != nil && c.alive.Load() {
			return c
		}
		_, _ = l.join(n)
	}
	return nil
}

// connected returns a connection even while the link rests: the last resort.
func (l *link) connected() *conn {
	for i := range l.lanes {
		if c := l.lanes[i].conn.Load(); c != nil && c.alive.Load() {
			return c
		}
	}
	return nil
}

// resting reports whether other addresses should be tried first.
func (l *link) resting() bool {
	until := l.rested.Load()
	if until == 0 {
		return false
	}
	if int64(sinceEpoch()) < until {
		return true
	}
	l.rested.CompareAndSwap(until, 0)
	return false
}

// rest keeps calls away for a while.
func (l *link) rest(failures int) {
	d := min(restMin<<min(failures, 10), restMax)
	l.rested.Store(int64(sinceEpoch() + d/2 + rand.N(d/2)))
}

// join returns the attempt under way on a lane, or begins one.
func (l *link) join(n *lane) (*attempt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case n.attempt != nil:
		return n.attempt, nil
	case l.retired:
		return nil, &ConnectError{Addr: l.addr, Reason: "it is not of the cluster any more"}
	}
	a := &attempt{done: make(chan struct{})}
	if c := n.conn.Load(); c != nil && c.alive.Load() {
		a.conn = c
		close(a.done)
		return a, nil
	}
	if !l.client.spawn(func() { l.dial(n, a) }) {
		return nil, ErrClosed
	}
	n.attempt = a
	return a, nil
}

func (l *link) dial(n *lane, a *attempt) {
	a.conn, a.err = l.client.connect(l)
	l.mu.Lock()
	if a.err != nil {
		l.rest(l.failures)
		l.failures++
	} else {
		n.conn.Store(a.conn)
		if a.conn.alive.Load() { // else it is lost already, and keeps the rest that this earns
			l.rested.Store(0)
		}
	}
	n.attempt = nil
	orphaned := l.retired && a.err == nil
	l.mu.Unlock()
	if orphaned {
		a.conn.fail(errRetired)
	}
	l.client.connected(l, a.conn, a.err)
	close(a.done)
	l.client.announce()
}

// healthy is told that a connection brought its first answer: only that proves more than a listening socket.
func (l *link) healthy() {
	l.mu.Lock()
	l.failures = 0
	l.mu.Unlock()
}

// lost is told that a connection ended. One that never brought an answer counts as a failed attempt.
func (l *link) lost(c *conn, cause error) {
	if !c.answered.Load() {
		l.mu.Lock()
		l.rest(l.failures)
		l.failures++
		l.mu.Unlock()
	}
	l.client.lost(l, cause)
}

// retire lets no new connection begin and closes those on which no call waits; true when none is left.
func (l *link) retire() bool {
	l.mu.Lock()
	l.retired = true
	l.mu.Unlock()
	gone := true
	for i := range l.lanes {
		if c := l.lanes[i].conn.Load(); c != nil && c.alive.Load() && !c.failIdle(errRetired) {
			gone = false
		}
	}
	return gone
}
