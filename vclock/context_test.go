package vclock

import (
	"testing"

	"pgregory.net/rapid"
)

// Invariant 2 under every function that changes a context, in any order.
func TestContextStaysCanonicalAndNeverUnsees(t *testing.T) {
	dots := allDots()
	rapid.Check(t, func(t *rapid.T) {
		c := drawContext(t)
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			before := c.CopyInto(nil)
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				d := drawDot(t)
				c.Add(d)
				if !c.Contains(d) {
					t.Fatalf("%v does not contain %v, just added", c, d)
				}
			case 1:
				s := drawStamp(t)
				c.Raise(s)
				if want := max(s, before.Floor); c.Floor != want {
					t.Fatalf("floor %v, want %v", c.Floor, want)
				}
			case 2:
				n := rapid.IntRange(-1, actorCount).Draw(t, "actors")
				c.Cap(n)
				if len(c.Seen) > max(n, 0) {
					t.Fatalf("%d actors after Cap(%d)", len(c.Seen), n)
				}
			case 3:
				o := drawContext(t)
				c = Join(&c, &o)
			}
			if !isCanonical(&c) {
				t.Fatalf("not canonical: %v, before: %v", c, before)
			}
			for _, d := range dots {
				if before.Contains(d) && !c.Contains(d) {
					t.Fatalf("%v was seen in %v, not in %v", d, before, c)
				}
			}
		}
	})
}

// What a function of contexts means is said by the dots they contain, one by one.
func TestContextCoversAndJoinAreSubsetAndUnionOfWhatWasSeen(t *testing.T) {
	dots := allDots()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawContext(t), drawContext(t)
		join := Join(&a, &b)
		subset := b.Floor <= a.Floor // a floor also counts the dots of actors nobody has heard of
		for _, d := range dots {
			inA, inB := a.Contains(d), b.Contains(d)
			subset = subset && (inA || !inB)
			if join.Contains(d) != (inA || inB) {
				t.Fatalf("%v contains %v: %t", join, d, join.Contains(d))
			}
		}
		if join.Floor != max(a.Floor, b.Floor) {
			t.Fatalf("floor of the join of %v and %v is %v", a, b, join.Floor)
		}
		if a.Covers(&b) != subset {
			t.Fatalf("%v covers %v: %t", a, b, a.Covers(&b))
		}
	})
}

// Invariant 3.
func TestContextCoversIsAPartialOrderAndJoinItsLeastUpperBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawContext(t), drawContext(t), drawContext(t)
		ab, ba, bc := Join(&a, &b), Join(&b, &a), Join(&b, &c)
		left, right, twice := Join(&ab, &c), Join(&a, &bc), Join(&a, &a)
		switch {
		case !a.Covers(&a):
			t.Fatal("not reflexive")
		case a.Covers(&b) && b.Covers(&a) && !a.Equal(&b):
			t.Fatalf("%v and %v cover each other and differ", a, b)
		case a.Covers(&b) && b.Covers(&c) && !a.Covers(&c):
			t.Fatal("not transitive")
		case !ab.Covers(&a) || !ab.Covers(&b):
			t.Fatal("the join is no upper bound")
		case c.Covers(&a) && c.Covers(&b) && !c.Covers(&ab):
			t.Fatalf("the join %v of %v and %v is not the least: %v", ab, a, b, c)
		case a.Covers(&b) && !ab.Equal(&a):
			t.Fatalf("%v covers %v, their join is %v", a, b, ab)
		case !ab.Equal(&ba) || !left.Equal(&right) || !twice.Equal(&a):
			t.Fatal("Join is not commutative, associative and idempotent in canonical form")
		}
	})
}

// Cap gives up the oldest first, and no more than it must.
func TestContextCapKeepsTheNewestDots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawContext(t)
		before := c.CopyInto(nil)
		n := rapid.IntRange(0, actorCount).Draw(t, "actors")
		c.Cap(n)
		if len(before.Seen) <= n {
			if !c.Equal(&before) {
				t.Fatalf("Cap(%d) changed %v to %v", n, before, c)
			}
			return
		}
		// The floor is the stamp of a dot that had to go: fewer than n+1 dots lie above it, the rest below.
		above, atOrAbove := 0, 0
		for _, d := range before.Seen {
			if d.Stamp > c.Floor {
				above++
			}
			if d.Stamp >= c.Floor {
				atOrAbove++
			}
		}
		if above != len(c.Seen) || above > n || atOrAbove <= n {
			t.Fatalf("Cap(%d) of %v is %v", n, before, c)
		}
	})
}

func TestContextCopySharesNoMemory(t *testing.T) {
	c := Context{Seen: []Dot{{actor(0), 3}, {actor(1), 4}}}
	o := c.CopyInto(nil)
	o.Add(Dot{actor(0), 9})
	j := Join(&c, &Context{})
	j.Add(Dot{actor(1), 9})
	if c.Seen[0].Stamp != 3 || c.Seen[1].Stamp != 4 {
		t.Fatalf("a copy's change reached the original: %v", c)
	}
}

func TestContextCopyIntoReusesItsMemory(t *testing.T) {
	c := Context{Floor: 1, Seen: []Dot{{actor(0), 3}, {actor(1), 4}}}
	dst := make([]Dot, 0, 2)
	if n := testing.AllocsPerRun(100, func() { c.CopyInto(dst) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
