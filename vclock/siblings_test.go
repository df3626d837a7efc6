package vclock

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// everyBit is canonical with how the value is to be read.
func everyBit(s *Set) string {
	return canonical(s) + fmt.Sprint("|", s.Packed)
}

func united(a, b *Set) Set {
	m, _ := Merge(a, b)
	return m
}

// A family is a few replicas of one key that keeps siblings, and beside each the plain truth: which writes it has heard
// of, and what each write's client had seen. A node is a replica, has a boot, and knows of each write that it stamped.
type family struct {
	replicas [3]relative
	writes   []kin
}

type relative struct {
	set   Set
	heard uint64 // writes, as a bit mask
	boot  uint64
	clock Clock
}

type kin struct {
	set  Set    // all that its coordinator sent
	dot  Dot    // its name
	gone uint64 // the writes that it supersedes: what its client had seen, and what these had superseded
}

// write lets a client who had seen the state that replica by was in write at replica at.
func (f *family) write(at int, seen Context, gone uint64, wall int64, keep int) int {
	r := &f.replicas[at]
	above := max(r.set.Dot.Stamp, seen.Floor)
	for _, d := range seen.Seen {
		above = max(above, d.Stamp)
	}
	dot := Dot{Actor: Actor{Node: uint64(at + 1), Boot: r.boot}, Stamp: r.clock.Next(wall, above)}
	set, dropped := r.set.Supersede(Version{Dot: dot, Value: []byte{byte(len(f.writes))}}, &seen, keep, 0)
	r.set = set
	f.writes = append(f.writes, kin{set: set, dot: dot, gone: gone})
	r.heard |= 1 << (len(f.writes) - 1)
	return dropped
}

// alive are the writes that a replica has heard of and that none of those supersedes.
func (f *family) alive(heard uint64) (dots []Dot) {
	gone := uint64(0)
	for i, w := range f.writes {
		if heard>>i&1 == 1 {
			gone |= w.gone
		}
	}
	for i, w := range f.writes {
		if heard&^gone>>i&1 == 1 {
			dots = append(dots, w.dot)
		}
	}
	slices.SortFunc(dots, func(a, b Dot) int { return b.Compare(a) })
	return dots
}

func dotsOf(s *Set) (dots []Dot) {
	for _, v := range s.Versions() {
		dots = append(dots, v.Dot)
	}
	return dots
}

// draw runs random writes by clients whose contexts are as old as they come, and random merges.
func (f *family) draw(t *rapid.T, keep int) {
	type glance struct {
		seen Context
		gone uint64
	}
	for i := range f.replicas {
		f.replicas[i].boot, f.replicas[i].clock = 1, NewClock(0, 1)
	}
	glances := []glance{{}}
	for range rapid.IntRange(2, 24).Draw(t, "steps") {
		at := rapid.IntRange(0, len(f.replicas)-1).Draw(t, "replica")
		r := &f.replicas[at]
		switch rapid.IntRange(0, 3).Draw(t, "step") {
		case 0: // a client reads
			glances = append(glances, glance{r.set.Heard(len(f.replicas)), r.heard})
		case 1:
			from := &f.replicas[rapid.IntRange(0, len(f.replicas)-1).Draw(t, "from")]
			r.set, r.heard = united(&r.set, &from.set), r.heard|from.heard
		default:
			if len(f.writes) == 12 {
				continue
			}
			g := rapid.SampledFrom(glances).Draw(t, "context")
			f.write(at, g.seen, g.gone, int64(rapid.IntRange(0, 3).Draw(t, "wall")), keep)
			f.replicas[at].heard |= g.gone // who carries a context has heard of what is in it
		}
	}
}

// Invariant 7: nothing vanishes but by a write whose client had seen it, and what such a write replaced does not return.
func TestSiblingsAreTheWritesThatNobodyWhoSawThemReplaced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := new(family)
		f.draw(t, 0)
		for i := range f.replicas {
			r := &f.replicas[i]
			if got, want := dotsOf(&r.set), f.alive(r.heard); !slices.Equal(got, want) {
				t.Fatalf("replica %d has %v, in truth %v", i, got, want)
			}
			heard := r.set.heard()
			for j, w := range f.writes {
				if r.heard>>j&1 == 1 && !heard.Contains(w.dot) {
					t.Fatalf("replica %d has not heard of write %d", i, j)
				}
			}
		}
	})
}

