package vclock

import (
	"testing"

	"pgregory.net/rapid"
)

// A world is a few replicas of one key, and beside each Set the plain truth: the writes it stems from, as a
// bit mask. A write has seen its replica's writes and its author's older ones, and nothing else.
type world struct {
	clocks   [actorCount]Clock
	authored [actorCount]uint64 // by actor: the writes it made
	replicas [3]replica
	writes   []write
}

type replica struct {
	set   Set
	known uint64
}

type write struct {
	set  Set
	seen uint64
}

const writesMax = 12

// history runs random writes, by actors whose wall clocks disagree, and random merges. With most and floors
// it caps contexts and lets writes claim to have seen every stamp up to some floor.
func history(t *rapid.T, most int, floors bool) *world {
	w := &world{}
	for i := range w.clocks {
		w.clocks[i] = NewClock(0, 1)
	}
	for range rapid.IntRange(2, 2*writesMax).Draw(t, "steps") {
		r := &w.replicas[rapid.IntRange(0, len(w.replicas)-1).Draw(t, "replica")]
		if len(w.writes) == writesMax || rapid.Bool().Draw(t, "merge") {
			from := &w.replicas[rapid.IntRange(0, len(w.replicas)-1).Draw(t, "from")]
			r.set, r.known = merged(&r.set, &from.set), r.known|from.known
			continue
		}
		above := Stamp(0)
		if floors && rapid.IntRange(0, 3).Draw(t, "floor?") == 0 {
			above = StampAt(int64(rapid.IntRange(0, 3).Draw(t, "floor")))
		}
		w.write(r, rapid.IntRange(0, actorCount-1).Draw(t, "author"), int64(rapid.IntRange(0, 3).Draw(t, "wall")), above, most)
	}
	return w
}

func (w *world) write(r *replica, author int, wall int64, above Stamp, most int) {
	me, bit := actor(author), uint64(1)<<len(w.writes)
	seen := r.known | w.authored[author]
	set := Set{
		Context: Succeed(nil, &r.set, me, above, most),
		Dot:     Dot{Actor: me, Stamp: w.clocks[author].Next(wall, max(r.set.Dot.Stamp, above))},
		Value:   []byte{byte(len(w.writes))},
	}
	w.writes = append(w.writes, write{set, seen})
	w.authored[author] |= bit
	r.set, r.known = merged(&r.set, &set), seen|bit
}

// Without caps and floors a set has seen exactly the writes it stems from, and orders follow.
func TestHistoryConcurrentIsReportedIffNeitherSawTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := history(t, writesMax, false)
		for _, r := range w.replicas {
			for i, x := range w.writes {
				if got, want := r.set.Saw(x.set.Dot), r.known>>i&1 == 1; got != want {
					t.Fatalf("%v saw write %d: %t, in truth %t", r.set, i, got, want)
				}
			}
		}
		for i, x := range w.writes {
			for j, y := range w.writes {
				want := Concurrent
				switch {
				case i == j:
					want = Equal
				case x.seen>>j&1 == 1:
					want = Newer
				case y.seen>>i&1 == 1:
					want = Older
				}
				if got := x.set.Compare(&y.set); got != want {
					t.Fatalf("write %d %v to write %d %v is %v, in truth %v", i, x.set, j, y.set, got, want)
				}
			}
		}
	})
}

// Invariant 4, also with caps and floors: a write that saw another beats it, whatever the wall clocks said.
func TestHistoryNewerByCausalityAlwaysWins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := history(t, rapid.IntRange(0, 3).Draw(t, "most"), true)
		for i, x := range w.writes {
			for j, y := range w.writes {
				if x.seen>>j&1 == 1 && (x.set.Compare(&y.set) != Newer || x.set.Dot.Compare(y.set.Dot) <= 0) {
					t.Fatalf("write %d %v saw write %d %v, and does not beat it", i, x.set, j, y.set)
				}
				if x.set.Compare(&y.set) == Newer {
					if m := merged(&y.set, &x.set); m.Dot != x.set.Dot {
						t.Fatalf("%v is newer than %v, the merge holds %v", x.set, y.set, m)
					}
				}
			}
			checkBelowItsDot(t, &x.set)
		}
		for _, r := range w.replicas {
			checkBelowItsDot(t, &r.set)
		}
	})
}

func checkBelowItsDot(t *rapid.T, s *Set) {
	if s.IsZero() {
		return
	}
	if s.Context.Floor >= s.Dot.Stamp {
		t.Fatalf("the floor of %v reaches its dot", s)
	}
	for _, d := range s.Context.Seen {
		if d.Compare(s.Dot) >= 0 {
			t.Fatalf("%v has seen %v, which is not less", s, d)
		}
	}
	if !isCanonical(&s.Context) {
		t.Fatalf("the context of %v is not canonical", s)
	}
}

// I5 for what real coordinators make, with caps and floors: replicas that heard of the same writes, in any
// order and any number of times, hold the same bytes: the write that none of them supersedes.
func TestHistoryReplicasThatHeardTheSameHoldTheSameAndNoSupersedingWriteIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := history(t, rapid.IntRange(0, 4).Draw(t, "most"), true)
		order := rapid.Permutation(indices(len(w.writes))).Draw(t, "order")
		split := rapid.IntRange(0, len(order)).Draw(t, "split")
		var forward, first, second Set
		for _, x := range w.writes {
			forward = merged(&forward, &x.set)
		}
		for _, i := range order[:split] {
			first = merged(&w.writes[i].set, &first)
		}
		for _, i := range order[split:] {
			second = merged(&second, &w.writes[i].set)
			second = merged(&second, &w.writes[i].set)
		}
		other := merged(&first, &second)
		if canonical(&forward) != canonical(&other) {
			t.Fatalf("in order: %v, in the order %v: %v", forward, order, other)
		}
		for i, x := range w.writes {
			if x.set.Dot == forward.Dot {
				continue
			}
			if !forward.Saw(x.set.Dot) {
				t.Fatalf("the merge of all has not seen write %d", i)
			}
			if x.set.Saw(forward.Dot) {
				t.Fatalf("write %d %v supersedes %v, which is held", i, x.set, forward)
			}
		}
		for _, r := range w.replicas { // what replicas merged meanwhile adds nothing
			if all := merged(&forward, &r.set); canonical(&all) != canonical(&forward) {
				t.Fatalf("a replica at %v knew more than all the writes: %v", r.set, forward)
			}
		}
	})
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// A new write by me, over what a forgetful replica knows and a floor.
func TestSucceedSeesWhatIsKnownAndTheFloorAndLeavesItsAuthorOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		known, me := drawSet(t), drawActor(t)
		before := clone(&known)
		above, most := drawStamp(t), rapid.IntRange(0, actorCount).Draw(t, "most")
		c := Succeed(make([]Dot, 0, 2), &known, me, above, most)
		if canonical(&known) != canonical(&before) {
			t.Fatalf("Succeed changed what was known: %v", known)
		}
		if _, ok := c.find(me); ok || !isCanonical(&c) || len(c.Seen) > most || c.Floor < above {
			t.Fatalf("Succeed over %v by %v above %v, %d actors: %v", known, me, above, most, c)
		}
		for _, d := range allDots() {
			if d.Actor != me && known.Saw(d) && !c.Contains(d) {
				t.Fatalf("Succeed over %v has not seen %v: %v", known, d, c)
			}
		}
	})
}
