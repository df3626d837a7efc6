package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/shoalcache/shoal/gossip"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// joinPatience is how long a node without a map looks for its cluster.
const joinPatience = 60 * time.Second

// place finds out which cluster the node is part of and where it stands in it: n.me, a map that has it,
// and the floor under everything an earlier boot may have acknowledged.
func (n *Node) place(ctx context.Context, m *ring.Map) (floor vclock.Stamp, err error) {
	id := n.dir.Identity()
	n.self = vclock.Actor{Node: id.NodeID, Boot: id.Boot}
	founder, fetched := false, false
	switch {
	case m != nil:
	case len(n.cfg.Join) > 0:
		if m, err = n.fetchMap(ctx); err != nil {
			return 0, err
		}
		fetched = true
		if err = n.dir.SetCluster(m.ClusterID, m.Cluster); err != nil {
			return 0, refuse(err)
		}
	default:
		founder = true
		m = n.found()
	}
	if err := n.identify(ctx, m); err != nil {
		return 0, err
	}
	n.me = n.entry()
	known := uint64(0)
	if mine := m.Node(n.self.Node); mine != nil {
		if mine.State == ring.Removed {
			return 0, fmt.Errorf("%w: node %q was removed from the cluster: give it an empty data directory, and it joins anew", ErrRefused, n.cfg.Name)
		}
		if mine.Boot > n.self.Boot {
			return 0, fmt.Errorf("%w: the cluster knows a later start of node %q: its clock was set back, or its data directory is an old copy: set the clock right, or start it with an empty directory and --join", ErrRefused, n.cfg.Name)
		}
		n.me.State, n.me.Version = mine.State, mine.Version+1
		known = mine.Boot
	}
	ceiling, saved := n.dir.Ceiling()
	boot := replica.Boot{
		Wall: n.clock.now().Wall, Ceiling: ceiling, Saved: saved, MapFound: !founder && !fetched, Diskless: n.cfg.DataDir == NoDataDir, Founder: founder,
		Known: known, SkewWait: n.cfg.tuning.skewWait,
	}
	floor, until, covered := boot.Floor()
	if ceiling > 0 && saved < known {
		n.log.Warn("the stamp ceiling is older than this node's last start: was it restored from a copy?", zap.String("directory", n.cfg.DataDir))
	}
	if err := n.await(ctx, until); err != nil {
		return 0, err
	}
	n.core, err = n.newCore(m.With(n.me), floor, covered, founder)
	return floor, err
}

// found makes the map of a new cluster.
func (n *Node) found() *ring.Map {
	id := random64() | 1
	read, _ := wire.ParseLevel(n.cfg.Read) // checked by Validate
	write, _ := wire.ParseLevel(n.cfg.Write)
	n.log.Info("founding a cluster", zap.String("cluster", n.cfg.ClusterName), zap.String("id", fmt.Sprintf("%016x", id)))
	return &ring.Map{
		ClusterID: id, Cluster: n.cfg.ClusterName, Partitions: uint32(n.cfg.Partitions),
		Namespaces: []ring.Namespace{{
			Name: ring.DefaultNamespace, Replicas: uint8(n.cfg.Replicas), Read: uint8(read), Write: uint8(write), Version: 1,
		}},
	}
}

// fetchMap asks the nodes to join for the cluster map, through a gossip of its own that leaves again: only
// the map tells which id this node has in the cluster.
func (n *Node) fetchMap(ctx context.Context) (*ring.Map, error) {
	ctx, cancel := context.WithTimeout(ctx, joinPatience)
	defer cancel()
	host, _, err := net.SplitHostPort(n.cfg.GossipAddr)
	if err != nil {
		return nil, err
	}
	got := make(chan *ring.Map, 1)
	g, err := gossip.Start(gossip.Config{
		Self: vclock.Actor{Node: random64() | 1, Boot: n.self.Boot}, Cluster: n.cfg.ClusterName,
		BindAddr: net.JoinHostPort(host, "0"), Advertise: n.cfg.AdvertiseHost,
		Meta:    gossip.Meta{ClusterID: n.dir.Identity().ClusterID, Name: n.cfg.Name},
		Timings: n.cfg.tuning.gossip, Log: n.log.Named("join"), Reach: n.cfg.Reach,
		State: func() []byte { return nil },
		OnState: func(_ vclock.Actor, b []byte) error {
			m, err := wire.DecodeMap(b)
			if err == nil {
				select {
				case got <- m:
				default:
				}
			}
			return err
		},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCluster, err)
	}
	defer g.Close()
	said := ""
	for {
		err := g.Join(ctx, n.cfg.Join)
		if err == nil {
			select {
			case m := <-got:
				_ = g.Leave(ctx)
				return m, nil
			default:
				err = errors.New("it has no cluster map yet")
			}
		}
		if otherCluster(err) {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		if s := err.Error(); s != said {
			n.log.Warn("looking for the cluster", zap.Strings("join", n.cfg.Join), zap.Error(err))
			said = s
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: nothing to join at %s: %s: start those nodes first, or leave --join out to found a cluster",
				ErrNoCluster, strings.Join(n.cfg.Join, ", "), strings.TrimPrefix(said, "gossip: "))
		case <-time.After(redialPeriod):
		}
	}
}

