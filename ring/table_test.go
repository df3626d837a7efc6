package ring

import (
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"
)

// hours returns a map of 16 partitions with nodes standing at the hours of their ids; each is "id rack".
func hours(replicas uint8, nodes ...string) *Map {
	m := &Map{ClusterID: 7, Cluster: "clock", Partitions: 16, Namespaces: []Namespace{{Name: "default", Replicas: replicas}}}
	for _, s := range nodes {
		n := Node{Weight: StandardWeight, State: Active}
		if _, err := fmt.Sscan(s, &n.ID, &n.Rack); err != nil {
			panic(err)
		}
		n.Datacenter, n.Rack = n.Rack[:1], n.Rack[1:]
		m = m.With(n)
	}
	return m
}

// Each node is given as its hour, then one letter of datacenter, then its rack.
func TestOwnersAreTheNextNodesOnTheClock(t *testing.T) {
	for _, c := range []struct {
		claim     string
		m         *Map
		partition uint32
		list      []uint64 // owners, then fallbacks
		owners    int
	}{
		{"clockwise from the partition", hours(2, "2 ax", "6 ax", "10 ax", "14 ax"), 3, []uint64{6, 10, 14, 2}, 2},
		{"a node at the partition is its first owner", hours(2, "2 ax", "6 ax", "10 ax", "14 ax"), 2, []uint64{2, 6, 10, 14}, 2},
		{"around the end", hours(2, "2 ax", "6 ax", "10 ax", "14 ax"), 15, []uint64{2, 6, 10, 14}, 2},
		{"racks go before distance", hours(2, "2 ax", "6 ax", "9 ay", "15 ay"), 2, []uint64{2, 9, 6, 15}, 2},
		{"a lone node owns all", hours(3, "5 ax"), 9, []uint64{5}, 1},
		{"fewer nodes than N: all of them, in order", hours(3, "5 ax", "9 ax"), 6, []uint64{9, 5}, 2},
		{"as few fallbacks as nodes are left", hours(3, "1 ax", "5 ax", "9 ax", "13 ax"), 0, []uint64{1, 5, 9, 13}, 3},
		{"at one point the lower id comes first", hours(1, "18 ax", "2 ax", "10 ax"), 1, []uint64{2, 18}, 1},
		{
			"a ring for each datacenter, fallbacks taking turns",
			hours(1, "1 ax", "9 ax", "3 bx", "11 bx"), 2,
			[]uint64{9, 3, 1, 11},
			2,
		},
	} {
		table, err := Compile(c.m, clock)
		if err != nil {
			t.Fatal(err)
		}
		if got := table.ids(table.List(c.partition)); !slices.Equal(got, c.list) {
			t.Errorf("%s: partition %d has list %d, want %d", c.claim, c.partition, got, c.list)
		}
		if got := table.ids(table.Owners(c.partition)); !slices.Equal(got, c.list[:c.owners]) {
			t.Errorf("%s: partition %d has owners %d, want %d", c.claim, c.partition, got, c.list[:c.owners])
		}
	}
}

// Node 15 is the nearest of partitions 3 to 15; its bound is 8 of 16, so it hands on the farthest, 3 to 7.
func TestAboveItsBoundANodeHandsOnWhatIsFarthest(t *testing.T) {
	table, err := Compile(hours(1, "2 ax", "15 ax"), clock)
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	for p := range table.Partitions() {
		got = append(got, table.ids(table.Owners(p))...)
	}
	if want := []uint64{2, 2, 2, 2, 2, 2, 2, 2, 15, 15, 15, 15, 15, 15, 15, 15}; !slices.Equal(got, want) {
		t.Errorf("owners by partition are %d, want %d", got, want)
	}
}

