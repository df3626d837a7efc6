package server

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/datadir"
	"github.com/shoalcache/shoal/gossip"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/internal/arena"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
)

// What keeps a node from starting, beside a bad Config. Each error wrapping one of them says in one line
// what failed and what to do.
var (
	// ErrInUse: another process has one of the addresses.
	ErrInUse = errors.New("server: address in use")
	// ErrRefused: this node may not be part of that cluster: another cluster, a name that is taken, a data
	// directory of another node; or it may not listen where it should.
	ErrRefused = errors.New("server: refused")
	// ErrNoCluster: none of the nodes to join could be reached.
	ErrNoCluster = errors.New("server: no cluster")
)

// Start starts a node and returns once it serves clients. Ctx bounds the start only. A node that finds a
// map in its data directory goes on where it was; one without either founds a cluster or, with Join, joins
// one. After an error nothing is left running.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	n := &Node{
		cfg: cfg, log: cfg.Log.Named(cfg.Name), clock: newClock(cfg.ClockOffset), done: make(chan struct{}), raise: make(chan struct{}, 1),
		links: map[uint64]*link{}, callers: map[uint64]caller{}, in: map[uint64]*incoming{},
	}
	b := cfg.divide()
	n.clientsMax = b.connections()
	n.inside = newEmbedded(n)
	n.ctx, n.cancel = context.WithCancelCause(context.Background())
	n.unread.most, n.unread.done = max(b.unread, int64(cfg.tuning.connBytes)), n.ctx.Done()
	n.queued.most, n.queued.done = max(b.links, 2*int64(cfg.tuning.linkBytes)), n.ctx.Done()
	if err := n.start(ctx); err != nil {
		n.cancel(context.Canceled)
		if n.dir != nil {
			n.end()
		}
		return nil, err
	}
	go n.end()
	return n, nil
}

func (n *Node) start(ctx context.Context) error {
	var err error
	if n.dir, err = datadir.Open(datadir.OS(), n.cfg.DataDir, datadir.Claim{
		Name: n.cfg.Name, Cluster: n.cfg.ClusterName, Wall: n.clock.now().Wall, Random: random64,
	}); err != nil {
		return refuse(err)
	}
	if n.dir.Torn() {
		n.log.Warn("one of the two slots of the stamp ceiling is damaged, by a save that was cut short or by the disk: the other has what was promised, and the next save mends it",
			zap.String("directory", n.cfg.DataDir))
	}
	m, err := n.dir.LoadMap()
	if errors.Is(err, datadir.ErrMapLost) && len(n.cfg.Join) > 0 {
		n.log.Error("starting without the saved cluster map", zap.Error(err))
	} else if err != nil {
		return refuse(err)
	}
	if err := n.listen(ctx); err != nil {
		return err
	}
	floor, err := n.place(ctx, m)
	if err != nil {
		return err
	}
	if err := n.build(floor); err != nil {
		return err
	}
	return n.open(ctx)
}

// listen takes the node's addresses, so that a port in use is found before anything else happens.
func (n *Node) listen(ctx context.Context) (err error) {
	var lc net.ListenConfig
	for _, l := range []struct {
		flag, addr string
		to         *net.Listener
	}{
		{"client-addr", n.cfg.ClientAddr, &n.clients}, {"resp-addr", n.cfg.RespAddr, &n.redis}, {"peer-addr", n.cfg.PeerAddr, &n.peers}, {"admin-addr", n.cfg.AdminAddr, &n.admin},
	} {
		if l.addr == "" {
			continue
		}
		if *l.to, err = lc.Listen(ctx, "tcp", l.addr); err != nil {
			if !errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("%w: --%s %s: %v: use an address of this machine and a port that this user may take", ErrRefused, l.flag, l.addr, err)
			}
			return fmt.Errorf("%w: --%s %s: %v: does another node run here? choose another port", ErrInUse, l.flag, l.addr, err)
		}
	}
	return nil
}

