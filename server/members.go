package server

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/shoalcache/shoal/gossip"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// clusterID is the cluster's id; it never changes once the node serves.
func (n *Node) clusterID() uint64 { return n.view.Load().Map.ClusterID }

// mapFrame is the cluster map as the first message of a link.
func (n *Node) mapFrame() []byte { return *n.frame.Load() }

// hello is how this node opens or answers a connection.
func (n *Node) hello(role wire.Role, refusal string) *wire.Hello {
	v := n.view.Load()
	return &wire.Hello{
		Version: wire.ProtocolVersion, Role: role, ClusterID: v.Map.ClusterID, Cluster: v.Map.Cluster,
		Node: n.self.Node, Boot: n.self.Boot, Name: n.cfg.Name, MapHash: v.Hash, Wall: n.clock.now().Wall, Error: refusal,
	}
}

// mergeMap takes in another node's map.
func (n *Node) mergeMap(m *ring.Map) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	changed, err := n.core.Merge(m)
	if errors.Is(err, replica.ErrForgotten) {
		n.fail(fmt.Errorf("%w: node %q: %w", ErrRefused, n.cfg.Name, err))
	}
	if err != nil || !changed {
		return err
	}
	return n.mapChanged()
}

// mapChanged keeps the new map, sends it ahead of whatever is sent under it, and turns the shards to it.
// Called with mu held.
func (n *Node) mapChanged() error {
	if _, err := n.core.Claim(n.me); errors.Is(err, replica.ErrOusted) {
		n.fail(fmt.Errorf("%w: node %q: %w", ErrRefused, n.cfg.Name, err))
	} else if err != nil {
		return err
	}
	m := n.core.View().Map
	if err := n.dir.SaveMap(m); err != nil {
		n.log.Error("the cluster map cannot be saved: a restart will begin with an older one", zap.Error(err))
	}
	n.encodeMap(m)
	if !n.heard.Load() { // it is called again when that is over
		n.publish()
		return nil
	}
	n.linkAll(m)
	frame := n.mapFrame()
	n.linksMu.RLock()
	for _, l := range n.links {
		l.announce(frame)
	}
	n.linksMu.RUnlock()
	n.publish()
	n.beatAll()
	n.gossip.Broadcast()
	n.log.Debug("cluster map changed", zap.Int("nodes", len(n.core.View().Table.Nodes())), zap.String("hash", fmt.Sprintf("%016x", n.core.View().Hash)))
	return nil
}

// encodeMap readies the map's bytes for links and gossip.
func (n *Node) encodeMap(m *ring.Map) {
	b := wire.EncodeMap(m)
	frame := wire.AppendMessage(nil, &wire.Message{Kind: wire.KindMap, Body: b})
	n.bytes.Store(&b)
	n.frame.Store(&frame)
}

// publish makes the core's view everybody's. Called with mu held.
func (n *Node) publish() {
	v := n.core.View()
	n.view.Store(v)
	now := n.clock.now()
	var out replica.Outbox
	for i := range n.shards {
		s := &n.shards[i]
		s.mu.Lock()
		s.SetView(now, v, &out)
		s.mu.Unlock()
	}
	n.flush(&out, nil, nil)
}

// linkAll keeps a link to every other node of the map. Called with mu held.
func (n *Node) linkAll(m *ring.Map) {
	n.linksMu.Lock()
	defer n.linksMu.Unlock()
	for _, x := range m.Nodes {
		l := n.links[x.ID]
		switch {
		case x.ID == n.self.Node:
		case x.State == ring.Removed:
			if l != nil {
				l.cancel()
				delete(n.links, x.ID)
			}
		case l != nil:
			l.setAddr(x.PeerAddr)
		default:
			ctx, cancel := context.WithCancel(n.ctx)
			l = &link{n: n, id: x.ID, name: x.Name, addr: x.PeerAddr, cancel: cancel}
			n.links[x.ID] = l
			n.wg.Go(func() { l.run(ctx) })
		}
	}
}