func TestJoiningNodesOwnNothingAndLeavingOnesStillDo(t *testing.T) {
	m := hours(3, "1 ax", "5 ax", "6 ax", "13 ax")
	for i, s := range []State{Active, Joining, Leaving, Removed} {
		m.Nodes[i].State = s
	}
	table, err := Compile(m, clock)
	if err != nil {
		t.Fatal(err)
	}
	if got := table.ids(table.List(0)); !slices.Equal(got, []uint64{1, 6}) {
		t.Errorf("list is %d, want 1 and 6", got)
	}
	if _, ok := table.Index(13); ok || len(table.Nodes()) != 3 {
		t.Errorf("removed node is among %v", table.Nodes())
	}
	if i, ok := table.Index(5); !ok || table.Nodes()[i].ID != 5 {
		t.Error("joining node cannot be found")
	}
	if owned, first := table.Owned(0); owned != 16 || first != 11 || table.Share(0) != 1 || table.Share(1) != 0 {
		t.Errorf("node 1 owns %d, %d first, share %v; node 5 has share %v", owned, first, table.Share(0), table.Share(1))
	}
}

func TestAMapWithoutNodesCompiles(t *testing.T) {
	table := compile(t, &Map{ClusterID: 1, Cluster: "new", Partitions: 1})
	if len(table.List(table.Partition(Slots-1))) != 0 {
		t.Error("owners out of nowhere")
	}
}

func TestSlotsFallIntoPartitionsInOrder(t *testing.T) {
	for partitions := uint32(1); partitions <= Slots; partitions *= 2 {
		table := compile(t, &Map{ClusterID: 1, Cluster: "new", Partitions: partitions})
		for slot := range uint32(Slots) {
			if got, want := table.Partition(uint16(slot)), slot/(Slots/partitions); got != want {
				t.Fatalf("of %d partitions, slot %d is in %d, want %d", partitions, slot, got, want)
			}
		}
	}
}

// anyCluster draws nodes of several datacenters, racks and weights.
func anyCluster(t *rapid.T) *Map {
	m := &Map{ClusterID: 7, Cluster: "test", Partitions: 1 << rapid.IntRange(0, 8).Draw(t, "partitions")}
	m = m.WithNamespace(Namespace{Name: "default", Replicas: uint8(rapid.IntRange(1, 7).Draw(t, "replicas"))})
	for range rapid.IntRange(0, 20).Draw(t, "nodes") {
		m = m.With(Node{
			ID: rapid.Uint64Min(1).Draw(t, "id"), State: State(rapid.IntRange(1, 4).Draw(t, "state")),
			Datacenter: rapid.SampledFrom([]string{"east", "west"}).Draw(t, "datacenter"),
			Rack:       rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "rack"),
			Weight:     rapid.SampledFrom([]uint32{1, 50, 100, 100, 100, 400}).Draw(t, "weight"),
		})
	}
	return m
}

// Invariants 2 and 3, against a count by hand.
func TestOwnersAreDistinctAndSpreadOverRacks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyCluster(t)
		table := compile(t, m)
		for d, name := range table.Datacenters() {
			nodes, racks := 0, make(map[string]int)
			for _, n := range m.Nodes {
				if n.Datacenter == name && n.State.Owns() {
					nodes++
					racks[n.Rack]++
				}
			}
			want := min(m.Replicas(), nodes)
			for p := range table.Partitions() {
				checkPlaces(t, table, p, uint8(d), want, min(2*want, nodes), racks)
			}
		}
	})
}

func checkPlaces(t *rapid.T, table *Table, p uint32, datacenter uint8, owners, places int, racks map[string]int) {
	seen, in := make(map[uint16]bool), make(map[string]int)
	got := 0
	for i, place := range table.List(p) {
		if place.Owner != (i < len(table.Owners(p))) {
			t.Fatalf("partition %d: owners and fallbacks are mixed: %v", p, table.List(p))
		}
		if place.Datacenter != datacenter {
			continue
		}
		if n := table.Nodes()[place.Node]; seen[place.Node] || !n.State.Owns() || n.Datacenter != table.Datacenters()[datacenter] {
			t.Fatalf("partition %d: node %+v should not be there or not twice", p, n)
		}
		seen[place.Node] = true
		if place.Owner {
			got++
			in[table.Nodes()[place.Node].Rack]++
		}
	}
	if got != owners || len(seen) != places {
		t.Fatalf("partition %d has %d owners of %d places, want %d of %d", p, got, len(seen), owners, places)
	}
	for a := range racks {
		for b := range racks {
			if in[a] > in[b]+1 && in[b] < racks[b] {
				t.Fatalf("partition %d has %d owners in rack %s and %d of %d in rack %s", p, in[a], a, in[b], racks[b], b)
			}
		}
	}
}

