package ring

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"
)

// anyMap draws from so few ids, versions and names that maps meet in every item.
func anyMap(t *rapid.T) *Map {
	m := &Map{ClusterID: 7, Cluster: "test", Partitions: 16}
	for range rapid.IntRange(0, 4).Draw(t, "nodes") {
		m = m.With(Node{
			ID: rapid.Uint64Range(1, 4).Draw(t, "id"), Version: rapid.Uint64Range(0, 2).Draw(t, "version"),
			State: State(rapid.IntRange(1, 4).Draw(t, "state")), Boot: rapid.Uint64Range(0, 1).Draw(t, "boot"),
			Name: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "name"), Weight: StandardWeight,
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "namespaces") {
		m = m.WithNamespace(Namespace{
			Name: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "namespace"), Version: rapid.Uint64Range(0, 2).Draw(t, "version"),
			Replicas: uint8(rapid.IntRange(1, 3).Draw(t, "replicas")), Mode: Mode(rapid.IntRange(0, 1).Draw(t, "mode")),
			TTL: rapid.Int64Range(0, 1).Draw(t, "ttl"), Epoch: rapid.Uint32Range(0, 2).Draw(t, "epoch"), Dropped: rapid.Bool().Draw(t, "dropped"),
		})
	}
	return m
}

func merge(t *rapid.T, a, b *Map) *Map {
	beforeA, beforeB := a.Clone(), b.Clone()
	m, changed, err := Merge(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if !same(a, beforeA) || !same(b, beforeB) {
		t.Fatal("merging changed a map it was given")
	}
	if changed == same(m, a) {
		t.Fatalf("changed is %v, from %v to %v", changed, a, m)
	}
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	return m
}

func same(a, b *Map) bool { return fmt.Sprintf("%+v", *a) == fmt.Sprintf("%+v", *b) }

// Invariant 5; I5 of docs/CONSISTENCY.md.
func TestMergeIsCommutativeAssociativeAndIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyMap(t), anyMap(t), anyMap(t)
		ab := merge(t, a, b)
		if ba := merge(t, b, a); !same(ab, ba) {
			t.Fatalf("a+b is %+v, b+a is %+v", ab, ba)
		}
		if x, y := merge(t, ab, c), merge(t, a, merge(t, b, c)); !same(x, y) {
			t.Fatalf("(a+b)+c is %+v, a+(b+c) is %+v", x, y)
		}
		if again := merge(t, ab, b); !same(again, ab) {
			t.Fatalf("a+b is %+v, +b is %+v", ab, again)
		}
	})
}

// Invariant 5.
func TestRemovedIsFinalWhateverTheVersion(t *testing.T) {
	m := mapOf(1, 16, 2, 1)
	gone, back := m.Nodes[0], m.Nodes[0]
	gone.State, back.Version = Removed, 9
	for _, pair := range [][2]*Map{{m.With(gone), m.With(back)}, {m.With(back), m.With(gone)}} {
		merged, _, err := Merge(pair[0], pair[1])
		if err != nil || merged.Node(gone.ID).State != Removed {
			t.Errorf("merged to %+v, %v", merged, err)
		}
	}
}

func TestMergeTakesTheVersionThenTheLaterState(t *testing.T) {
	m := mapOf(1, 16, 1, 1)
	n := m.Nodes[0]
	leaving, newer := n, n
	leaving.State = Leaving
	newer.State, newer.Version = Joining, 1
	for _, c := range []struct{ a, b, want Node }{{n, leaving, leaving}, {leaving, newer, newer}} {
		merged, changed, err := Merge(m.With(c.a), m.With(c.b))
		if err != nil || !changed || merged.Nodes[0] != c.want {
			t.Errorf("%+v and %+v merge to %+v, %v, %v", c.a, c.b, merged, changed, err)
		}
	}
}

// Invariant 6; I15 of docs/CONSISTENCY.md.
func TestMapsOfTwoClustersNeverMerge(t *testing.T) {
	a := mapOf(1, 16, 1, 1)
	id, name, partitions := a.Clone(), a.Clone(), a.Clone()
	id.ClusterID, name.Cluster, partitions.Partitions = 8, "other", 32
	for b, want := range map[*Map]error{id: ErrCluster, name: ErrCluster, partitions: ErrPartitions} {
		if m, changed, err := Merge(a, b); m != nil || changed || !errors.Is(err, want) {
			t.Errorf("merged to %v, %v, %v; want %v", m, changed, err, want)
		}
	}
}

// Every field of an item decides which of two is the greater, and is part of the map's hash.
func TestEveryFieldCountsInMergeAndHash(t *testing.T) {
	m := mapOf(1, 16, 1, 1)
	fields := reflect.TypeFor[Node]().NumField()
	for i := 1; i < fields; i++ {
		n := m.Nodes[0]
		switch f := reflect.ValueOf(&n).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString(f.String() + "x")
		default:
			f.SetUint(f.Uint() + 1)
		}
		other := m.With(n)
		if other.Hash(xxhash.Sum64) == m.Hash(xxhash.Sum64) {
			t.Errorf("field %d is not part of the hash", i)
		}
		ab, _, _ := Merge(m, other)
		ba, _, _ := Merge(other, m)
		if !same(ab, ba) {
			t.Errorf("field %d does not decide: %+v and %+v", i, ab, ba)
		}
	}
}

func TestARestartLeavesThePlacementHash(t *testing.T) {
	m := mapOf(1, 16, 3, 3)
	hash := m.PlacementHash(xxhash.Sum64)
	restarted := m.Nodes[0]
	restarted.Boot, restarted.PeerAddr, restarted.Version = 5, "10.0.0.9:1", 5
	if m.With(restarted).PlacementHash(xxhash.Sum64) != hash {
		t.Error("a restart changes the placement hash")
	}
	for name, change := range map[string]func(n *Node){
		"state":      func(n *Node) { n.State = Removed },
		"weight":     func(n *Node) { n.Weight++ },
		"rack":       func(n *Node) { n.Rack = "other" },
		"datacenter": func(n *Node) { n.Datacenter = "other" },
	} {
		n := m.Nodes[0]
		change(&n)
		if m.With(n).PlacementHash(xxhash.Sum64) == hash {
			t.Errorf("%s does not change the placement hash", name)
		}
	}
	if m.WithNamespace(Namespace{Name: "wide", Replicas: 5}).PlacementHash(xxhash.Sum64) == hash {
		t.Error("a wider namespace does not change the placement hash")
	}
}
