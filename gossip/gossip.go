package gossip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"go.uber.org/zap"
)

// Errors of a Gossip.
var (
	// ErrClosed is returned after Close, and by what cannot be done after Leave.
	ErrClosed = errors.New("gossip: left or closed: start a new one")
	// ErrOtherName is returned, wrapped, by Join when a node of a cluster of another name answered.
	ErrOtherName = errors.New("gossip: another cluster lives there")
	// ErrInUse is returned by Start when another process has the port.
	ErrInUse = errors.New("gossip: the address is in use: does another node run here? choose another port")
)

// Gossip is this node's part in the gossip. Its methods are safe for concurrent use, and those that do not
// wait for others (all but Join, Leave and Close) may be called from OnState and OnChange.
type Gossip struct {
	cfg   Config
	log   *zap.Logger
	lines *logs
	list  *memberlist.Memberlist
	addr  string
	view  *view
	inbox inbox
	count counters

	meta    atomic.Pointer[[]byte]
	refusal atomic.Pointer[error] // why NotifyMerge last refused: memberlist hands on only the text

	wake    chan struct{}      // something to hand over
	flushes chan chan struct{} // closed once all that came before has been handed over
	spread  chan struct{}      // the map has changed

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	mu     sync.Mutex
	left   bool // or leaving
	closed bool
	wg     sync.WaitGroup // what runs; grows only while not closed

	leaving sync.Mutex // held by SetCluster, Leave and Close
	own     Meta       // as told now; under leaving
}

// Start opens the port and begins to gossip, knowing nobody but itself and whoever Known lists. Errors: what
// Validate finds, ErrInUse, and what keeps an address from being used.
func Start(cfg Config) (*Gossip, error) {
	return start(cfg, func(t memberlist.NodeAwareTransport) memberlist.NodeAwareTransport {
		if cfg.Reach != nil {
			return walled{t, cfg.Reach}
		}
		return t
	})
}

// start lets tests stand between memberlist and the guard.
func start(cfg Config, wrap func(memberlist.NodeAwareTransport) memberlist.NodeAwareTransport) (*Gossip, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	meta, err := cfg.Meta.encode()
	if err != nil {
		return nil, err
	}
	log := sampled(cfg.Log)
	g := &Gossip{
		cfg: cfg, own: cfg.Meta, log: log, lines: &logs{zap: log}, view: newView(cfg.Self, cfg.Meta.ClusterID),
		wake: make(chan struct{}, 1), flushes: make(chan chan struct{}), spread: make(chan struct{}, 1),
	}
	g.meta.Store(&meta)
	g.ctx, g.cancel = context.WithCancel(context.Background())

	inner, from, port, err := g.listen()
	if err != nil {
		g.cancel()
		return nil, err
	}
	guard := newGuard(inner, from, rules{label: cfg.Cluster, keyed: len(cfg.Key) > 0}, log, &g.count)
	if err := g.create(wrap(guard), port); err != nil {
		g.cancel()
		_ = guard.Shutdown()
		return nil, err
	}
	self, _ := g.view.snapshot()
	g.addr = self[cfg.Self.Node].Addr
	g.wg.Go(g.handOver)
	g.wg.Go(g.spreadStates)
	g.wg.Go(g.rejoin)
	return g, nil
}

// listen opens the sockets, and tells what connections to others should leave from: where packets do, or nil where that is
// any address. A free TCP port need not be free for UDP, so that port 0 takes some tries.
func (g *Gossip) listen() (t *memberlist.NetTransport, from net.Addr, port int, err error) {
	ip, port, err := g.cfg.bind()
	if err != nil {
		return nil, nil, 0, fmt.Errorf("gossip: cannot listen on %q: %w", g.cfg.BindAddr, err)
	}
	if at := net.ParseIP(ip); at != nil && !at.IsUnspecified() {
		from = &net.TCPAddr{IP: at}
	}
	for try := 0; ; try++ {
		t, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
			BindAddrs: []string{ip}, BindPort: port, Logger: g.lines.logger(),
		})
		if err == nil {
			return t, from, t.GetAutoBindPort(), nil
		}
		inUse := strings.Contains(err.Error(), "address already in use") // the error itself is not wrapped
		if inUse && port == 0 && try < 10 {
			continue
		}
		if inUse {
			return nil, nil, 0, fmt.Errorf("%w (%s)", ErrInUse, g.cfg.BindAddr)
		}
		return nil, nil, 0, fmt.Errorf("gossip: cannot listen on %q: %w", g.cfg.BindAddr, err)
	}
}