// Invariant 4, and the report: what is above the bound of its weight is named.
func TestOneRackIsBalancedByWeight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyCluster(t)
		sum := 0
		for i := range m.Nodes {
			n := &m.Nodes[i]
			n.Datacenter, n.Rack, n.State, n.Weight = "dc", "", Active, max(50, min(n.Weight, 100))
			sum += int(n.Weight)
		}
		if len(m.Nodes) < 2*m.Replicas() {
			return // a node of double weight may have to own everything
		}
		table := compile(t, m)
		for i, n := range m.Nodes {
			load, _ := table.Owned(uint16(i))
			fair := float64(int(table.partitions)*m.Replicas()*int(n.Weight)) / float64(sum)
			if float64(load) > max(fair*1.05, fair+1) {
				t.Fatalf("node %d of weight %d owns %d partitions, fair are %.1f", i, n.Weight, load, fair)
			}
		}
		if r := table.Reports(); r[0].Exceeded != nil {
			t.Fatalf("report claims %v", r)
		}
	})
}

// Invariant 4: of three equal racks each has one owner of every partition, so balance is a matter within a rack.
func TestThreeEqualRacksAreBalancedWithinFivePercent(t *testing.T) {
	for seed := range uint64(10) {
		table := compile(t, mapOf(seed, 4096, 27, 3))
		if got := balance(table); got > 1.05 {
			t.Errorf("seed %d: balance is %.4f", seed, got)
		}
		if r := table.Reports()[0]; r.Exceeded != nil || r.Shared != 0 || r.Racks != 3 || r.MaxOverMean != balance(table) {
			t.Errorf("seed %d: report is %+v", seed, r)
		}
	}
}

func TestABoundThatRacksMakeImpossibleIsExceededAndReported(t *testing.T) {
	m := mapOf(1, 4096, 6, 1)
	for i, rack := range []string{"a", "b", "c", "c", "c", "c"} {
		m.Nodes[i].Rack = rack
	}
	r := compile(t, m).Reports()[0]
	if !slices.Equal(r.Exceeded, []uint64{m.Nodes[0].ID, m.Nodes[1].ID}) || r.MaxOverMean != 2 || r.Shared != 0 {
		t.Errorf("report is %+v, want the two nodes that are alone in their racks", r)
	}
}

// Of four owners each rack has one at least, so the light nodes share the one place of their rack.
func TestARackOfLightNodesStillSharesWhatTheRackRuleGivesIt(t *testing.T) {
	m := mapOf(1, 4096, 6, 3).WithNamespace(Namespace{Name: "wide", Replicas: 4})
	weights := map[string]uint32{"0": 1, "1": 400, "2": 400}
	for i := range m.Nodes {
		m.Nodes[i].Weight = weights[m.Nodes[i].Rack]
	}
	table := compile(t, m)
	for i, n := range m.Nodes {
		if share := table.Share(uint16(i)); n.Weight == 1 && (share < 0.475 || share > 0.525) {
			t.Errorf("a light node holds %.3f of the data, want half", share)
		}
	}
}

// Invariant 4.
func TestNoNodeStaysAboveItsBoundWhileItsRackHasRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := compile(t, anyCluster(t))
		var nodes []uint16
		for i, n := range table.nodes {
			if n.State.Owns() {
				nodes = append(nodes, uint16(i))
			}
		}
		if len(nodes) == 0 {
			return
		}
		shift := uint8(64 - bits.TrailingZeros32(table.partitions))
		s := newSpread(newCircle(table.nodes, nodes, table.partitions, shift, xxhash.Sum64), table.nodes, 3)
		for p := range table.partitions {
			for _, x := range s.of(p) {
				for y := range uint16(len(nodes)) {
					if s.over(x) && s.rack[x] == s.rack[y] && s.load[y] < s.bound[y] && !slices.Contains(s.of(p), y) {
						t.Fatalf("partition %d stays with node %d (%d of %d) though node %d has room (%d of %d)",
							p, x, s.load[x], s.bound[x], y, s.load[y], s.bound[y])
					}
				}
			}
		}
	})
}

