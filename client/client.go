package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// grace is how much longer than the node a call waits: the node's own answer says more than a time limit here.
const grace = 100 * time.Millisecond

// Client asks a cluster. It learns who is in it from the nodes it was given, and asks the owners of a key themselves.
// Its methods may be called from any number of goroutines.
type Client struct {
	verbs
	options   options
	seeds     []*link // in the order of the addresses given
	routes    atomic.Pointer[routes]
	session   uint64        // tells this client's requests from all others
	serials   atomic.Uint64 // given to requests that must not be carried out twice
	preferred atomic.Uint32 // index of the link in routes that takes what concerns no key
	cluster   atomic.Uint64 // id of the cluster, once a node has said it
	near      site
	retries   budget
	hedges    budget
	latency   quantile // of gets
	counts    counts
	keeper    keeper
	life      context.Context
	end       context.CancelFunc

	mu     sync.Mutex
	links  map[string]*link // by address, all there are
	news   chan struct{}    // closed, and made anew, when an attempt to connect ends
	closed bool
	tasks  sync.WaitGroup
}

var _ KV = (*Client)(nil)

// Dial connects to the first of addrs (host:port) that answers. The others are for when it fails; the rest of the cluster,
// and all connections but the first, come in the background. The context bounds Dial only. Where no address answers,
// errors.As finds a *ConnectError.
func Dial(ctx context.Context, addrs []string, opts ...Option) (*Client, error) {
	if len(addrs) == 0 {
		return nil, errors.New("client: no address given: name at least one node, as host:port")
	}
	c := &Client{options: defaultOptions(), links: map[string]*link{}, news: make(chan struct{}), session: rand.Uint64() | 1}
	for _, set := range opts {
		set(&c.options)
	}
	c.verbs = verbs{backend: c, defaults: c.options.calls, limits: c.options.limits, hook: c.options.hooks.Batch}
	c.near = c.options.site
	c.retries, c.hedges = newBudget(retryShare, retryBurst), newBudget(hedgeShare, hedgeBurst)
	c.keeper.poke = make(chan struct{}, 1)
	c.life, c.end = context.WithCancel(context.Background())
	for _, addr := range addrs {
		if c.links[addr] == nil {
			c.links[addr] = newLink(c, addr, true)
			c.seeds = append(c.seeds, c.links[addr])
		}
	}
	c.routes.Store(&routes{links: c.seeds})
	if err := c.first(ctx); err != nil {
		c.Close()
		return nil, err
	}
	if c.options.routing {
		c.spawn(c.keep)
	}
	return c, nil
}

// first connects to the first seed that answers.
func (c *Client) first(ctx context.Context) error {
	var failed unreachable
	for i, l := range c.seeds {
		a, err := l.join(&l.lanes[0])
		if err != nil {
			return err
		}
		select {
		case <-a.done:
			err = a.err
		case <-ctx.Done(): // which says neither what failed nor where
			err = &ConnectError{Addr: l.addr, Reason: "no connection within the time given: " + ctx.Err().Error(), Err: ctx.Err()}
		}
		if err == nil {
			c.preferred.Store(uint32(i))
			return nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return failed
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

// link returns the link to addr, making one if there is none. It stays until the map moves its node away, or for ever if
// it was asked for by name.
func (c *Client) link(addr string) *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.links[addr]
	if l == nil {
		l = newLink(c, addr, false)
		c.links[addr] = l
	}
	return l
}

// connected is told how an attempt to connect ended.
func (c *Client) connected(l *link, cn *conn, err error) {
	c.counts.dials.Add(1)
	if c.life.Err() != nil {
		return
	}
	if err != nil {
		c.counts.dialsFailed.Add(1)
		c.options.log.Warn("cannot connect to a node", slog.String("addr", l.addr), slog.Any("error", err))
		if !l.seed { // perhaps the map's addresses are not for us, and the seeds are other nodes' doors
			for _, s := range c.seeds {
				_ = s.ready()
			}
		}
		return
	}
	c.options.log.Debug("connected", slog.String("addr", l.addr), slog.String("node", cn.hello.Name))
	before := l.node.Swap(cn.hello.Node)
	if l.seed && before != cn.hello.Node {
		c.keeper.stale.Store(true)
		c.keeper.wake()
	}
	if cn.hello.MapHash != c.routes.Load().hash {
		c.keeper.wake()
	}
}

// announce wakes the calls that wait for any connection.
func (c *Client) announce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.news)
	c.news = make(chan struct{})
}

// lost is told that a connection ended.
func (c *Client) lost(l *link, cause error) {
	if c.life.Err() != nil || errors.Is(cause, errRetired) {
		return
	}
	c.counts.connsLost.Add(1)
	c.options.log.Warn("lost the connection to a node", slog.String("addr", l.addr), slog.Any("error", cause))
	c.keeper.wake()
}

// interrupted says that a call ended without an answer; Close is the reason of what it broke off.
func (c *Client) interrupted(op wire.Op, addr string, unsure bool, cause error) *InterruptedError {
	if c.life.Err() != nil {
		cause = ErrClosed
	}
	return &InterruptedError{Op: op, Addr: addr, Indeterminate: unsure, Err: cause}
}

// timeUp says that a call ran into its own time limit.
func timeUp(k *call, addr string, unsure bool) error {
	return &TimeoutError{Op: k.request.Op, Text: fmt.Sprintf("no answer from %s within %v", addr, k.options.timeout), Indeterminate: unsure}
}
