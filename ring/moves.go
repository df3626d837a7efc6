package ring

import "slices"

// Move is what a change of the map does to the owners of one partition.
type Move struct {
	Partition uint32
	Gained    []uint64 // ids of nodes that own it in the new table only, sorted
	Lost      []uint64 // ids of nodes that own it in the old table only, sorted
}

// Moves returns what changes from one table to another of the same cluster, sorted by partition; partitions
// that keep their owners are left out. The caller owns the result.
func Moves(from, to *Table) []Move {
	if from.partitions != to.partitions {
		panic("ring: tables with different numbers of partitions: they are not of one cluster")
	}
	var moves []Move
	var before, after []uint64
	for p := range from.partitions {
		before, after = from.appendOwners(before[:0], p), to.appendOwners(after[:0], p)
		gained, lost := without(after, before), without(before, after)
		if gained != nil || lost != nil {
			moves = append(moves, Move{Partition: p, Gained: gained, Lost: lost})
		}
	}
	return moves
}

func (t *Table) appendOwners(ids []uint64, p uint32) []uint64 {
	for _, place := range t.Owners(p) {
		ids = append(ids, t.nodes[place.Node].ID)
	}
	slices.Sort(ids)
	return ids
}

// without returns those of ids that are not among others, or nil.
func without(ids, others []uint64) []uint64 {
	var out []uint64
	for _, id := range ids {
		if !slices.Contains(others, id) {
			out = append(out, id)
		}
	}
	return out
}