// Invariant 1.
func TestTheTableDependsOnTheMapAloneNotOnHowItWasMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyCluster(t)
		other := &Map{ClusterID: m.ClusterID, Cluster: m.Cluster, Partitions: m.Partitions, Namespaces: m.Namespaces}
		for _, n := range rapid.Permutation(m.Nodes).Draw(t, "order") {
			other = other.With(n)
		}
		if !reflect.DeepEqual(compile(t, m), compile(t, other)) {
			t.Fatal("two orders, two tables")
		}
		if m.Hash(xxhash.Sum64) != other.Hash(xxhash.Sum64) {
			t.Fatal("two orders, two hashes")
		}
	})
}

func TestRecompilingComesToWhatCompilingDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyCluster(t)
		table := compile(t, m)
		if len(m.Nodes) == 0 {
			t.Skip("no node to change")
		}
		n := rapid.SampledFrom(m.Nodes).Draw(t, "node")
		n.Version++
		switch rapid.IntRange(0, 6).Draw(t, "change") {
		case 0:
			n.Boot, n.PeerAddr = n.Boot+1, "elsewhere:1"
		case 1:
			n.State = rapid.SampledFrom([]State{Joining, Active, Leaving, Removed}).Draw(t, "state")
		case 2:
			n.Weight++
		case 3:
			n.Rack += "x"
		case 4:
			n.Datacenter += "x"
		case 5:
			n.ID = rapid.Uint64Min(1).Draw(t, "id")
		case 6:
			ns := m.Namespaces[0]
			ns.Version, ns.Replicas = ns.Version+1, ns.Replicas%3+1
			m = m.WithNamespace(ns)
		}
		m = m.With(n)
		got, err := table.Recompile(m, xxhash.Sum64)
		want, wantErr := Compile(m, xxhash.Sum64)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(got, want) {
			t.Fatalf("recompiled %+v, %v, compiled %+v, %v", got, err, want, wantErr)
		}
	})
}

func TestARestartIsCompiledWithoutPlacingAnything(t *testing.T) {
	m := mapOf(1, Slots, 30, 3)
	table := compile(t, m)
	n := m.Nodes[7]
	n.Version, n.Boot = n.Version+1, n.Boot+1
	next, err := table.Recompile(m.With(n), func([]byte) uint64 { t.Fatal("something is placed"); return 0 })
	if err != nil || next.Nodes()[7].Boot != n.Boot || table.Nodes()[7].Boot == n.Boot {
		t.Fatalf("%v, boot %d", err, next.Nodes()[7].Boot)
	}
}

// Invariant 1: what every node must agree on is pinned, so that a change of it cannot go unseen.
func TestPlacementIsPinned(t *testing.T) {
	table := compile(t, mapOf(1, 4096, 30, 3))
	var b []byte
	for p := range table.Partitions() {
		for _, place := range table.List(p) {
			b = append(b, byte(place.Node>>8), byte(place.Node))
		}
	}
	if got, want := xxhash.Sum64(b), uint64(0x7415ae16364bff49); got != want {
		t.Errorf("the lists hash to %#x, want %#x: nodes of two releases would disagree on owners", got, want)
	}
}

func TestLookUpAllocatesNothing(t *testing.T) {
	table := compile(t, mapOf(1, Slots, 30, 3))
	key := []byte("{user1000}.following")
	if n := testing.AllocsPerRun(100, func() {
		p := table.Partition(Slot(key))
		if len(table.Owners(p)) != 3 || len(table.List(p)) != 6 {
			t.Fatal("not three owners of six places")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
