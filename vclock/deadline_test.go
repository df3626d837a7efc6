package vclock

import (
	"testing"

	"pgregory.net/rapid"
)

// Invariant 9: a total order, so that every replica keeps the same register.
func TestDeadlinesAreOrderedByStampThenTimeWithNeverLast(t *testing.T) {
	sorted := []Deadline{
		{At: 1, Stamp: 0},
		{At: 9, Stamp: 0},
		{At: 0, Stamp: 0}, // never: the latest of its stamp
		{At: 1, Stamp: 2},
		{At: 9, Stamp: 2},
		{At: 0, Stamp: 2},
		{At: 3, Stamp: 3},
	}
	for i, a := range sorted {
		for j, b := range sorted {
			if got, want := a.Compare(b), compareInts(i, j); got != want {
				t.Errorf("%v to %v compares %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestDeadlinePassesAtItsMillisecondAndNeverWhenItIsZero(t *testing.T) {
	for _, c := range []struct {
		at, wall int64
		want     bool
	}{{5, 4, false}, {5, 5, true}, {5, 6, true}, {0, 1 << 60, false}} {
		if got := (Deadline{At: c.at}).Passed(c.wall); got != c.want {
			t.Errorf("a deadline at %d has passed at %d: %t", c.at, c.wall, got)
		}
	}
}

// I11: EXPIRE and PERSIST write the register without a new dot; no merge may undo them.
func TestMergeKeepsTheLaterRegisterOfOneDotAndTheWinnersOwnOtherwise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSet(t), drawSet(t)
		if rapid.Bool().Draw(t, "same dot") {
			b.Dot = a.Dot
			b.Context.without(b.Dot)
		}
		m := merged(&a, &b)
		want := a.Deadline
		if c := b.Dot.Compare(a.Dot); c > 0 || c == 0 && b.Deadline.Compare(a.Deadline) > 0 {
			want = b.Deadline
		}
		if m.Deadline != want {
			t.Fatalf("%v and %v merge to the register %v, want %v", a, b, m.Deadline, want)
		}
	})
}
