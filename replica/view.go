package replica

import (
	"math"
	"slices"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/ring"
)

// View is what a node believes of its cluster at one moment: the map, compiled, and who is up. It never
// changes once made, so shards and connections share it without a lock.
type View struct {
	Map       *ring.Map
	Table     *ring.Table
	Hash      uint64 // of the whole map
	Placement uint64 // of what two nodes must agree on to speak of keys: owners and namespaces
	Ownership uint64 // of the owners alone
	Self      uint64
	Local     uint8 // this node's datacenter, an index into Table.Datacenters
	Skewed    bool  // this node's clock is too far from the others' to coordinate writes
	Offset    int64 // milliseconds from this node's clock to the median of all that are up
	Timed     bool  // those are most nodes: Offset tells what time it is, and not only what this node takes it for

	spaces *spaces
	up     []bool // by index into Table.Nodes
}

// Up reports whether the node is alive and connected, or is this one.
func (v *View) Up(node uint64) bool {
	i, ok := v.Table.Index(node)
	return ok && v.up[i]
}

// UpAt is Up for an index into Table.Nodes.
func (v *View) UpAt(i uint16) bool { return v.up[i] }

// Datacenter is that of a node, an index into Table.Datacenters; this node's where the map has not got it.
func (v *View) Datacenter(node uint64) uint8 {
	if i, ok := v.Table.Index(node); ok {
		return uint8(max(slices.Index(v.Table.Datacenters(), v.Table.Nodes()[i].Datacenter), 0))
	}
	return v.Local
}

// Owns reports whether node is an owner of partition p.
func (v *View) Owns(node uint64, p uint32) bool {
	i, ok := v.Table.Index(node)
	return ok && slices.ContainsFunc(v.Table.Owners(p), func(x ring.Place) bool { return x.Node == i })
}

// ownersUp reports whether the owners of p are all up.
func (v *View) ownersUp(p uint32) bool {
	return !slices.ContainsFunc(v.Table.Owners(p), func(x ring.Place) bool { return !v.up[x.Node] })
}

// rank is this node's among the owners of p in its datacenter, noRank if it is none of them.
func (v *View) rank(p uint32) uint8 { return v.rankOf(v.Self, p) }

func (v *View) rankOf(node uint64, p uint32) uint8 {
	i, ok := v.Table.Index(node)
	for _, x := range v.Table.Owners(p) {
		if ok && x.Node == i {
			return x.Rank
		}
	}
	return noRank
}

const noRank = math.MaxUint8

// Others are the owners of p besides this node.
func (v *View) Others(p uint32) (others []antientropy.Other) {
	for _, x := range v.Table.Owners(p) {
		if id := v.Table.Nodes()[x.Node].ID; id != v.Self {
			others = append(others, antientropy.Other{Node: id, Near: x.Datacenter == v.Local, Rank: x.Rank})
		}
	}
	return others
}
