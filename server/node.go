package server

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"go.uber.org/zap"

	"github.com/shoalcache/shoal/datadir"
	"github.com/shoalcache/shoal/gossip"
	"github.com/shoalcache/shoal/internal/arena"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// hash is the cluster's: placement and ghosts must agree on every node.
func hash(b []byte) uint64 { return xxhash.Sum64(b) }

// Node is one running node. Its methods are safe for concurrent use.
type Node struct {
	cfg   Config
	log   *zap.Logger
	clock clock
	dir   *datadir.Dir
	self  vclock.Actor
	meter meter

	ctx    context.Context // ends when the node stops
	cancel context.CancelCauseFunc
	done   chan struct{}
	wg     sync.WaitGroup
	stop   sync.Once

	clients, redis, peers, admin net.Listener
	clientsMax                   int
	gossip                       *gossip.Gossip
	arena                        *arena.Arena // of the stores; nil: there are none yet

	shards []shard
	view   atomic.Pointer[replica.View]
	frame  atomic.Pointer[[]byte] // the map as a message, ready to send
	bytes  atomic.Pointer[[]byte] // the map as gossip carries it

	respSlots atomic.Pointer[slotMap]

	mu    sync.Mutex // of what follows: who is there. Taken before a shard's or a link's, never after
	core  *replica.Node
	me    ring.Node // what the map should say of this node
	alive gossip.Alive
	in    map[uint64]*incoming

	linksMu sync.RWMutex
	links   map[uint64]*link

	callersMu  sync.RWMutex
	callers    map[uint64]caller
	lastCaller uint64

	ceilingMu sync.Mutex
	ceiling   vclock.Stamp // on disk
	wanted    vclock.Stamp
	raise     chan struct{}
	heard     atomic.Bool // others have told what they know of this node: from now on it tells them of itself
	readonly  atomic.Bool // the disk took no ceiling when it was last asked: no write is stored, at the latest once the last one is passed

	hintLog *datadir.HintLog       // nil: there is none
	logged  atomic.Pointer[logged] // as it stood when it last came round

	inside  *embedded    // the program's own calls
	opening atomic.Int64 // connections that have not said hello yet
	changes atomic.Int64 // of namespaces under way
	counts  counts

	large sync.Mutex // one large write at a time looks for room on the links

	unread, queued ration // of clients, and of links: as much as one alone may hold, or two, where a budget is smaller
}

// shard is a replica.Shard and its lock, on cache lines of its own.
type shard struct {
	mu sync.Mutex
	*replica.Shard
	_ [48]byte
}

// counts are what only the shell sees.
type counts struct {
	badBytes, undelivered, clientsCut, refused, crossProtocol, ceilingsFailed atomic.Uint64
}

const (
	openingMax  = 1024 // connections, on both ports, that have not said hello yet
	tickPeriod  = 5 * time.Millisecond
	drainPeriod = 5 * time.Second // that a stopping node waits for requests under way, at most
)

// Addr is where clients reach the node, host:port.
func (n *Node) Addr() string { return n.me.ClientAddr }

// RespAddr is where Redis clients reach it, empty where they cannot.
func (n *Node) RespAddr() string { return n.me.RespAddr }

// PeerAddr is where other nodes link to it.
func (n *Node) PeerAddr() string { return n.me.PeerAddr }

// GossipAddr is the address for Config.Join of other nodes.
func (n *Node) GossipAddr() string { return n.me.GossipAddr }