// I5, where concurrent versions are kept, with and without a cap: however often and in whatever order replicas hear of
// the same writes, they hold the same bytes.
func TestMergeOfSiblingsIsCommutativeAssociativeAndIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := new(family)
		f.draw(t, rapid.SampledFrom([]int{0, 1, 2, 4}).Draw(t, "keep"))
		sets := []Set{{}}
		for _, w := range f.writes {
			sets = append(sets, w.set)
		}
		for i := range f.replicas {
			sets = append(sets, f.replicas[i].set)
		}
		pick := func(name string) *Set { return &sets[rapid.IntRange(0, len(sets)-1).Draw(t, name)] }
		a, b, c := pick("a"), pick("b"), pick("c")
		before := everyBit(a) + everyBit(b)
		ab, ba, bc, aa := united(a, b), united(b, a), united(b, c), united(a, a)
		left, right := united(&ab, c), united(a, &bc)
		switch {
		case everyBit(&ab) != everyBit(&ba):
			t.Fatalf("%v and %v make %v or %v", a, b, ab, ba)
		case everyBit(&left) != everyBit(&right):
			t.Fatalf("%v, %v and %v make %v or %v", a, b, c, left, right)
		case everyBit(&aa) != everyBit(a):
			t.Fatalf("%v twice makes %v", a, aa)
		case everyBit(a)+everyBit(b) != before:
			t.Fatal("a merge changed what it merged")
		case !isCanonical(&ab.Context):
			t.Fatalf("the context of %v is not canonical", ab)
		case slices.ContainsFunc(ab.Context.Seen, func(d Dot) bool { return slices.Contains(dotsOf(&ab), d) }):
			t.Fatalf("the context of %v says what its versions say", ab)
		}
		if keepsOrder := slices.IsSortedFunc(dotsOf(&ab), func(a, b Dot) int { return b.Compare(a) }); !keepsOrder {
			t.Fatalf("versions out of order: %v", ab)
		}
	})
}

// Orders are what is told of conflicts.
func TestMergeOfSiblingsTellsHowTheSidesStand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := new(family)
		f.draw(t, 0)
		a, b := &f.replicas[0], &f.replicas[1]
		_, order := Merge(&a.set, &b.set)
		want := Concurrent
		switch both := a.heard & b.heard; {
		case both == a.heard && both == b.heard:
			want = Equal
		case both == b.heard:
			want = Newer
		case both == a.heard:
			want = Older
		}
		if order != want {
			t.Fatalf("%v to %v is %v, in truth %v", a.set, b.set, order, want)
		}
	})
}

func TestSupersedeKeepsAtMostAsManyAndTheNewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := new(family)
		f.draw(t, 0)
		keep := rapid.IntRange(1, 4).Draw(t, "keep")
		r := &f.replicas[0]
		before := dotsOf(&r.set)
		dropped := f.write(0, Context{}, 0, 9, keep)
		got := dotsOf(&r.set)
		if len(got) != min(keep, len(before)+1) || dropped != len(before)+1-len(got) {
			t.Fatalf("of %d and a new one %d are kept, %d dropped, with a cap of %d", len(before), len(got), dropped, keep)
		}
		if !slices.Equal(got[1:], before[:len(got)-1]) {
			t.Fatalf("kept %v of %v", got, before)
		}
	})
}

// A bank is five nodes that count, W=R=3. Each forgets now and then, and goes on with what three others know.
type bank struct {
	nodes [5]teller
	acked int64
	lost  int64 // the sum of what was not acknowledged, of which some is stored somewhere
}

type teller struct {
	set   Set
	clock Clock // a restart waits until it has passed what it stamped before
}

func (b *bank) add(t *rapid.T, at int, by, wall int64, reach []int) {
	n := &b.nodes[at]
	set, err := n.set.Add(uint64(at+1), n.clock.Next(wall, n.set.Dot.Stamp), by, 0)
	if err != nil {
		t.Fatal(err)
	}
	n.set = set
	for _, i := range reach {
		b.nodes[i].set = united(&b.nodes[i].set, &set)
	}
	if len(reach) >= 2 {
		b.acked += by
	} else {
		b.lost += by
	}
}

