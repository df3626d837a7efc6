package ring

import "slices"

// Place is one node on a partition's list.
type Place struct {
	Node       uint16 // index into Table.Nodes
	Datacenter uint8  // index into Table.Datacenters
	Rank       uint8  // in that datacenter, from 0
	Owner      bool   // else a fallback
}

// Holds reports whether the node owns the partition's keys in a namespace of so many replicas, which has the first of each
// datacenter.
func (x Place) Holds(replicas uint8) bool { return x.Owner && x.Rank < replicas }

// Table is a map compiled for look-up: immutable, so any number of goroutines may read it.
type Table struct {
	nodes       []Node // not removed, sorted by ID
	nodeIDs     []uint64
	datacenters []string
	partitions  uint32
	replicas    int     // asked for in each datacenter
	slotShift   uint8   // slot >> slotShift is its partition
	places      []Place // stride places for each partition, owners first
	stride      int
	owners      int
	owned       []uint32 // places as owner, by node
	first       []uint32 // places as first owner of its datacenter, by node
	reports     []Report
}

// Partition returns the partition that slot belongs to.
func (t *Table) Partition(slot uint16) uint32 { return uint32(slot&(Slots-1)) >> t.slotShift }

// Partitions returns the number of partitions.
func (t *Table) Partitions() uint32 { return t.partitions }

// Owners returns the owners of partition p in all datacenters, one datacenter after the other in the order of
// Datacenters, in each clockwise from the partition. A namespace with fewer replicas has the first of
// each datacenter (Place.Holds). The slice belongs to the table.
func (t *Table) Owners(p uint32) []Place {
	at := int(p) * t.stride
	return t.places[at : at+t.owners : at+t.owners]
}

// List returns the preference list of partition p (Dynamo §4.3, §4.6): the owners, then the fallbacks, at
// most as many as there are owners, datacenters taking turns. The slice belongs to the table.
func (t *Table) List(p uint32) []Place {
	at := int(p) * t.stride
	return t.places[at : at+t.stride : at+t.stride]
}

// Nodes returns every node that is not removed, joining ones included, sorted by ID. The slice belongs to the table.
func (t *Table) Nodes() []Node { return t.nodes }

// Index returns the place of a node id in Nodes; false for a node that is removed or unknown.
func (t *Table) Index(id uint64) (uint16, bool) {
	i, ok := slices.BinarySearch(t.nodeIDs, id)
	return uint16(i), ok
}

// Datacenters returns the names of the datacenters of Nodes, sorted. The slice belongs to the table.
func (t *Table) Datacenters() []string { return t.datacenters }

// Owned returns how many partitions the node owns, and of how many of these it is the first owner in its datacenter.
func (t *Table) Owned(node uint16) (owned, first uint32) { return t.owned[node], t.first[node] }

// Share returns the part of its datacenter's data that the node holds, from 0 to 1.
func (t *Table) Share(node uint16) float64 { return float64(t.owned[node]) / float64(t.partitions) }

// Reports returns how well the nodes of each datacenter could be loaded, in the order of Datacenters. The
// slice belongs to the table.
func (t *Table) Reports() []Report { return t.reports }
