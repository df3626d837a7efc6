package vclock

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Invariant 1, for every number of lanes, with a wall clock that jumps both ways.
func TestClockGrowsPassesWallAndAboveAndStaysInItsLane(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lanes := 1 << rapid.IntRange(0, 10).Draw(t, "lanes")
		lane := rapid.IntRange(0, lanes-1).Draw(t, "lane")
		c := NewClock(lane, lanes)
		for range 8 {
			last := c.Last()
			wall := rapid.Int64Range(-5, 20).Draw(t, "wall")
			above := Stamp(rapid.Uint64Range(0, 21<<logicalBits).Draw(t, "above"))
			s := c.Next(wall, above)
			if s <= last || s <= above || s < StampAt(wall) {
				t.Fatalf("Next(%d, %v) after %v is %v", wall, above, last, s)
			}
			if int(s)%lanes != lane {
				t.Fatalf("stamp %d of lane %d of %d lies in lane %d", s, lane, lanes, int(s)%lanes)
			}
			if highest := max(last, above, StampAt(wall)); s > highest+Stamp(lanes) {
				t.Fatalf("Next(%d, %v) after %v is %v: further than one round of lanes", wall, above, last, s)
			}
			if c.Last() != s {
				t.Fatalf("Last is %v after %v", c.Last(), s)
			}
		}
	})
}

func TestClockLanesNeverIssueTheSameStamp(t *testing.T) {
	const lanes = 8
	issued := map[Stamp]int{}
	for lane := range lanes {
		c := NewClock(lane, lanes)
		for i := range 2000 {
			s := c.Next(int64(i%7), Stamp(i%13))
			if other, ok := issued[s]; ok {
				t.Fatalf("lanes %d and %d both issued %v", other, lane, s)
			}
			issued[s] = lane
		}
	}
}

func TestClockNeverIssuesTheZeroStamp(t *testing.T) {
	c := NewClock(0, 1)
	if s := c.Next(0, 0); s == 0 {
		t.Fatal("the first stamp names no write")
	}
}

// A counter that wrapped would issue a dot twice; a search for the next free stamp would never end.
func TestClockThatRanOutOfStampsPanicsInsteadOfWrapping(t *testing.T) {
	for _, above := range []Stamp{math.MaxUint64, math.MaxUint64 - 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Fatalf("a stamp above %v was issued", above)
				}
			}()
			c := NewClock(0, 4)
			c.Next(0, above)
		}()
	}
}

func TestClockRefusesLanesThatWouldCollide(t *testing.T) {
	for _, bad := range [][2]int{{0, 0}, {0, 3}, {0, 2048}, {-1, 4}, {4, 4}, {0, -4}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Fatalf("NewClock(%d, %d) was made", bad[0], bad[1])
				}
			}()
			NewClock(bad[0], bad[1])
		}()
	}
}

func TestStampKeepsMillisecondsAndClampsWhatItCannotHold(t *testing.T) {
	for _, c := range []struct{ in, out int64 }{
		{0, 0},
		{1, 1},
		{1_700_000_000_000, 1_700_000_000_000},
		{-1, 0},
		{math.MinInt64, 0},
		{MillisMax, MillisMax},
		{MillisMax + 1, MillisMax},
		{math.MaxInt64, MillisMax},
	} {
		if got := StampAt(c.in).Millis(); got != c.out {
			t.Errorf("StampAt(%d) holds %d ms, want %d", c.in, got, c.out)
		}
	}
	if got := (StampAt(1_700_000_000_000) + 5).String(); got != "1700000000000.5" {
		t.Errorf("a stamp shows as %q", got)
	}
}

func TestDotsAreTotallyOrderedByStampThenNodeThenBoot(t *testing.T) {
	sorted := []Dot{
		{},
		{Actor{1, 1}, 1},
		{Actor{1, 2}, 1},
		{Actor{2, 1}, 1},
		{Actor{1, 1}, 2},
	}
	for i, a := range sorted {
		for j, b := range sorted {
			if got, want := a.Compare(b), compareInts(i, j); got != want {
				t.Errorf("%v to %v compares %d, want %d", a, b, got, want)
			}
		}
	}
}

func compareInts(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func BenchmarkClockNext(b *testing.B) {
	c := NewClock(3, 16)
	for b.Loop() {
		c.Next(1_700_000_000_000, 0)
	}
}