func (b *bank) read(nodes []int) (s Set) {
	for _, i := range nodes {
		s = united(&s, &b.nodes[i].set)
	}
	return s
}

// I9 without deletes: acknowledged ≤ value ≤ acknowledged + indeterminate, whoever forgets.
func TestCounterLosesNothingAcknowledgedAndCountsNothingTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := new(bank)
		for i := range b.nodes {
			b.nodes[i].clock = NewClock(0, 1)
		}
		others := func(at int) []int {
			all := slices.DeleteFunc([]int{0, 1, 2, 3, 4}, func(i int) bool { return i == at })
			return rapid.Permutation(all).Draw(t, "others")
		}
		for range rapid.IntRange(1, 24).Draw(t, "steps") {
			at := rapid.IntRange(0, 4).Draw(t, "node")
			n := &b.nodes[at]
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				n.set = b.read(others(at)[:3])
			case 1:
				n.set = united(&n.set, &b.nodes[others(at)[0]].set)
			default:
				b.add(t, at, int64(rapid.IntRange(1, 5).Draw(t, "by")), int64(rapid.IntRange(0, 3).Draw(t, "wall")), others(at)[:rapid.IntRange(0, 4).Draw(t, "reach")])
			}
			read := b.read(others(9)[:3])
			if total, _, err := read.Total(); err != nil || total < b.acked || total > b.acked+b.lost {
				t.Fatalf("a read of three says %d, %v: acknowledged %d, indeterminate %d", total, err, b.acked, b.lost)
			}
		}
	})
}

// A family of lww writes, deletes and additions of one key: what a replica holds follows from what it has heard of alone.
func (f *family) drawCounts(t *rapid.T) {
	for i := range f.replicas {
		f.replicas[i].boot, f.replicas[i].clock = 1, NewClock(0, 1)
	}
	for range rapid.IntRange(2, 24).Draw(t, "steps") {
		at := rapid.IntRange(0, len(f.replicas)-1).Draw(t, "replica")
		r := &f.replicas[at]
		wall := int64(rapid.IntRange(0, 3).Draw(t, "wall"))
		switch step := rapid.IntRange(0, 5).Draw(t, "step"); {
		case step < 2:
			from := &f.replicas[rapid.IntRange(0, len(f.replicas)-1).Draw(t, "from")]
			r.set = united(&r.set, &from.set)
		case step < 4:
			stamp := r.clock.Next(wall, r.set.Dot.Stamp)
			m, err := r.set.Add(uint64(at+1), stamp, int64(rapid.IntRange(-3, 3).Draw(t, "by")), int64(rapid.IntRange(0, 2).Draw(t, "at")))
			if err != nil {
				t.Fatal(err)
			}
			r.set = m
			f.writes = append(f.writes, kin{set: m})
		default: // by somebody who knows less, perhaps, as one who has forgotten it does
			known := r.set
			if rapid.Bool().Draw(t, "forgetful") {
				known = Set{}
			}
			me := Actor{Node: uint64(at + 1), Boot: 1}
			seen := Succeed(nil, &known, me, 0, 8)
			w := Set{Dot: Dot{Actor: me, Stamp: r.clock.Next(wall, known.Dot.Stamp)}, Context: seen, Tombstone: step == 5}
			if !w.Tombstone {
				w.Value = []byte("7")
			}
			if w.Deadline.At = int64(rapid.IntRange(0, 2).Draw(t, "ttl")); w.Deadline.At > 0 {
				w.Deadline.Stamp = w.Dot.Stamp
			}
			f.writes = append(f.writes, kin{set: w})
			r.set = united(&r.set, &w)
		}
	}
}