func (g *Gossip) create(t memberlist.NodeAwareTransport, port int) (err error) {
	m := g.cfg.memberlist()
	if m.AdvertiseAddr, err = g.cfg.advertise(); err != nil {
		return fmt.Errorf("gossip: cannot advertise %q: %w", g.cfg.Advertise, err)
	}
	m.BindPort, m.AdvertisePort = port, port
	m.Transport = t
	m.Logger = g.lines.logger()
	d := (*delegate)(g)
	m.Delegate, m.Events, m.Alive, m.Merge, m.Conflict = d, d, d, d, d
	if g.list, err = memberlist.Create(m); err != nil {
		return fmt.Errorf("gossip: cannot start: %w", err)
	}
	return nil
}

// Addr is where this node gossips, host:port, as it tells the others.
func (g *Gossip) Addr() string { return g.addr }

// Alive is who is alive now, this node included; the caller owns it. OnChange may not have been told yet.
func (g *Gossip) Alive() Alive {
	a, _ := g.view.snapshot()
	return a
}

// Broadcast sends the state to every node alive, soon and over TCP. Calls in between merge into one round;
// whoever is missed gets the state with a later exchange.
func (g *Gossip) Broadcast() { signal(g.spread) }

// SetCluster makes known that this node has joined cluster id and holds its map. It returns *ClusterError for
// another cluster than the one already met.
func (g *Gossip) SetCluster(id uint64) error {
	g.leaving.Lock() // memberlist knows nothing of a node some time after it left
	defer g.leaving.Unlock()
	if g.over() {
		return ErrClosed
	}
	if err := g.view.belong(id); err != nil {
		return err
	}
	g.own.ClusterID = id
	meta, err := g.own.encode()
	if err != nil {
		return err
	}
	g.meta.Store(&meta)
	_ = g.list.UpdateNode(1) // queued at once; the error only says that nobody waited until it was sent
	return nil
}

// leaveMax bounds a Leave whose context has no deadline.
const leaveMax = 5 * time.Second

// Leave tells the others that this node goes, so that they need not suspect it first, and returns once that is
// on its way, or with an error at ctx's deadline. Close comes next; a node that returns is a new Gossip.
func (g *Gossip) Leave(ctx context.Context) error {
	g.leaving.Lock()
	defer g.leaving.Unlock()
	timeout := leaveMax
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(end))
	}
	if err := ctx.Err(); err != nil || timeout <= 0 { // to memberlist 0 is for ever
		return fmt.Errorf("gossip: leave: %w", cmp.Or(err, context.DeadlineExceeded))
	}
	g.mu.Lock()
	closed := g.closed
	g.left = true
	g.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if err := g.list.Leave(timeout); err != nil {
		return fmt.Errorf("gossip: leave: %w", err)
	}
	return nil
}

// Close stops at once, which the others take for a crash unless Leave came first, and returns when OnState,
// OnChange and Known will not be called any more. A second Close does nothing.
func (g *Gossip) Close() {
	g.shutDown()
	g.wg.Wait()
}

func (g *Gossip) shutDown() {
	g.leaving.Lock() // memberlist panics when told to leave after its shutdown
	defer g.leaving.Unlock()
	g.mu.Lock()
	closed := g.closed
	g.closed = true
	g.mu.Unlock()
	if closed {
		return
	}
	g.cancel()
	g.lines.closed.Store(true)
	_ = g.list.Shutdown() // always nil
}

// over reports whether this node has left or closed.
func (g *Gossip) over() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.left || g.closed
}

// begin runs do beside the others, unless this node has left or closed.
func (g *Gossip) begin(do func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left || g.closed {
		return false
	}
	g.wg.Go(do)
	return true
}

// handOver is the one goroutine that calls OnState and OnChange.
func (g *Gossip) handOver() {
	var told uint64
	for {
		var flushed chan struct{}
		select {
		case <-g.wake:
		case flushed = <-g.flushes:
		case <-g.ctx.Done():
			return
		}
		for _, s := range g.inbox.take() {
			if g.cfg.OnState == nil || g.ctx.Err() != nil {
				break
			}
			if err := g.cfg.OnState(s.from, s.body); err != nil {
				g.count.refusedStates.Add(1)
				g.log.Warn("refused a node's map", zap.Stringer("from", s.from), zap.Error(err))
			}
		}
		if alive, changes := g.view.snapshot(); changes != told && g.ctx.Err() == nil {
			told = changes
			if g.cfg.OnChange != nil {
				g.cfg.OnChange(alive)
			}
		}
		if flushed != nil {
			close(flushed)
		}
	}
}
