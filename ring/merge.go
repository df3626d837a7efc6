package ring

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrCluster is returned for two maps of clusters that were never one: they are kept apart.
var ErrCluster = errors.New("ring: maps of two different clusters")

// ErrPartitions is returned for two maps of one cluster that disagree on the number of partitions.
var ErrPartitions = errors.New("ring: maps with different numbers of partitions")

// Merge returns what a and b know together, as a new map, and whether that is more than a knows; it changes
// neither. Of two versions of a node the greater in this order stands: removed (final for an id), version,
// later state, canonical bytes; of two of a namespace what Namespace.Merge says. The order is total, so merging is commutative, associative and idempotent,
// and nodes agree whatever came in which order. Two valid maps may merge into one that breaks a limit;
// Validate tells, and refusing it is up to the caller. Errors: ErrCluster, ErrPartitions.
func Merge(a, b *Map) (*Map, bool, error) {
	if a.ClusterID != b.ClusterID || a.Cluster != b.Cluster {
		return nil, false, fmt.Errorf("%w: %q (%016x) and %q (%016x): check the join addresses",
			ErrCluster, a.Cluster, a.ClusterID, b.Cluster, b.ClusterID)
	}
	if a.Partitions != b.Partitions {
		return nil, false, fmt.Errorf("%w: %d and %d: the number is fixed when a cluster is born",
			ErrPartitions, a.Partitions, b.Partitions)
	}
	m := &Map{ClusterID: a.ClusterID, Cluster: a.Cluster, Partitions: a.Partitions}
	m.Nodes = mergeSorted(a.Nodes, b.Nodes, compareIDs, laterNode)
	m.Namespaces = mergeSorted(a.Namespaces, b.Namespaces, compareNames, Namespace.Merge)
	changed := !slices.Equal(m.Nodes, a.Nodes) || !slices.Equal(m.Namespaces, a.Namespaces)
	return m, changed, nil
}

// mergeSorted unites two sorted lists; two items with one key are joined.
func mergeSorted[T any](a, b []T, key func(x, y *T) int, join func(x, y T) T) []T {
	out := make([]T, 0, max(len(a), len(b)))
	for len(a) > 0 && len(b) > 0 {
		c := key(&a[0], &b[0])
		switch {
		case c < 0:
			out = append(out, a[0])
		case c > 0:
			out = append(out, b[0])
		default:
			out = append(out, join(a[0], b[0]))
		}
		if c <= 0 {
			a = a[1:]
		}
		if c >= 0 {
			b = b[1:]
		}
	}
	return append(append(out, a...), b...)
}

func compareIDs(x, y *Node) int        { return cmp.Compare(x.ID, y.ID) }
func compareNames(x, y *Namespace) int { return cmp.Compare(x.Name, y.Name) }

func laterNode(x, y Node) Node {
	if compareNodes(&x, &y) < 0 {
		return y
	}
	return x
}

// compareNodes leaves version and state to the canonical bytes, which begin with them.
func compareNodes(x, y *Node) int {
	if (x.State == Removed) != (y.State == Removed) {
		return cmp.Compare(x.State, y.State)
	}
	if *x == *y {
		return 0
	}
	return bytes.Compare(x.appendCanonical(nil), y.appendCanonical(nil))
}