// I5 of counters, in one key with values and deletes of lww.
func TestMergeOfCountersIsCommutativeAssociativeAndIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := new(family)
		f.drawCounts(t)
		sets := []Set{{}}
		for _, w := range f.writes {
			sets = append(sets, w.set)
		}
		for i := range f.replicas {
			sets = append(sets, f.replicas[i].set)
		}
		pick := func(name string) *Set { return &sets[rapid.IntRange(0, len(sets)-1).Draw(t, name)] }
		a, b, c := pick("a"), pick("b"), pick("c")
		ab, ba, bc, aa := united(a, b), united(b, a), united(b, c), united(a, a)
		left, right := united(&ab, c), united(a, &bc)
		switch {
		case everyBit(&ab) != everyBit(&ba):
			t.Fatalf("%v and %v make %v or %v", a, b, ab, ba)
		case everyBit(&left) != everyBit(&right):
			t.Fatalf("%v, %v and %v make %v or %v", a, b, c, left, right)
		case everyBit(&aa) != everyBit(a):
			t.Fatalf("%v twice makes %v", a, aa)
		case ab.Dot.Compare(a.Dot) < 0 || ab.Dot.Compare(b.Dot) < 0:
			t.Fatalf("%v and %v make %v: a dot that shrinks", a, b, ab)
		case ab.Packed && !ab.Sound(64):
			t.Fatalf("%v is not sound", ab)
		}
	})
}

// Seed 3011031: a floor counts as seen whatever has its stamp, so that a deadline of that very version is not the later one.
func TestTheDeadlineOfWhatAFloorCoversIsNotTakenOver(t *testing.T) { // I5
	deleted := Set{Dot: Dot{Actor{3, 9}, 57}, Tombstone: true, Deadline: Deadline{At: 90, Stamp: 57}}
	begun := (&Set{}).Forget(57)
	counter, err := begun.Add(1, 60, 9, 0)
	if err != nil {
		t.Fatal(err)
	}
	once, _ := Merge(&counter, &deleted)
	again, _ := Merge(&counter, &once)
	if everyBit(&once) != everyBit(&counter) || everyBit(&again) != everyBit(&counter) {
		t.Errorf("%v, which covers %v, becomes %v and then %v", counter, deleted, once, again)
	}
}