// identify settles which node of the map this one is. A name belongs to one node: where another id has it,
// that node either runs, and this one is refused, or is gone, and this one takes its place with its share.
func (n *Node) identify(ctx context.Context, m *ring.Map) error {
	for i := range m.Nodes {
		x := &m.Nodes[i]
		if x.State == ring.Removed || x.Name != n.cfg.Name && x.ID != n.self.Node {
			continue
		}
		if n.runs(ctx, m, x) {
			return fmt.Errorf("%w: node %q already runs at %s: two nodes of one name cannot be in one cluster; choose another --name, and an empty --data-dir", ErrRefused, x.Name, x.PeerAddr)
		}
		if x.ID != n.self.Node {
			if err := n.dir.SetNode(x.ID, replica.PromisedMax(n.clock.now().Wall, n.cfg.tuning.skewWait)); err != nil {
				return refuse(err)
			}
			n.self.Node = x.ID
			n.log.Info("taking the place of the node that had this name", zap.String("id", fmt.Sprintf("%016x", x.ID)))
			return nil
		}
	}
	return nil
}

// runs reports whether another process answers as node x.
func (n *Node) runs(ctx context.Context, m *ring.Map, x *ring.Node) bool {
	if x.PeerAddr == n.advertised(n.peers) {
		return false // that address is this process's now
	}
	if n.cfg.Reach != nil && !n.cfg.Reach(x.PeerAddr) {
		return false
	}
	d := net.Dialer{Timeout: dialTimeout, LocalAddr: from(n.peers)}
	c, err := d.DialContext(ctx, "tcp", x.PeerAddr)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(dialTimeout))
	if _, err := c.Write(wire.AppendHello(nil, &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleClient, ClusterID: m.ClusterID})); err != nil {
		return false
	}
	r := frameReader{conn: c, limits: n.cfg.Limits}
	var h wire.Hello
	return r.hello(dialTimeout, &h) == nil && h.Node == x.ID
}

// entry is what the map should say of this node.
func (n *Node) entry() ring.Node {
	return ring.Node{
		ID: n.self.Node, Boot: n.self.Boot, Name: n.cfg.Name,
		ClientAddr: n.advertised(n.clients), RespAddr: n.advertised(n.redis), PeerAddr: n.advertised(n.peers), GossipAddr: n.cfg.GossipAddr,
		Datacenter: n.cfg.Datacenter, Rack: n.cfg.Rack, Weight: uint32(n.cfg.Weight*ring.StandardWeight + 0.5),
		State: ring.Active, Version: 1,
	}
}

// await waits until the clock has passed a stamp that this node may have promised nothing above.
func (n *Node) await(ctx context.Context, until vclock.Stamp) error {
	wait := time.Duration(until.Millis()-n.clock.now().Wall+1) * time.Millisecond
	if until == 0 || wait <= 0 {
		return nil
	}
	if wait > replica.StartWaitMax {
		return fmt.Errorf("%w: this machine's clock is %v behind what node %q promised before: set the clock right", ErrRefused, wait.Round(time.Second), n.cfg.Name)
	}
	n.log.Info("waiting for the clock to pass what this node promised before", zap.Duration("for", wait))
	select {
	case <-ctx.Done():
		return fmt.Errorf("server: starting: %w", ctx.Err())
	case <-time.After(wait):
		return nil
	}
}

// otherCluster reports whether a join failed for good: those nodes are not of this cluster.
func otherCluster(err error) bool {
	_, other := errors.AsType[*gossip.ClusterError](err)
	return other || errors.Is(err, gossip.ErrOtherName)
}
