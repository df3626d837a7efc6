package gossip

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/shoalcache/shoal/vclock"
)

// Alive is every node alive, by node id.
type Alive map[uint64]Node

// Node is one node that is alive.
type Node struct {
	Boot uint64
	Addr string // where it gossips, host:port
	Meta Meta
}

// ErrNotJoined is returned when a node that belongs to no cluster met another such node, or one that is just
// starting and lists nobody. That may change: ask again.
var ErrNotJoined = errors.New("gossip: it has not joined a cluster yet: join a node that has, or start the first one without join")

// ClusterError is returned when a node of another cluster was refused, which never changes.
type ClusterError struct {
	Theirs uint64
	Ours   uint64 // 0: none yet
}

// Error names both clusters.
func (e *ClusterError) Error() string {
	return fmt.Sprintf("gossip: it belongs to cluster %016x, this node to %016x: check the addresses to join, or start with an empty data directory", e.Theirs, e.Ours)
}

// nodesMax bounds what strangers can make a node remember, far above any cluster.
const nodesMax = 4096

// view is who is alive, and who may be. It is safe for concurrent use and never blocks for long: memberlist
// calls it with its own lock held.
type view struct {
	mu      sync.Mutex
	self    vclock.Actor
	cluster uint64            // 0 until one is met
	newest  map[uint64]uint64 // highest boot seen, by node id; outlives the node, or its former self would return
	alive   Alive
	changes uint64 // grows whenever alive changes
}

func newView(self vclock.Actor, cluster uint64) *view {
	return &view{self: self, cluster: cluster, newest: map[uint64]uint64{self.Node: self.Boot}, alive: Alive{}}
}

// admit tells why a node that is said to be alive is not to be believed in, if so.
func (v *view) admit(who vclock.Actor, m Meta) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if who == v.self {
		return nil
	}
	if m.ClusterID != 0 && m.ClusterID != v.cluster {
		return &ClusterError{Theirs: m.ClusterID, Ours: v.cluster}
	}
	if v.cluster == 0 {
		return ErrNotJoined
	}
	newest, known := v.newest[who.Node]
	if who.Boot < newest {
		return fmt.Errorf("gossip: %s is a former boot of a node now at boot %x", who, newest)
	}
	if !known && len(v.newest) >= nodesMax && !v.forget() {
		return fmt.Errorf("gossip: %d nodes are alive, no room for %s", nodesMax, who)
	}
	return nil
}

// forget drops the boots of nodes that are gone, to make room.
func (v *view) forget() bool {
	if len(v.newest) <= len(v.alive) {
		return false // a stranger must not make this look at every node again and again
	}
	maps.DeleteFunc(v.newest, func(node, _ uint64) bool {
		_, alive := v.alive[node]
		return !alive && node != v.self.Node
	})
	return len(v.newest) < nodesMax
}

// meet judges the nodes another one lists before any of them is merged. A node without a cluster takes on
// the one it meets; two such nodes do not mix, or each could then carry the other into a cluster of its own.
func (v *view) meet(theirs []Meta) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	ours := v.cluster
	for _, m := range theirs {
		if ours == 0 {
			ours = m.ClusterID
		}
		if m.ClusterID != 0 && m.ClusterID != ours {
			return &ClusterError{Theirs: m.ClusterID, Ours: ours}
		}
	}
	if ours == 0 {
		return ErrNotJoined
	}
	v.cluster = ours
	return nil
}

// belong says that this node is of cluster id from now on.
func (v *view) belong(id uint64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if id == 0 || v.cluster != 0 && v.cluster != id {
		return &ClusterError{Theirs: id, Ours: v.cluster}
	}
	v.cluster = id
	return nil
}

// accepts reports whether a map of that cluster concerns this node.
func (v *view) accepts(cluster uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.cluster != 0 && cluster == v.cluster
}

// join takes in a node, or what is new about it. It reports false for a former boot, which changes nothing.
func (v *view) join(who vclock.Actor, n Node) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if who.Boot < v.newest[who.Node] {
		return false
	}
	v.newest[who.Node] = who.Boot
	if v.alive[who.Node] != n {
		v.alive[who.Node] = n
		v.changes++
	}
	return true
}

// leave drops a node that died or left, unless a later boot of it is alive.
func (v *view) leave(who vclock.Actor) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n, ok := v.alive[who.Node]; ok && n.Boot == who.Boot {
		delete(v.alive, who.Node)
		v.changes++
	}
}

// snapshot is a copy of who is alive, and the number of changes that led there.
func (v *view) snapshot() (Alive, uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.alive), v.changes
}