func TestCounterOverAValueAndADelete(t *testing.T) {
	at := func(node, boot uint64, s Stamp) Dot { return Dot{Actor{node, boot}, s} }
	add := func(s Set, d Dot, by int64) Set {
		m, err := s.Add(d.Actor.Node, d.Stamp, by, 0)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	total := func(s *Set) int64 {
		n, ok, err := s.Total()
		if !ok || err != nil {
			t.Fatalf("%v: %d, %t, %v", s, n, ok, err)
		}
		return n
	}
	write := func(s Set, w Set) Set {
		w.Context = Succeed(nil, &s, w.Dot.Actor, 0, 8)
		return united(&s, &w)
	}
	base := write(Set{}, Set{Dot: at(1, 1, 5), Value: []byte("10")})
	one, two := add(base, at(1, 0, 6), 3), add(base, at(2, 0, 6), 4)
	both := united(&one, &two)
	if got := total(&both); got != 17 {
		t.Errorf("10, and 3 and 4 added on two sides: %d", got)
	}
	replaced := write(one, Set{Dot: at(3, 1, 7), Value: []byte("100")})
	if both = united(&replaced, &two); total(&both) != 100 {
		t.Errorf("set to 100 while 4 were added elsewhere, earlier: %d", total(&both))
	}
	later := add(base, at(2, 0, 9), 4)
	if both = united(&replaced, &later); total(&both) != 100 {
		t.Errorf("set to 100 while 4 were added elsewhere, to what it was before: %d", total(&both))
	}
	if both = add(both, at(2, 0, 10), 1); total(&both) != 101 {
		t.Errorf("one who had added to what it was before adds one: %d", total(&both))
	}
	deleted := write(both, Set{Dot: at(3, 1, 11), Tombstone: true, Deadline: Deadline{At: 5, Stamp: 11}})
	if _, ok, _ := deleted.Total(); ok || deleted.Packed {
		t.Error("a deleted counter stands somewhere")
	}
	again := add(deleted, at(1, 0, 12), 2)
	if got := total(&again); got != 2 || again.Deadline.At != 0 {
		t.Errorf("counted anew after a delete: %d, until %d", got, again.Deadline.At)
	}
	if m := united(&again, &both); total(&m) != 2 {
		t.Errorf("an old copy brings back what was deleted: %d", total(&m))
	}
	if m := united(&deleted, &again); total(&m) != 2 || m.Deadline.At != 0 {
		t.Errorf("the delete's end is that of what was counted since: %v", m)
	}
}

func TestWhatAReaderIsTold(t *testing.T) {
	plain := Set{Dot: Dot{Actor{1, 1}, 5}, Value: []byte("x")}
	number := Set{Dot: Dot{Actor{1, 1}, 5}, Value: []byte("41")}
	counter, _ := number.Add(2, 6, 1, 0)
	seen := plain.Heard(8)
	one, _ := plain.Supersede(Version{Dot: Dot{Actor{1, 1}, 6}, Value: []byte("y")}, &seen, 16, 0)
	two, _ := plain.Supersede(Version{Dot: Dot{Actor{2, 1}, 7}, Value: []byte("z")}, &seen, 16, 0)
	both := united(&one, &two)
	seen = both.Heard(8)
	gone, _ := both.Supersede(Version{Dot: Dot{Actor{2, 1}, 8}, Tombstone: true}, &seen, 16, 0)
	for _, c := range []struct {
		set  Set
		want string
		ok   bool
	}{
		{Set{}, "", false}, {plain, "x", true}, {counter, "42", true}, {one, "y", true}, {both, "z", true}, {gone, "", false},
	} {
		if got, ok := c.set.Reading(); string(got) != c.want || ok != c.ok {
			t.Errorf("%v reads %q, %t, want %q", c.set, got, ok, c.want)
		}
	}
}

func TestCounterRefusesWhatIsNoNumberOrPastTheRangeAndChangesNothing(t *testing.T) {
	text := func(v string) Set { return Set{Dot: Dot{Actor{1, 1}, 5}, Value: []byte(v)} }
	for _, bad := range []string{"", "x", "1.5", "+1", " 1", "1 ", "01", "-0", "--1", "9223372036854775808", "123456789012345678901234567890"} {
		s := text(bad)
		before := everyBit(&s)
		if _, err := s.Add(1, 6, 1, 0); err != ErrNotNumber || everyBit(&s) != before {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, c := range []struct {
		value string
		by    int64
		err   error
	}{
		{"9223372036854775807", 1, ErrRange},
		{"9223372036854775806", 1, nil},
		{"-9223372036854775808", -1, ErrRange},
		{"-9223372036854775807", -1, nil},
		{"9223372036854775807", -1 << 63, nil},
		{"-1", -1 << 63, ErrRange},
		{"0", 1<<63 - 1, nil},
	} {
		s := text(c.value)
		if _, err := s.Add(1, 6, c.by, 0); err != c.err {
			t.Errorf("%s and %d: %v, want %v", c.value, c.by, err, c.err)
		}
	}
	low := text("-9223372036854775808")
	one, _ := low.Add(2, 6, 1<<63-1, 0)
	two, _ := low.Add(3, 7, 1<<63-1, 0)
	far := united(&one, &two)
	if n, ok, err := far.Total(); n != 1<<63-2 || !ok || err != nil {
		t.Errorf("a total whose parts go past the range: %d, %t, %v", n, ok, err)
	}
}

// Bytes from outside: whatever is cut, flipped or lengthened is either refused or just what some writer could have made.
func TestUnsoundBytesAreRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := new(family)
		if rapid.Bool().Draw(t, "counts") {
			f.drawCounts(t)
		} else {
			f.draw(t, 0)
		}
		s := f.replicas[0].set
		if !s.Packed {
			t.Skip()
		}
		if !s.Sound(len(s.Versions())) || s.Sound(len(s.Versions())-1) {
			t.Fatalf("%v: sound %t", s, s.Sound(64))
		}
		s.Value = slices.Clone(s.Value)
		at := rapid.IntRange(0, len(s.Value)-1).Draw(t, "at")
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			s.Value = s.Value[:at]
		case 1:
			s.Value[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		default:
			s.Value = append(s.Value, s.Value[at:]...)
		}
		if !s.Sound(64) {
			return
		}
		if again := assemble(s.Versions(), s.heard(), s.Deadline); everyBit(&again) != everyBit(&s) {
			t.Fatalf("%v is sound, and made anew %v", s, again)
		}
	})
}
