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
	stride  int       // owners of a partition; 0: unknown
	owners  []uint16  // by partition, near ones first: indexes into links
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
	r.stride = len(table.Owners(0))
	r.owners = make([]uint16, 0, int(m.Partitions)*r.stride)
	for p := range m.Partitions {
		at := len(r.owners)
		for _, place := range table.Owners(p) {
			r.owners = append(r.owners, place.Node)
		}
		// Stable: among equals the list's order stays, whose first owners are spread evenly over the nodes.
		slices.SortStableFunc(r.owners[at:], func(a, b uint16) int { return distance[a] - distance[b] })
	}
	for _, l := range seeds {
		if !slices.Contains(r.links, l) {
			r.links = append(r.links, l)
		}
	}
	return r, nil
}

// of returns the owners of a slot, near ones first; none where they are not known.
func (r *routes) of(slot uint16) []uint16 { return r.ofPartition(uint32(slot) >> r.shift) }

func (r *routes) ofPartition(p uint32) []uint16 {
	at := int(p) * r.stride
	if r.stride == 0 || at >= len(r.owners) {
		return nil
	}
	return r.owners[at : at+r.stride]
}