func (n *Node) link(id uint64) *link {
	n.linksMu.RLock()
	defer n.linksMu.RUnlock()
	return n.links[id]
}

// linkChanged looks again whether a node is up, after a link to it opened or closed.
func (n *Node) linkChanged(id uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.judgeUp(id)
}

// judgeUp decides whether a node is up: gossip has it, and both links stand. Called with mu held.
func (n *Node) judgeUp(id uint64) {
	if n.ctx.Err() != nil { // this node's links end because it stops: that says nothing of the others
		return
	}
	up := false
	if l := n.link(id); l != nil && n.in[id] != nil {
		_, alive := n.alive[id]
		boot, connected := l.connected()
		up = alive && connected && boot == n.in[id].boot
	}
	if n.core.SetUp(id, up) {
		n.log.Info("node is "+map[bool]string{true: "up", false: "down"}[up], zap.String("node", n.name(id)))
		n.publish()
	}
}

func (n *Node) name(id uint64) string {
	if x := n.core.View().Map.Node(id); x != nil {
		return x.Name
	}
	return fmt.Sprintf("%016x", id)
}

// aliveChanged takes gossip's news.
func (n *Node) aliveChanged(a gossip.Alive) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.alive = a
	for _, x := range n.core.View().Table.Nodes() {
		if x.ID != n.self.Node {
			n.judgeUp(x.ID)
		}
	}
}

// state is the map as gossip tells it.
func (n *Node) state() []byte {
	if !n.heard.Load() {
		return nil
	}
	return *n.bytes.Load()
}

// gossiped takes a map that gossip brought.
func (n *Node) gossiped(_ vclock.Actor, b []byte) error {
	m, err := wire.DecodeMap(b)
	if err != nil {
		return err
	}
	return n.mergeMap(m)
}

// contacts are the nodes that gossip should find.
func (n *Node) contacts() []gossip.Contact {
	var out []gossip.Contact
	for _, x := range n.view.Load().Table.Nodes() {
		if x.ID != n.self.Node {
			out = append(out, gossip.Contact{Node: x.ID, Addr: x.GossipAddr})
		}
	}
	return out
}

// beat takes another node's clock.
func (n *Node) beat(from uint64, wall int64) {
	n.timed(func(now vclock.Now) bool { return n.core.Beat(now, from, wall) })
}

// greeted takes another node's clock from its answer to a hello of that time; false where that tells too little.
func (n *Node) greeted(by uint64, wall int64, asked vclock.Now) (known bool) {
	n.timed(func(now vclock.Now) (changed bool) {
		changed, known = n.core.Greet(now, by, wall, now.Mono-asked.Mono)
		return changed
	})
	return known
}

// timed lets the core take another node's clock, and does what follows.
func (n *Node) timed(take func(vclock.Now) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.core.View().Skewed
	if take(n.clock.now()) {
		n.publish()
	}
	if after := n.core.View().Skewed; after != before {
		n.log.Warn("this node's clock against the others'", zap.Bool("too_far_to_coordinate_writes", after), zap.Int64("offset_ms", n.core.View().Offset))
	}
}

// registerIncoming makes in the link from its node; false when it comes from a boot that is over.
func (n *Node) registerIncoming(in *incoming) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ctx.Err() != nil {
		return false
	}
	old := n.in[in.from]
	if old != nil && old.boot > in.boot || old == nil && len(n.in) >= ring.NodesMax {
		n.counts.refused.Add(1)
		return false
	}
	if old != nil { // what was under way with the former boot, or on the former connection, is lost
		_ = old.conn.Close()
		delete(n.in, in.from)
		n.judgeUp(in.from)
	}
	n.in[in.from] = in
	n.judgeUp(in.from)
	return true
}

func (n *Node) forgetIncoming(in *incoming) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.in[in.from] == in {
		delete(n.in, in.from)
		n.judgeUp(in.from)
	}
}
