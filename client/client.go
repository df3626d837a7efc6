package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// grace is how much longer than the node a call waits: the node's own answer says more than a time limit here.
const grace = 100 * time.Millisecond

// Client is a connection to a cluster through any of its nodes. Its methods may be called from any number of
// goroutines.
type Client struct {
	verbs
	options   options
	links     []*link       // in the order of the addresses given
	preferred atomic.Uint32 // index of the link that calls try first
	cluster   atomic.Uint64 // id of the cluster, once a node has said it
	life      context.Context
	end       context.CancelFunc

	mu     sync.Mutex
	others map[string]*link // addresses that Stats was asked for
	closed bool
	tasks  sync.WaitGroup
}

var _ KV = (*Client)(nil)

// Dial connects to the first of addrs (host:port) that answers and keeps the others for when it fails. The context bounds Dial
// only. Where no address answers, errors.As finds a *ConnectError.
func Dial(ctx context.Context, addrs []string, opts ...Option) (*Client, error) {
	if len(addrs) == 0 {
		return nil, errors.New("client: no address given: name at least one node, as host:port")
	}
	c := &Client{
		options: options{
			dialTimeout: DefaultDialTimeout, inFlight: DefaultInFlight, limits: wire.DefaultLimits(),
			calls: callOptions{timeout: DefaultTimeout},
		},
		others: map[string]*link{},
	}
	for _, set := range opts {
		set(&c.options)
	}
	c.verbs = verbs{backend: c, defaults: c.options.calls, limits: c.options.limits}
	c.life, c.end = context.WithCancel(context.Background())
	var failed unreachable
	for _, addr := range addrs {
		c.links = append(c.links, &link{client: c, addr: addr})
	}
	for i, l := range c.links {
		_, err := l.get(ctx, nil)
		if err == nil {
			c.preferred.Store(uint32(i))
			return c, nil
		}
		if err == ctx.Err() { // which says neither what failed nor where
			err = &ConnectError{Addr: l.addr, Reason: "no connection within the time given: " + err.Error(), Err: err}
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	c.Close()
	return nil, failed
}

// Close ends every connection and every call under way, and returns when nothing of the client runs any more.
// Closing again does nothing.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.tasks.Wait()
}

// spawn runs f in a goroutine that Close waits for; false once the client is closed.
func (c *Client) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.tasks.Go(f)
	return true
}

// prepare completes a call, whose time runs from here.
func (c *Client) prepare(ctx context.Context, k *call) error {
	switch {
	case c.life.Err() != nil:
		return ErrClosed
	case ctx.Err() != nil:
		return &InterruptedError{Op: k.request.Op, Addr: c.first().addr, Err: ctx.Err()}
	}
	k.fill(ctx)
	k.timer.Reset(k.options.timeout + grace)
	return nil
}

// do sends k to the preferred node, and to the next ones as long as it certainly did not arrive (reads: was not
// answered).
func (c *Client) do(ctx context.Context, k *call) error {
	if err := c.prepare(ctx, k); err != nil {
		return err
	}
	var failed unreachable
	var resting []*link
	begin := int(c.preferred.Load())
	for i := range c.links {
		at := (begin + i) % len(c.links)
		l := c.links[at]
		if l.resting() {
			resting = append(resting, l)
			continue
		}
		again, err := c.try(ctx, l, k)
		if !again {
			c.preferred.Store(uint32(at))
			return err
		}
		failed = append(failed, err)
	}
	for _, l := range resting {
		again, err := c.try(ctx, l, k)
		if !again {
			return err
		}
		failed = append(failed, err)
	}
	return failed
}

// doAll carries out calls side by side.
func (c *Client) doAll(ctx context.Context, ks []*call) {
	each(ks, func(k *call) { k.err = c.do(ctx, k) })
}

// split leaves the keys together.
func (c *Client) split(keys []string) [][]int { return [][]int{indexes(len(keys))} }

// try makes one attempt at one node; again says that another node may be tried safely.
func (c *Client) try(ctx context.Context, l *link, k *call) (again bool, err error) {
	op := k.request.Op
	cn, err := l.get(ctx, k.timer.C)
	if err != nil {
		var connect *ConnectError
		if errors.As(err, &connect) {
			return !errors.Is(err, errTimeUp), err
		}
		return false, c.ended(&InterruptedError{Op: op, Addr: l.addr, Err: err})
	}
	err = cn.roundTrip(ctx, k)
	var lost *lostError
	var notReady *NotReadyError
	switch {
	case err == nil:
		return false, nil
	case errors.As(err, &notReady):
		return true, err
	case !errors.As(err, &lost):
		return false, err
	}
	unsure := lost.sent && op.Writes()
	if lost.cause == errTimeUp {
		return false, &TimeoutError{Op: op, Text: fmt.Sprintf("no answer from %s within %v", l.addr, k.options.timeout), Indeterminate: unsure}
	}
	again = !unsure && ctx.Err() == nil && c.life.Err() == nil
	return again, c.ended(&InterruptedError{Op: op, Addr: l.addr, Indeterminate: unsure, Err: lost.cause})
}

// ended makes Close the reason of what it broke off.
func (c *Client) ended(e *InterruptedError) error {
	if c.life.Err() != nil {
		e.Err = ErrClosed
	}
	return e
}

func (c *Client) first() *link { return c.links[c.preferred.Load()] }
