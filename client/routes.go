package client

import (
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/ring"
)

// routes says whom to ask for a key, as far as is known. It is immutable: a new map makes new routes.
type routes struct {
	cluster *ring.Map // nil before the first one came, or without routing
	hash    uint64    // of cluster
	links   []*link   // all that calls may use: those of the map's nodes, then the seeds
	shift   uint8     // slot >> shift is its partition
	owners  owners
	fewer   map[string]owners // of the namespaces that have fewer replicas
}

// owners are those of every partition.
type owners struct {
	stride int      // of a partition; 0: unknown
	nodes  []uint16 // by partition, near ones first: indexes into links
}

// site is where a client runs, as far as it has been told.
type site struct{ datacenter, rack string }

// distance is 0 for a node of the same rack, 1 in the same datacenter, 2 elsewhere.
func (s site) distance(n *ring.Node) int {
	switch {
	case s.datacenter == "" || n.Datacenter != s.datacenter:
		return 2
	case s.rack == "" || n.Rack != s.rack:
		return 1
	}
	return 0
}

// compile computes routes; linkTo returns the link to a node. It takes some 40 ms for a thousand nodes.
func compile(m *ring.Map, near site, linkTo func(*ring.Node) *link, seeds []*link) (*routes, error) {
	table, err := ring.Compile(m, xxhash.Sum64)
	if err != nil {
		return nil, err
	}
	nodes := table.Nodes()
	r := &routes{cluster: m, hash: m.Hash(xxhash.Sum64), shift: uint8(bits.TrailingZeros32(ring.Slots / m.Partitions))}
	distance := make([]int, len(nodes))
	for i := range nodes {
		r.links = append(r.links, linkTo(&nodes[i]))
		distance[i] = near.distance(&nodes[i])
	}
	spread := func(replicas uint8) (all owners) {
		all.nodes = make([]uint16, 0, int(m.Partitions)*len(table.Owners(0)))
		for p := range m.Partitions {
			at := len(all.nodes)
			for _, place := range table.Owners(p) {
				if place.Holds(replicas) {
					all.nodes = append(all.nodes, place.Node)
				}
			}
			all.stride = len(all.nodes) - at
			// Stable: among equals the list's order stays, whose first owners are spread evenly over the nodes.
			slices.SortStableFunc(all.nodes[at:], func(a, b uint16) int { return distance[a] - distance[b] })
		}
		return all
	}
	r.owners = spread(ring.ReplicasMax)
	of := map[uint8]owners{}
	for i := range m.Namespaces {
		if ns := &m.Namespaces[i]; !ns.Dropped && int(ns.Replicas) < m.Replicas() {
			if _, known := of[ns.Replicas]; !known {
				of[ns.Replicas] = spread(ns.Replicas)
			}
			if r.fewer == nil {
				r.fewer = map[string]owners{}
			}
			r.fewer[ns.Name] = of[ns.Replicas]
		}
	}
	for _, l := range seeds {
		if !slices.Contains(r.links, l) {
			r.links = append(r.links, l)
		}
	}
	return r, nil
}

// of returns the owners of a slot's keys in a namespace, near ones first; none where they are not known.
func (r *routes) of(namespace string, slot uint16) []uint16 {
	return r.ofPartition(namespace, uint32(slot)>>r.shift)
}

func (r *routes) ofPartition(namespace string, p uint32) []uint16 {
	all, ok := r.fewer[namespace]
	if !ok {
		all = r.owners
	}
	at := int(p) * all.stride
	if all.stride == 0 || at >= len(all.nodes) {
		return nil
	}
	return all.nodes[at : at+all.stride]
}
