package ring

import (
	"reflect"
	"testing"
)

// joins compiles maps before and after one node joins, over several random clusters, and returns the mean
// of what moved against the fair part of the new node, and the worst.
func joins(t *testing.T, partitions uint32, nodes, racks, runs int) (mean, worst float64) {
	for run := range runs {
		after := mapOf(uint64(run), partitions, nodes+1, racks)
		joined := after.Nodes[run%len(after.Nodes)]
		joined.State = Joining
		before := after.With(joined)
		from, to := compile(t, before), compile(t, after)
		moved := 0
		for _, m := range Moves(from, to) {
			moved += len(m.Gained)
			if len(m.Gained) != len(m.Lost) {
				t.Fatalf("partition %d gains %x and loses %x", m.Partition, m.Gained, m.Lost)
			}
		}
		ratio := float64(moved) * float64(nodes+1) / float64(3*partitions)
		mean += ratio / float64(runs)
		worst = max(worst, ratio)
		if racks == 1 && balance(to) > 1.05 {
			t.Errorf("run %d: balance after the join is %.4f", run, balance(to))
		}
	}
	return mean, worst
}

// The limits are the measured means and a little: at 100 nodes 164 partitions a node are few, and the
// racks leave each of them a choice of its own.
func TestAJoinMovesLittleMoreThanItsShare(t *testing.T) {
	for _, c := range []struct {
		partitions   uint32
		nodes, racks int
		mean         float64
	}{
		{4096, 5, 1, 1.01},
		{4096, 9, 3, 1.01},
		{4096, 26, 1, 1.04},
		{4096, 27, 3, 1.05},
		{16384, 30, 3, 1.06},
		{16384, 100, 1, 1.08},
		{16384, 100, 3, 1.11},
		{16384, 100, 10, 1.11},
	} {
		mean, worst := joins(t, c.partitions, c.nodes, c.racks, 20)
		t.Logf("%5d partitions, %3d nodes, %2d racks: moved %.3f of the ideal, at worst %.3f", c.partitions, c.nodes, c.racks, mean, worst)
		if mean > c.mean {
			t.Errorf("%d partitions, %d nodes, %d racks: moved %.3f of the ideal, want at most %.2f", c.partitions, c.nodes, c.racks, mean, c.mean)
		}
	}
}

func TestAChangeThatIsNotOfPlacementMovesNothing(t *testing.T) {
	m := mapOf(1, 4096, 9, 3)
	restarted, leaving := m.Nodes[0], m.Nodes[1]
	restarted.Boot, leaving.State = 2, Leaving
	if moves := Moves(compile(t, m), compile(t, m.With(restarted).With(leaving))); moves != nil {
		t.Errorf("%d partitions move, the first %+v", len(moves), moves[0])
	}
}

func TestMovesNameWhoGainsAndWhoLoses(t *testing.T) {
	m := hours(1, "1 ax", "9 ax")
	before, err := Compile(m, clock)
	if err != nil {
		t.Fatal(err)
	}
	gone := *m.Node(9)
	gone.State = Removed
	after, err := Compile(m.With(gone), clock)
	if err != nil {
		t.Fatal(err)
	}
	moves := Moves(before, after)
	if len(moves) != 8 {
		t.Fatalf("%d partitions move, want the 8 of node 9", len(moves))
	}
	for i, move := range moves {
		if want := (Move{Partition: uint32(i + 2), Gained: []uint64{1}, Lost: []uint64{9}}); !reflect.DeepEqual(move, want) {
			t.Errorf("move %d is %+v, want %+v", i, move, want)
		}
	}
}