// Done is closed when the node has stopped, by Shutdown or by itself; Err then says why.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err is why the node stopped by itself; nil while it runs and after Shutdown.
func (n *Node) Err() error {
	if err := context.Cause(n.ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Shutdown drains the node and stops it: no new requests, those under way finish (until ctx ends, at most
// 5 s), others keep what it owes where no disk does (at most 3 s), they are told that it leaves, connections close. The data
// directory is left as it is.
func (n *Node) Shutdown(ctx context.Context) error {
	n.stop.Do(func() {
		whole := ctx
		ctx, cancel := context.WithTimeout(ctx, drainPeriod)
		defer cancel()
		n.log.Info("draining")
		for i := range n.shards {
			s := &n.shards[i]
			s.mu.Lock()
			s.Drain()
			s.mu.Unlock()
		}
		n.drained(ctx)
		n.part(whole)
		if n.gossip != nil {
			_ = n.gossip.Leave(ctx) // the others notice anyway, only later
		}
		n.cancel(context.Canceled)
	})
	<-n.done
	return n.Err()
}

// fail stops the node for good.
func (n *Node) fail(err error) {
	n.log.Error("stopping", zap.Error(err))
	n.cancel(err)
}

// drained waits until no request is under way, or ctx ends.
func (n *Node) drained(ctx context.Context) {
	tick := time.NewTicker(tickPeriod)
	defer tick.Stop()
	for {
		busy := 0
		for i := range n.shards {
			s := &n.shards[i]
			s.mu.Lock()
			busy += s.Busy()
			s.mu.Unlock()
		}
		if busy == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-n.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// end waits for the node's context to end and takes everything down.
func (n *Node) end() {
	<-n.ctx.Done()
	for _, l := range []net.Listener{n.clients, n.redis, n.peers, n.admin} {
		if l != nil {
			_ = l.Close()
		}
	}
	n.callersMu.Lock()
	for _, c := range n.callers { // wake those that wait for their client, or for answers that will not come
		c.cut()
	}
	n.callersMu.Unlock()
	if n.gossip != nil {
		n.gossip.Close()
	}
	n.wg.Wait()
	if errors.Is(context.Cause(n.ctx), replica.ErrForgotten) { // the next start has to wait for this
		n.dir.OwnCeiling() // it is above all that any boot until now has promised
		if err := n.dir.SaveCeiling(replica.PromisedMax(n.clock.now().Wall, n.cfg.tuning.skewWait)); err != nil {
			n.log.Error("what this node may have promised cannot be saved: start it with an empty directory and --join", zap.Error(err))
		}
	}
	n.mu.Lock() // a change of a namespace may be saving the map
	if err := n.dir.Close(); err != nil {
		n.log.Warn("closing the data directory", zap.Error(err))
	}
	n.mu.Unlock()
	n.inside.empty()
	if n.arena != nil { // nobody steps a shard any more
		n.arena.Close()
	}
	n.log.Info("stopped")
	close(n.done)
}

// tick lets time pass in every shard.
func (n *Node) tick() {
	t := time.NewTicker(tickPeriod)
	defer t.Stop()
	var out replica.Outbox
	n.mu.Lock()
	balancer, pacer := n.core.Balancer(), n.core.Pacer()
	n.mu.Unlock()
	visit := func(i int, f func(*replica.Shard)) {
		s := &n.shards[i]
		s.mu.Lock()
		defer s.mu.Unlock()
		f(s.Shard)
	}
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
		}
		now := n.clock.now()
		pacer.Tick(now, n.meter.latencies)
		for i := range n.shards {
			s := &n.shards[i]
			s.mu.Lock()
			pacer.Deal(s.Shard)
			s.Tick(now, &out)
			s.mu.Unlock()
		}
		n.flush(&out, nil, nil)
		balancer.Balance(now, visit)
	}
}

// beats tells the others this node's time, every second.
func (n *Node) beats() {
	t := time.NewTicker(beatPeriod)
	defer t.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
		}
		n.mu.Lock()
		n.meter.turn()
		n.beatAll()
		n.mu.Unlock()
	}
}

// beatAll tells the others this node's time, and that its shards go by the map that it sent last. Called with mu held,
// so that no beat comes between a map and the moment when they do.
func (n *Node) beatAll() {
	frame := wire.AppendMessage(nil, &wire.Message{Kind: wire.KindBeat, Wall: n.clock.now().Wall, Floor: n.promised()})
	n.linksMu.RLock()
	defer n.linksMu.RUnlock()
	for _, l := range n.links {
		l.push(frame, 0)
	}
}

// accept serves a listener until the node stops.
func (n *Node) accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			if n.ctx.Err() != nil {
				return
			}
			n.log.Warn("accepting a connection", zap.Error(err))
			select { // out of file descriptors, most likely: give some time to come back
			case <-n.ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		n.wg.Go(func() {
			defer context.AfterFunc(n.ctx, func() { _ = c.Close() })()
			serve(c)
		})
	}
}
