package vclock

import (
	"flag"
	"testing"

	"pgregory.net/rapid"
)

// I5 and invariant 5, for any sets: also such as only a broken node would send.
func TestMergeIsCommutativeAssociativeAndIdempotentInBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawSet(t), drawSet(t), drawSet(t)
		if rapid.IntRange(0, 3).Draw(t, "same dot") == 0 { // forks and differing registers, not only by luck
			b.Dot = a.Dot
			b.Context.without(b.Dot)
		}
		a0, b0, c0 := clone(&a), clone(&b), clone(&c)
		ab, ba, bc, aa := merged(&a, &b), merged(&b, &a), merged(&b, &c), merged(&a, &a)
		left, right, again := merged(&ab, &c), merged(&a, &bc), merged(&ab, &b)
		switch {
		case canonical(&aa) != canonical(&a):
			t.Fatalf("merging %v with itself gives %v", a, aa)
		case canonical(&ab) != canonical(&ba):
			t.Fatalf("%v and %v merge to %v, the other way to %v", a, b, ab, ba)
		case canonical(&left) != canonical(&right):
			t.Fatalf("(a b) c is %v, a (b c) is %v", left, right)
		case canonical(&again) != canonical(&ab):
			t.Fatalf("merging b a second time changed %v to %v", ab, again)
		case !isCanonical(&ab.Context):
			t.Fatalf("the context of %v is not canonical", ab)
		case canonical(&a) != canonical(&a0) || canonical(&b) != canonical(&b0) || canonical(&c) != canonical(&c0):
			t.Fatal("Merge changed what it was given")
		}
	})
}

// Invariant 6, for any sets.
func TestMergeHasSeenExactlyWhatEitherHad(t *testing.T) {
	dots := allDots()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSet(t), drawSet(t)
		m := merged(&a, &b)
		for _, d := range dots {
			if m.Saw(d) != (a.Saw(d) || b.Saw(d)) {
				t.Fatalf("merge of %v and %v saw %v: %t", a, b, d, m.Saw(d))
			}
		}
		if m.Dot != a.Dot && m.Dot != b.Dot || m.Dot.Compare(a.Dot) < 0 || m.Dot.Compare(b.Dot) < 0 {
			t.Fatalf("merge of %v and %v holds %v", a.Dot, b.Dot, m.Dot)
		}
		if i, ok := m.Context.find(m.Dot.Actor); ok && m.Context.Seen[i].Stamp <= m.Dot.Stamp {
			t.Fatalf("the context of %v repeats its dot", m)
		}
	})
}

func TestCompareSaysTheOppositeTheOtherWayRound(t *testing.T) {
	opposite := map[Order]Order{Equal: Equal, Newer: Older, Older: Newer, Concurrent: Concurrent, Forked: Forked}
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSet(t), drawSet(t)
		_, order := Merge(&a, &b)
		if back := b.Compare(&a); back != opposite[order] {
			t.Fatalf("%v to %v is %v, the other way %v", a, b, order, back)
		}
	})
}

func TestMergeWithNothingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawSet(t)
		var nothing Set
		if m := merged(&a, &nothing); canonical(&m) != canonical(&a) {
			t.Fatalf("%v became %v", a, m)
		}
		if order := a.Compare(&nothing); !a.IsZero() && order != Newer {
			t.Fatalf("%v is %v than nothing", a, order)
		}
	})
}

// One dot with two contents: no healthy node makes it, but replicas must still agree on what they hold.
func TestMergeOfAForkKeepsTheGreaterBytesAndPrefersATombstone(t *testing.T) {
	dot := Dot{actor(0), 1}
	small, great := Set{Dot: dot, Value: []byte("a")}, Set{Dot: dot, Value: []byte("b")}
	gone := Set{Dot: dot, Tombstone: true}
	for _, c := range []struct{ a, b, want *Set }{
		{&small, &great, &great},
		{&great, &small, &great},
		{&great, &gone, &gone},
		{&gone, &small, &gone},
	} {
		m, order := Merge(c.a, c.b)
		if order != Forked || canonical(&m) != canonical(c.want) {
			t.Errorf("%v and %v: %v, %v", c.a, c.b, m, order)
		}
	}
}

// The usual merges: a write over what it superseded, a repair, a repeat, and a replica hearing of one side
// of a conflict that it has merged already.
func TestMergeAllocatesNothingWhenOneSideCoversBoth(t *testing.T) {
	a := Set{Dot: Dot{actor(0), 5}, Value: []byte("a"), Context: Context{Floor: 1, Seen: []Dot{{actor(2), 3}}}}
	b := Set{Dot: Dot{actor(1), 6}, Value: []byte("b"), Context: Context{Floor: 2}}
	both := merged(&a, &b)
	later := Set{Dot: Dot{actor(3), 7}, Context: Succeed(nil, &both, actor(3), 0, 8)}
	for name, pair := range map[string][2]*Set{
		"with itself":                  {&a, &a},
		"with nothing":                 {&a, {}},
		"a side of a settled conflict": {&a, &both},
		"the winner of a settled one":  {&b, &both},
		"what a write superseded":      {&both, &later},
		"an older write":               {&a, &later},
	} {
		n := testing.AllocsPerRun(100, func() {
			Merge(pair[0], pair[1])
			Merge(pair[1], pair[0])
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestOrdersAreNamed(t *testing.T) {
	for order, want := range map[Order]string{
		Equal: "equal", Newer: "newer", Older: "older", Concurrent: "concurrent", Forked: "forked",
	} {
		if order.String() != want {
			t.Errorf("%d is named %q", order, order)
		}
	}
}

func BenchmarkMergeOfANewerWrite(b *testing.B) {
	known := Set{Dot: Dot{actor(0), 5}, Context: Context{Seen: []Dot{{actor(1), 4}, {actor(2), 3}}}}
	write := Set{Dot: Dot{actor(1), 6}, Context: Succeed(nil, &known, actor(1), 0, 8)}
	b.ReportAllocs()
	for b.Loop() {
		Merge(&known, &write)
	}
}

func BenchmarkMergeOfAConflict(b *testing.B) {
	left := Set{Dot: Dot{actor(0), 5}, Context: Context{Seen: []Dot{{actor(2), 3}}}}
	right := Set{Dot: Dot{actor(1), 6}, Context: Context{Seen: []Dot{{actor(3), 4}}}}
	b.ReportAllocs()
	for b.Loop() {
		Merge(&left, &right)
	}
}

// Every benchmark's body also runs under go test, so that none rots.
func TestBenchmarksRun(t *testing.T) {
	benchtime := flag.Lookup("test.benchtime").Value
	usual := benchtime.String()
	_ = benchtime.Set("1x")
	defer func() { _ = benchtime.Set(usual) }()
	for _, f := range []func(*testing.B){BenchmarkClockNext, BenchmarkMergeOfANewerWrite, BenchmarkMergeOfAConflict} {
		if r := testing.Benchmark(f); r.N == 0 {
			t.Error("a benchmark failed")
		}
	}
}
