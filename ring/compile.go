package ring

import (
	"math/bits"
	"slices"
)

// Report says how well the nodes of one datacenter could be loaded evenly and kept in racks of their own.
type Report struct {
	Datacenter  string
	Nodes       int      // that own
	Replicas    int      // owners of each partition: fewer than asked for where there are fewer nodes
	Racks       int      // of the nodes that own
	Shared      int      // partitions with two owners or more in one rack
	MaxOverMean float64  // the highest load by weight against the mean; 0 without nodes
	Exceeded    []uint64 // ids of nodes loaded above the bound, because racks or weights leave no other choice; sorted
}

// Compile computes the table of a map. It is a pure function of the two: who has the map and the hash has
// the table. It keeps nothing of m. Errors are those of Validate.
func Compile(m *Map, hash func([]byte) uint64) (*Table, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	t := &Table{nodes: m.present(), partitions: m.Partitions, replicas: m.Replicas(), slotShift: uint8(bits.Len32(Slots) - bits.Len32(m.Partitions))}
	for i := range t.nodes {
		t.nodeIDs = append(t.nodeIDs, t.nodes[i].ID)
		t.datacenters = append(t.datacenters, t.nodes[i].Datacenter)
	}
	slices.Sort(t.datacenters)
	t.datacenters = slices.Compact(t.datacenters)
	t.owned, t.first = make([]uint32, len(t.nodes)), make([]uint32, len(t.nodes))

	lists := make([]list, len(t.datacenters))
	for d, name := range t.datacenters {
		lists[d] = t.spread(name, t.replicas, hash)
		t.owners += lists[d].owners
		t.stride += lists[d].stride
	}
	t.fill(lists)
	return t, nil
}

// Recompile is Compile of a map that comes after the one of t: what every node owns is not worked out anew where
// nothing that decides it has changed, as after a restart, which brings another boot and other addresses. t may be nil.
func (t *Table) Recompile(m *Map, hash func([]byte) uint64) (*Table, error) {
	nodes := m.present()
	placed := func(a, b Node) bool {
		return a.ID == b.ID && a.Datacenter == b.Datacenter && a.Rack == b.Rack && a.Weight == b.Weight && a.State.Owns() == b.State.Owns()
	}
	if t == nil || t.partitions != m.Partitions || t.replicas != m.Replicas() || !slices.EqualFunc(t.nodes, nodes, placed) {
		return Compile(m, hash)
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	next := *t
	next.nodes = nodes
	return &next, nil
}

// present are the nodes that are not removed.
func (m *Map) present() []Node {
	nodes := make([]Node, 0, len(m.Nodes))
	for i := range m.Nodes {
		if m.Nodes[i].State != Removed {
			nodes = append(nodes, m.Nodes[i])
		}
	}
	return nodes
}

// list is the part of the preference lists that lies in one datacenter.
type list struct {
	nodes          []uint16 // stride for each partition, owners first; index into Table.Nodes
	owners, stride int
}

func (t *Table) spread(datacenter string, replicas int, hash func([]byte) uint64) list {
	var nodes []uint16
	for i := range t.nodes {
		if n := &t.nodes[i]; n.Datacenter == datacenter && n.State.Owns() {
			nodes = append(nodes, uint16(i))
		}
	}
	if len(nodes) == 0 {
		t.reports = append(t.reports, Report{Datacenter: datacenter})
		return list{}
	}
	shift := uint8(64 - bits.TrailingZeros32(t.partitions))
	s := newSpread(newCircle(t.nodes, nodes, t.partitions, shift, hash), t.nodes, replicas)
	fallbacks := min(s.count, len(nodes)-s.count)
	l := list{nodes: s.list(fallbacks), owners: s.count, stride: s.count + fallbacks}
	for i, x := range l.nodes {
		l.nodes[i] = nodes[x]
	}
	t.reports = append(t.reports, t.judge(datacenter, s))
	return l
}

// judge holds the loads against what weight alone would make of them.
func (t *Table) judge(datacenter string, s *spread) Report {
	r := Report{Datacenter: datacenter, Nodes: len(s.nodes), Replicas: s.count, Racks: s.upTo[1]}
	weight := weights(t.nodes, s.nodes)
	sum := int64(0)
	for _, w := range weight {
		sum += w
	}
	places := int64(len(s.owners))
	for x, load := range s.load {
		r.MaxOverMean = max(r.MaxOverMean, float64(load)*float64(sum)/float64(places*weight[x]))
		if load > bound(places*fine*weight[x]/sum) {
			r.Exceeded = append(r.Exceeded, t.nodes[s.nodes[x]].ID)
		}
	}
	for p := range t.partitions {
		own := s.of(p)
		if slices.ContainsFunc(own, func(x uint16) bool { return s.inRack(own, s.rack[x]) > 1 }) {
			r.Shared++
		}
	}
	return r
}

// fill puts the lists of the datacenters together: all owners, then fallbacks, taking turns.
func (t *Table) fill(lists []list) {
	t.places = make([]Place, 0, int(t.partitions)*t.stride)
	for p := range int(t.partitions) {
		for d, l := range lists {
			for k, n := range l.nodes[p*l.stride:][:l.owners] {
				t.places = append(t.places, Place{Node: n, Datacenter: uint8(d), Rank: uint8(k), Owner: true})
				t.owned[n]++
				if k == 0 {
					t.first[n]++
				}
			}
		}
		for k := range ReplicasMax {
			for d, l := range lists {
				if at := l.owners + k; at < l.stride {
					t.places = append(t.places, Place{Node: l.nodes[p*l.stride+at], Datacenter: uint8(d), Rank: uint8(at)})
				}
			}
		}
	}
}
