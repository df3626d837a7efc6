package ring

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// mapOf returns a valid map of active standard nodes with random ids, the i-th in rack i mod racks.
func mapOf(seed uint64, partitions uint32, nodes, racks int) *Map {
	random := rand.New(rand.NewPCG(seed, 0))
	m := &Map{ClusterID: 7, Cluster: "test", Partitions: partitions, Namespaces: []Namespace{{Name: "default", Replicas: 3}}}
	for i := range nodes {
		m = m.With(Node{ID: random.Uint64() | 1, Datacenter: "dc", Rack: fmt.Sprint(i % racks), Weight: StandardWeight, State: Active})
	}
	return m
}

func compile(t interface{ Fatal(...any) }, m *Map) *Table {
	table, err := Compile(m, xxhash.Sum64)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// clock puts all virtual nodes of node n at hour n of 16, so that with 16 partitions node n stands at partition n.
func clock(name []byte) uint64 { return binary.BigEndian.Uint64(name) << 60 }

// ids returns the node ids of places.
func (t *Table) ids(places []Place) []uint64 {
	var ids []uint64
	for _, p := range places {
		ids = append(ids, t.nodes[p.Node].ID)
	}
	return ids
}

// balance is the highest load against the mean, over the datacenters, from the places themselves.
func balance(t *Table) float64 {
	loads := make([]float64, len(t.nodes))
	for p := range t.partitions {
		for _, o := range t.Owners(p) {
			loads[o.Node]++
		}
	}
	total := 0.0
	for _, l := range loads {
		total += l
	}
	return slices.Max(loads) / (total / float64(len(loads)))
}
