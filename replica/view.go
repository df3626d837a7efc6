package replica

import (
	"slices"

	"github.com/shoalcache/shoal/ring"
)

// View is what a node believes of its cluster at one moment: the map, compiled, and who is up. It never
// changes once made, so shards and connections share it without a lock.
type View struct {
	Map       *ring.Map
	Table     *ring.Table
	Hash      uint64 // of the whole map
	Placement uint64 // of what placement depends on
	Self      uint64
	Local     uint8 // this node's datacenter, an index into Table.Datacenters
	Skewed    bool  // this node's clock is too far from the others' to coordinate writes
	Offset    int64 // milliseconds from this node's clock to the median of all

	up []bool // by index into Table.Nodes
}

// Up reports whether the node is alive and connected, or is this one.
func (v *View) Up(node uint64) bool {
	i, ok := v.Table.Index(node)
	return ok && v.up[i]
}

// UpAt is Up for an index into Table.Nodes.
func (v *View) UpAt(i uint16) bool { return v.up[i] }

// Owns reports whether node is an owner of partition p.
func (v *View) Owns(node uint64, p uint32) bool {
	i, ok := v.Table.Index(node)
	return ok && slices.ContainsFunc(v.Table.Owners(p), func(x ring.Place) bool { return x.Node == i })
}

// Others appends the owners of p besides this node to dst.
func (v *View) Others(dst []uint64, p uint32) []uint64 {
	for _, x := range v.Table.Owners(p) {
		if id := v.Table.Nodes()[x.Node].ID; id != v.Self {
			dst = append(dst, id)
		}
	}
	return dst
}