// advertised is a listener's address as others reach it, empty where there is none.
func (n *Node) advertised(l net.Listener) string {
	if l == nil {
		return ""
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	if n.cfg.AdvertiseHost != "" {
		host = n.cfg.AdvertiseHost
	}
	return net.JoinHostPort(host, port)
}

func (n *Node) newCore(m *ring.Map, floor vclock.Stamp, covered uint64, founder bool) (*replica.Node, error) {
	shards := int64(n.cfg.Shards)
	n.cfg.Partitions = int(m.Partitions) // whatever this node would have made
	b := n.cfg.divide()
	slot := storage.SegmentOf(b.storage / shards)
	memory, err := arena.New(arena.Config{Limit: b.storage, Spare: b.spare + spareSlots*slot, Slot: int(slot)})
	if err != nil {
		return nil, fmt.Errorf("%w: --memory: %w", ErrRefused, err)
	}
	n.arena = memory
	c := n.cfg.tuning.coordinator
	c.Limits, c.ReadRepairChance = n.cfg.Limits, n.cfg.ReadRepairChance
	h := hints.DefaultConfig()
	h.BytesMax, h.Log = b.hints/shards, n.cfg.hintsLogged()
	policy, err := storage.ParsePolicy(n.cfg.Policy)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	core, err := replica.New(replica.Config{
		Self: n.self, Shards: n.cfg.Shards, BytesMax: b.storage, GhostsMax: shards * int64(n.cfg.GhostShare*float64(storage.UsedOf(b.storage/shards))),
		Policy: policy, RecordMax: int(b.spare), Memory: memory, PendingMax: b.calls(shards), PendingMem: b.calledBytes(shards),
		BootFloor: floor, Covered: covered, Founder: founder, Hash: hash, Limits: n.cfg.Limits,
		Coordinator: c, Hints: h, Refill: antientropy.DefaultConfig(), RefillsMax: 4,
		Exchange:   n.cfg.tuning.exchange,
		Background: replica.BackgroundOf(n.cfg.BackgroundMax),
	}, m, n.clock.now())
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	return core, nil
}

// build readies the shards and what is on disk, before anyone can reach the node.
func (n *Node) build(floor vclock.Stamp) error {
	n.shards = make([]shard, n.cfg.Shards)
	for i, s := range n.core.Shards() {
		n.shards[i].Shard = s
	}
	m := n.core.View().Map
	n.encodeMap(m)
	n.view.Store(n.core.View())
	n.ceiling = floor
	if err := n.raiseCeiling(); err != nil {
		return refuse(err)
	}
	if n.dir.Identity().ClusterID == 0 { // it founds the cluster, or was about to when it was killed
		if err := n.dir.SaveMap(m); err != nil {
			return refuse(err)
		}
		if err := n.dir.SetCluster(m.ClusterID, m.Cluster); err != nil {
			return refuse(err)
		}
	}
	n.openHints()
	return nil
}

// open starts everything that runs, and lets the others and the clients in.
func (n *Node) open(ctx context.Context) error {
	n.mu.Lock() // gossip's callbacks wait until there is a gossip to call back
	g, err := gossip.Start(gossip.Config{
		Reach: n.cfg.Reach,
		Self:  n.self, Cluster: n.cfg.ClusterName, BindAddr: n.cfg.GossipAddr, Advertise: n.cfg.AdvertiseHost,
		Meta: gossip.Meta{
			ClusterID: n.clusterID(), Name: n.cfg.Name, ClientAddr: n.me.ClientAddr, PeerAddr: n.me.PeerAddr,
			Datacenter: n.cfg.Datacenter, Rack: n.cfg.Rack,
		},
		Timings: n.cfg.tuning.gossip, Log: n.log.Named("gossip"),
		State: n.state, OnState: n.gossiped, OnChange: n.aliveChanged, Known: n.contacts,
	})
	if err != nil {
		n.mu.Unlock()
		if errors.Is(err, gossip.ErrInUse) {
			return fmt.Errorf("%w: --gossip-addr %s: %v", ErrInUse, n.cfg.GossipAddr, err)
		}
		return err
	}
	n.gossip = g
	if err := n.dir.SaveMap(n.core.View().Map); err != nil { // not before others can hear of it: a map on disk says that they may have
		n.mu.Unlock()
		return refuse(err)
	}
	n.me.GossipAddr = g.Addr()
	n.mu.Unlock()
	if err := n.hear(ctx); err != nil {
		return err
	}
	n.dir.OwnCeiling()
	if err := n.raiseCeiling(); err != nil {
		return refuse(err)
	}
	n.mu.Lock()
	n.heard.Store(true)
	if n.core.View().Map.Node(n.self.Node).GossipAddr != n.me.GossipAddr {
		me := n.me
		me.Version = n.core.View().Map.Node(me.ID).Version + 1
		_, err = n.core.Merge(n.core.View().Map.With(me))
	}
	if err == nil {
		err = n.mapChanged()
	}
	n.mu.Unlock()
	if err != nil {
		return err
	}
	for _, run := range []func(){n.tick, n.beats, n.ceilings} {
		n.wg.Go(run)
	}
	if n.hintLog != nil {
		n.wg.Go(n.logHints)
	}
	n.wg.Go(func() { n.accept(n.peers, n.acceptPeer) })
	if n.admin != nil {
		n.wg.Go(n.serveAdmin)
	}
	n.meet(ctx)
	if err := context.Cause(n.ctx); err != nil { // what the others told leaves it no place
		return err
	}
	n.wg.Go(func() { n.accept(n.clients, n.acceptClient) })
	if n.redis != nil {
		n.wg.Go(func() { n.accept(n.redis, n.acceptResp) })
	}
	n.log.Info("serving", zap.String("clients", n.me.ClientAddr), zap.String("redis", n.me.RespAddr), zap.String("peers", n.me.PeerAddr), zap.String("gossip", n.me.GossipAddr),
		zap.String("cluster", n.cfg.ClusterName), zap.String("id", fmt.Sprintf("%016x", n.clusterID())))
	return nil
}

// hear takes the maps of the nodes that can be reached, before any of them is told of this boot: what they know of an
// earlier one is gone from their maps then, and would not be missed (replica.ErrForgotten).
func (n *Node) hear(ctx context.Context) error {
	known := make([]string, 0, len(n.view.Load().Table.Nodes()))
	for _, c := range n.contacts() {
		known = append(known, c.Addr)
	}
	if len(known) > 0 {
		ctx, cancel := context.WithTimeout(ctx, meetPatience)
		_ = n.gossip.Join(ctx, known) // whoever is down is met later
		cancel()
	}
	if len(n.cfg.Join) > 0 {
		if err := n.gossip.Join(ctx, n.cfg.Join); otherCluster(err) {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		} else if err != nil {
			n.log.Warn("nobody to join yet: trying again in the background", zap.Error(err))
		}
	}
	return context.Cause(n.ctx)
}

// meetPatience is how long a starting node looks for the others before it serves clients without them.
const meetPatience = 3 * time.Second

// meet waits until every other node of the map is up, or cannot be reached, so that the first requests do
// not fail for want of links.
func (n *Node) meet(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, meetPatience)
	defer cancel()
	tick := time.NewTicker(tickPeriod)
	defer tick.Stop()
	for {
		met := true
		v := n.view.Load()
		for i, x := range v.Table.Nodes() {
			if l := n.link(x.ID); !v.UpAt(uint16(i)) && (l == nil || !l.settled()) {
				met = false
			}
		}
		if met {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// refuse marks a problem of the data directory as one that only its operator can solve.
func refuse(err error) error { return fmt.Errorf("%w: %w", ErrRefused, err) }

func random64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])
}
