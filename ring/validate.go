package ring

import (
	"errors"
	"fmt"
	"math/bits"
)

// The limits of a map. They bound what a map from outside can cost, and leave every index its type.
const (
	NodesMax       = 1024    // not removed
	RemovedMax     = 8192    // gravestones
	NamespacesMax  = 1024    // dropped ones included
	NamespacesMade = 256     // after which a node makes no more: what both sides of a partition made still is one valid map
	DatacentersMax = 8       // of nodes not removed
	ReplicasMax    = 7       // N of one namespace in one datacenter
	WeightMax      = 10_000  // of one node, hundredths
	WeightSumMax   = 800_000 // of all nodes not removed: about two million virtual nodes
	NameMax        = 64      // bytes of a name: cluster, node, datacenter, rack, namespace
	AddressMax     = 259     // bytes of an address: the longest host name, a colon, a port
)

// ErrMap is what every problem that Validate reports is wrapped in.
var ErrMap = errors.New("ring: invalid map")

// Validate returns every problem of the map at once, joined, or nil. It is to be called on each map that
// comes from outside, before it is merged, compiled or kept.
func (m *Map) Validate() error {
	var v problems
	v.check(m.ClusterID != 0, "the cluster id is 0")
	v.name("cluster name", m.Cluster, NameMax)
	v.check(m.Cluster != "", "the cluster name is empty")
	v.check(bits.OnesCount32(m.Partitions) == 1 && m.Partitions <= Slots,
		"%d partitions: use a power of two from 1 to %d", m.Partitions, Slots)
	v.nodes(m.Nodes)
	v.namespaces(m.Namespaces)
	return errors.Join(v...)
}

type problems []error

func (v *problems) check(ok bool, format string, args ...any) {
	if !ok {
		*v = append(*v, fmt.Errorf("%w: "+format, append([]any{ErrMap}, args...)...))
	}
}

// name checks length and bytes: names go into logs, lists and line protocols, where a space or a line end
// would forge an entry.
func (v *problems) name(what, s string, limit int) {
	if len(s) > limit {
		v.check(false, "%s has %d bytes: use at most %d", what, len(s), limit)
		return
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			v.check(false, "%s %q has a byte %#02x: use printable ASCII without spaces", what, s, s[i])
			return
		}
	}
}

func (v *problems) nodes(nodes []Node) {
	if len(nodes) > NodesMax+RemovedMax {
		v.check(false, "%d nodes, removed ones included: use at most %d", len(nodes), NodesMax+RemovedMax)
		return
	}
	live, weight := 0, 0
	datacenters := make(map[string]bool)
	for i := range nodes {
		n := &nodes[i]
		v.node(n)
		v.check(i == 0 || nodes[i-1].ID < n.ID, "node %016x is out of order or listed twice", n.ID)
		if n.State != Removed {
			live++
			weight += int(n.Weight)
			datacenters[n.Datacenter] = true
		}
	}
	v.check(live <= NodesMax, "%d nodes: use at most %d", live, NodesMax)
	v.check(len(nodes)-live <= RemovedMax, "%d removed nodes: use at most %d", len(nodes)-live, RemovedMax)
	v.check(weight <= WeightSumMax, "all weights together are %d: divide them, at most %d", weight, WeightSumMax)
	v.check(len(datacenters) <= DatacentersMax, "%d datacenters: use at most %d", len(datacenters), DatacentersMax)
}

func (v *problems) node(n *Node) {
	v.check(n.ID != 0, "a node has id 0")
	v.check(n.State >= Joining && n.State <= Removed, "node %016x has %v", n.ID, n.State)
	v.check(n.Weight >= 1 && n.Weight <= WeightMax,
		"node %016x has weight %d: use 1 to %d, %d is a standard node", n.ID, n.Weight, WeightMax, StandardWeight)
	v.name("node name", n.Name, NameMax)
	v.name("datacenter", n.Datacenter, NameMax)
	v.name("rack", n.Rack, NameMax)
	v.name("client address", n.ClientAddr, AddressMax)
	v.name("RESP address", n.RespAddr, AddressMax)
	v.name("peer address", n.PeerAddr, AddressMax)
	v.name("gossip address", n.GossipAddr, AddressMax)
}

func (v *problems) namespaces(list []Namespace) {
	if len(list) > NamespacesMax {
		v.check(false, "%d namespaces: use at most %d", len(list), NamespacesMax)
		return
	}
	for i := range list {
		ns := &list[i]
		v.namespace(ns)
		v.check(i == 0 || list[i-1].Name < ns.Name, "namespace %.64q is out of order or listed twice", ns.Name)
	}
}
