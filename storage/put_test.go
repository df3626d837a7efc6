package storage

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

func TestPutKeepsTheGreaterVersionAndSaysWhatItKnew(t *testing.T) {
	old, new := dot(alice, 10), dot(bob, 20)
	for _, c := range []struct {
		name     string
		held, in *vclock.Set
		want     Result
		value    string
		conflict uint64
	}{
		{"first", nil, value(alice, 10, "a"), Result{Outcome: Stored}, "a", 0},
		{"newer", value(alice, 10, "a"), value(bob, 20, "b", old), Result{Outcome: Stored}, "b", 0},
		{"older", value(bob, 20, "b", old), value(alice, 10, "a"), Result{Outcome: Superseded, Known: new}, "b", 0},
		{"again", value(alice, 10, "a"), value(alice, 10, "a"), Result{Outcome: Known}, "a", 0},
		{"concurrent greater", value(alice, 10, "a"), value(bob, 20, "b"), Result{Outcome: Stored, Conflict: true}, "b", 1},
		{"concurrent less", value(bob, 20, "b"), value(alice, 10, "a"), Result{Outcome: Superseded, Known: new, Conflict: true}, "b", 1},
		{"same stamp, greater", value(alice, 10, "a"), value(bob, 10, "b"), Result{Outcome: Superseded, Known: old, Conflict: true}, "b", 1},
		{"same stamp, less", value(bob, 10, "b"), value(alice, 10, "a"), Result{Outcome: Superseded, Known: dot(bob, 10), Conflict: true}, "b", 1},
		{"no version", value(alice, 10, "a"), &vclock.Set{}, Result{Outcome: Superseded, Known: old}, "a", 0},
		{"nothing at all", nil, &vclock.Set{}, Result{Outcome: Behind}, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t, Config{})
			if c.held != nil {
				mustPut(t, s, key("k"), c.held)
			}
			if got := s.Put(key("k"), c.in, wall); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
			if got, _ := s.Peek(key("k"), wall); string(got.Value) != c.value {
				t.Errorf("held %q, want %q", got.Value, c.value)
			}
			if got := s.Stats().Conflicts; got != c.conflict {
				t.Errorf("%d conflicts counted, want %d", got, c.conflict)
			}
		})
	}
}

// The later writer of one stamp is held, and has to stamp its version again: also where that has come by another way before.
func TestACopyOfAVersionOfATakenStampIsSupersededLikeTheFirst(t *testing.T) { // I6
	s := newStore(t, Config{})
	mustPut(t, s, key("k"), value(alice, 10, "a"))
	for i := range 3 {
		if r := s.Put(key("k"), value(bob, 10, "b"), wall); r.Outcome != Superseded || r.Known.Stamp != 10 {
			t.Errorf("arrival %d: %+v", i, r)
		}
	}
	held, _ := s.Get(key("k"), wall)
	both := copied(held)
	if r := s.Put(key("k"), &both, wall); string(held.Value) != "b" || r.Outcome != Known {
		t.Errorf("what it holds, from another owner: %+v, holding %q", r, held.Value)
	}
}

func TestAConflictIsCountedOnceHoweverOftenTheLoserComesBack(t *testing.T) {
	s := newStore(t, Config{})
	mustPut(t, s, key("k"), value(bob, 20, "b"))
	for i := range 3 {
		if r := s.Put(key("k"), value(alice, 10, "a"), wall); r.Conflict != (i == 0) {
			t.Errorf("arrival %d: conflict %v", i, r.Conflict)
		}
	}
	if got := s.Stats().Conflicts; got != 1 {
		t.Errorf("%d conflicts, want 1", got)
	}
}

// Invariant 5: the contexts merge whichever version wins.
func TestStoresAgreeInWhateverOrderVersionsCome(t *testing.T) {
	versions := []*vclock.Set{
		value(alice, 10, "a", dot(bob, 5)),
		until(value(bob, 20, "b"), wall+9, 2),
		until(value(bob, 20, "b"), wall+5, 3),
		value(vclock.Actor{Node: 3, Boot: 1}, 15, "c", dot(alice, 10)),
	}
	var want vclock.Set
	for i, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2, 1}} {
		s := newStore(t, Config{})
		for _, v := range order {
			s.Put(key("k"), versions[v], wall)
		}
		got, _ := s.Get(key("k"), wall)
		if i == 0 {
			want = copied(got)
		}
		if !identical(&got, &want) || string(got.Value) != string(want.Value) {
			t.Errorf("order %v: %+v, want %+v", order, got, want)
		}
	}
}

func TestOneDotWithTwoContentsRaisesTheAlarmAndTheGreaterBytesStay(t *testing.T) {
	s := newStore(t, Config{})
	mustPut(t, s, key("k"), value(alice, 10, "a"))
	if r := s.Put(key("k"), value(alice, 10, "b"), wall); r.Outcome != Known {
		t.Errorf("outcome %v", r.Outcome)
	}
	if got, _ := s.Get(key("k"), wall); string(got.Value) != "b" || s.Stats().Forked != 1 {
		t.Errorf("held %q, forked %d", got.Value, s.Stats().Forked)
	}
}

// Invariant 2.
func TestNothingIsStoredAtOrBelowTheFloorButTheVeryVersionTheGhostNames(t *testing.T) {
	written := until(value(alice, 10, "a"), wall+9, 3)
	for _, c := range []struct {
		name string
		in   *vclock.Set
		want Outcome
	}{
		{"older", value(alice, 9, "o"), Behind},
		{"of another actor", until(value(bob, 10, "a"), wall+9, 3), Behind},
		{"with an earlier deadline register", until(value(alice, 10, "a"), wall+99, 2), Behind},
		{"with the same deadline registered earlier", until(value(alice, 10, "a"), wall+9, 2), Behind},
		{"without the deadline", value(alice, 10, "a"), Behind},
		{"the very version", written, Stored},
		{"newer", value(bob, 11, "n"), Stored},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t, Config{BytesMax: 24 << 10})
			mustPut(t, s, key("k"), written)
			evict(t, s, key("k"))
			if _, floor := s.Get(key("k"), wall); floor != 10 {
				t.Fatalf("floor %v, want the ghost's 10", floor)
			}
			r := s.Put(key("k"), c.in, wall)
			if r.Outcome != c.want {
				t.Fatalf("%v, want %v", r.Outcome, c.want)
			}
			if c.want == Behind && (r.Known != vclock.Dot{Stamp: 10} || s.Stats().Behind != 1) {
				t.Errorf("known %v, counted %d", r.Known, s.Stats().Behind)
			}
			if _, floor := s.Get(key("k"), wall); (c.want == Stored) != (floor == 0) {
				t.Errorf("floor %v after %v", floor, c.want)
			}
		})
	}
}

func TestADroppedGhostLeavesItsStampInTheMarkOfItsPartition(t *testing.T) {
	s := newStore(t, Config{BytesMax: 24 << 10, GhostBytesMax: 2 * ghostWeight})
	k := key("k")
	mustPut(t, s, k, value(alice, 10, "a"))
	evict(t, s, k)
	for i := 0; s.Mark(k.Partition) < 10; i++ {
		if _, floor := s.Get(k, wall); floor < 10 || i > 10 {
			t.Fatalf("floor %v, mark %v", floor, s.Mark(k.Partition))
		}
		filler := Key{Bytes: []byte{byte(i)}, Hash: uint64(i), Partition: k.Partition}
		mustPut(t, s, filler, value(alice, 50, "x"))
	}
	never := Key{Bytes: []byte("never written"), Hash: 1 << 40, Partition: k.Partition}
	if _, floor := s.Get(never, wall); floor != s.Mark(k.Partition) {
		t.Errorf("floor %v of a key without a ghost, want the mark %v", floor, s.Mark(k.Partition))
	}
	if r := s.Put(k, value(alice, 10, "a"), wall); r.Outcome != Behind {
		t.Errorf("the forgotten version came back: %v", r.Outcome)
	}
	never.Partition = (k.Partition + 1) % 4
	if _, floor := s.Get(never, wall); floor != 0 {
		t.Errorf("floor %v in another partition, want 0", floor)
	}
}

func TestAGhostBelowTheMarkStillSpeaksForItsKey(t *testing.T) {
	s := newStore(t, Config{BytesMax: 24 << 10})
	mustPut(t, s, key("k"), value(alice, 10, "a"))
	evict(t, s, key("k"))
	s.at(key("k").Partition).mark = 100
	if _, floor := s.Get(key("k"), wall); floor != 10 {
		t.Errorf("floor %v, want the ghost's 10", floor)
	}
	mustPut(t, s, key("k"), value(alice, 11, "b"))
	if _, floor := s.Get(key("k"), wall); floor != 0 {
		t.Errorf("floor %v of a key that is held, want 0", floor)
	}
}

func TestAVersionPastItsDeadlineIsAGhostAndNeverAValue(t *testing.T) {
	k := key("k")
	t.Run("on arrival", func(t *testing.T) {
		s := newStore(t, Config{})
		mustPut(t, s, k, value(alice, 5, "old"))
		mustPut(t, s, k, until(value(alice, 10, "late"), wall, 10))
		if set, floor := s.Get(k, wall); !set.IsZero() || floor != 10 {
			t.Errorf("got %+v, floor %v", set, floor)
		}
		if r := s.Put(k, value(alice, 5, "old"), wall); r.Outcome != Behind {
			t.Errorf("the older version came back: %v", r.Outcome)
		}
	})
	t.Run("when asked for", func(t *testing.T) {
		for _, ask := range []func(*Store, Key, int64) (vclock.Set, vclock.Stamp){(*Store).Get, (*Store).Peek} {
			s := newStore(t, Config{})
			mustPut(t, s, k, until(value(alice, 10, "a"), wall+5, 10))
			if set, _ := ask(s, k, wall+4); set.IsZero() {
				t.Error("gone before its time")
			}
			if set, floor := ask(s, k, wall+5); !set.IsZero() || floor != 10 {
				t.Errorf("got %+v, floor %v", set, floor)
			}
			if st := s.Stats(); st.Expired != 1 || st.Ghosts != 1 || st.Keys != 0 {
				t.Errorf("stats %+v", st)
			}
		}
	})
	t.Run("when swept", func(t *testing.T) {
		s := newStore(t, Config{})
		const n = 100
		for i := range n {
			at := int64(wall + 5)
			if i%2 == 0 {
				at = 0
			}
			mustPut(t, s, key(strings.Repeat("k", i+1)), until(value(alice, 10, "a"), at, 10))
		}
		s.Tick(wall+4, nil)
		if st := s.Stats(); st.Keys != n {
			t.Errorf("swept before its time: %+v", st)
		}
		s.Tick(wall+5, nil)
		if st := s.Stats(); st.Expired != n/2 || st.Keys != n/2 || st.Ghosts != n/2 {
			t.Errorf("after one tick over few entries: %+v", st)
		}
	})
}

func TestTicksReachEveryEntryASweepAtATime(t *testing.T) {
	s := newStore(t, Config{BytesMax: 64 << 20, GhostBytesMax: 30 << 20})
	const n = 3 * expireMax
	for i := range n {
		k := inPartition(string([]byte{byte(i), byte(i >> 8)}), uint32(i%4))
		mustPut(t, s, k, until(value(alice, 10, "a"), wall+5, 10))
	}
	ticks := 0
	for ; s.Stats().Keys > 0; ticks++ {
		before := s.Stats().Expired
		s.Tick(wall+5, nil)
		if got := s.Stats().Expired - before; got > expireMax {
			t.Fatalf("one tick expired %d, want at most %d", got, expireMax)
		}
		if ticks > 5 {
			t.Fatalf("%d keys left after %d ticks", s.Stats().Keys, ticks)
		}
	}
}

func TestRetime(t *testing.T) {
	at := func(at int64, stamp vclock.Stamp) vclock.Deadline { return vclock.Deadline{At: at, Stamp: stamp} }
	held := until(value(bob, 20, "b"), wall+100, 20)
	for _, c := range []struct {
		name string
		aim  vclock.Dot
		d    vclock.Deadline
		want Result
		left vclock.Deadline
	}{
		{"a later register wins", held.Dot, at(wall+50, 21), Result{Outcome: Stored}, at(wall+50, 21)},
		{"never is a deadline too", held.Dot, at(0, 21), Result{Outcome: Stored}, at(0, 21)},
		{"an earlier register loses", held.Dot, at(wall+500, 19), Result{Outcome: Known}, held.Deadline},
		{"a newer version is held", dot(alice, 10), at(wall+50, 21), Result{Outcome: Superseded, Known: held.Dot}, held.Deadline},
		{"an older version is held", dot(alice, 30), at(wall+50, 31), Result{Outcome: Missing}, held.Deadline},
		{"a deadline that has passed", held.Dot, at(wall, 21), Result{Outcome: Stored}, at(wall, 21)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t, Config{})
			mustPut(t, s, key("k"), held)
			if got := s.Retime(key("k"), c.aim, c.d, wall); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
			got, _ := s.Get(key("k"), wall)
			if c.left.Passed(wall) {
				got.Deadline = s.Ghost(key("k")).Deadline
			}
			if got.Deadline != c.left {
				t.Errorf("deadline %+v, want %+v", got.Deadline, c.left)
			}
		})
	}
	t.Run("nothing is known of the key", func(t *testing.T) {
		s := newStore(t, Config{})
		if got := s.Retime(key("k"), held.Dot, at(0, 21), wall); got.Outcome != Missing {
			t.Errorf("%v", got.Outcome)
		}
		s.at(key("k").Partition).mark = 20
		if got := s.Retime(key("k"), held.Dot, at(0, 21), wall); got.Outcome != Gone {
			t.Errorf("below the mark: %v", got.Outcome)
		}
	})
}

func TestAGhostTakesTheLaterDeadlineOverSoThatNoCopyWithoutItComesBack(t *testing.T) {
	s := newStore(t, Config{BytesMax: 24 << 10})
	k, first := key("k"), until(value(alice, 10, "a"), wall+100, 10)
	second, third := vclock.Deadline{At: wall + 50, Stamp: 11}, vclock.Deadline{At: wall + 70, Stamp: 12}
	mustPut(t, s, k, first)
	evict(t, s, k)
	for _, d := range []vclock.Deadline{third, second} { // the second comes late and must not undo the third
		if r := s.Retime(k, first.Dot, d, wall); r.Outcome != Gone {
			t.Fatalf("%v, want gone", r.Outcome)
		}
	}
	for _, c := range []struct {
		d    vclock.Deadline
		want Outcome
	}{{first.Deadline, Behind}, {second, Behind}, {third, Stored}} {
		if r := s.Put(k, until(value(alice, 10, "a"), c.d.At, c.d.Stamp), wall); r.Outcome != c.want {
			t.Errorf("register %v: %v, want %v", c.d.Stamp, r.Outcome, c.want)
		}
	}
}

// A copy of the value that missed the change of its deadline must be known for what it is wherever it turns up.
func TestADeadlineIsRememberedAsLongAsItsVersion(t *testing.T) {
	k, first := key("k"), until(value(alice, 10, "a"), 0, 0)
	later := vclock.Deadline{At: wall + 50, Stamp: 15}
	left := Ghost{Hash: k.Hash, Stamp: 10, Digest: first.Ghost(later), Deadline: later}
	forgot := func(t *testing.T) *Store {
		s := newStore(t, Config{})
		mustPut(t, s, k, first)
		if r := s.Retime(k, first.Dot, later, wall); r.Outcome != Stored {
			t.Fatalf("%v, want stored", r.Outcome)
		}
		s.Tick(wall+50, nil)
		return s
	}
	t.Run("by its ghost, which says so", func(t *testing.T) {
		s := forgot(t)
		if set, floor := s.Get(k, wall+50); !set.IsZero() || floor != 10 || s.Ghost(k) != left {
			t.Errorf("%+v, floor %v, ghost %+v", set, floor, s.Ghost(k))
		}
	})
	t.Run("by what a walk tells", func(t *testing.T) {
		var told []Ghost
		forgot(t).Walk(k.Partition, 0, 1000, nil, func(g Ghost) { told = append(told, g) })
		if len(told) != 1 || told[0].Deadline != later {
			t.Errorf("%+v", told)
		}
	})
	t.Run("by the mark, once the ghost is gone", func(t *testing.T) {
		s := forgot(t)
		s.ghostBytesMax = 0
		s.settle()
		if got := s.Mark(k.Partition); got != 11 {
			t.Errorf("mark %v, want 11: a version of 10 with an earlier deadline must not get this store's vote", got)
		}
	})
	t.Run("by a copy that was refilled without it", func(t *testing.T) {
		s := newStore(t, Config{})
		s.Recover(k.Partition, 100)
		s.Refill(k, first, wall)
		s.Recovered(k.Partition, 0, keepAll, []Ghost{left})
		if set, _ := s.Get(k, wall); set.Deadline != later || string(set.Value) != "a" {
			t.Errorf("%+v", set)
		}
	})
	t.Run("not by a copy of what another node stamped alike", func(t *testing.T) {
		s := newStore(t, Config{})
		s.Recover(k.Partition, 100)
		s.Refill(k, value(bob, 10, "b"), wall)
		s.Recovered(k.Partition, 0, keepAll, []Ghost{left})
		if set, _ := s.Get(k, wall); set.Deadline != (vclock.Deadline{}) || string(set.Value) != "b" {
			t.Errorf("%+v", set)
		}
	})
	t.Run("by a ghost that was there without it", func(t *testing.T) {
		s := newStore(t, Config{})
		mustPut(t, s, k, until(value(alice, 10, "a"), wall, 10))
		s.Recovered(k.Partition, 0, keepAll, []Ghost{left})
		if _, floor := s.Get(k, wall); floor != 10 || s.Ghost(k) != left {
			t.Errorf("%+v, floor %v", s.Ghost(k), floor)
		}
	})
	t.Run("below the mark that recovery brings", func(t *testing.T) {
		s := forgot(t)
		s.Recovered(k.Partition, 10, keepAll, nil)
		if got := s.Mark(k.Partition); got != 11 {
			t.Errorf("mark %v, want 11", got)
		}
		s.Recovered(k.Partition, 0, keepAll, []Ghost{{Hash: 99, Stamp: 11, Deadline: vclock.Deadline{Stamp: 16}}})
		if got := s.Mark(k.Partition); got != 12 {
			t.Errorf("mark %v, want 12", got)
		}
	})
	t.Run("by who is refilled with the version only later", func(t *testing.T) {
		for name, older := range map[string]*vclock.Set{"nothing": nil, "an older version": value(bob, 5, "old")} {
			s := newStore(t, Config{})
			s.Recover(k.Partition, 100)
			if older != nil {
				s.Refill(k, older, wall)
			}
			if r := s.Retime(k, first.Dot, later, wall); r.Outcome != Gone {
				t.Fatalf("%s: %v, want gone", name, r.Outcome)
			}
			if r := s.Refill(k, first, wall); r.Outcome != Behind {
				t.Errorf("%s: without the deadline that was acknowledged: %v", name, r.Outcome)
			}
			if r := s.Refill(k, until(value(alice, 10, "a"), later.At, later.Stamp), wall); r.Outcome != Stored {
				t.Errorf("%s: with it: %v", name, r.Outcome)
			}
		}
	})
	t.Run("by who has forgotten the version in the mark", func(t *testing.T) {
		s := newStore(t, Config{})
		s.at(k.Partition).mark = 10
		if r := s.Retime(k, first.Dot, later, wall); r.Outcome != Gone || s.Mark(k.Partition) != 11 {
			t.Errorf("%v, mark %v", r.Outcome, s.Mark(k.Partition))
		}
	})
}

func TestAGhostFromAnotherNodeTakesADeadlineOver(t *testing.T) {
	k, first := key("k"), until(value(alice, 10, "a"), wall+100, 10)
	later := vclock.Deadline{At: wall + 50, Stamp: 11}
	for _, c := range []struct {
		d    vclock.Deadline
		want Outcome
	}{{first.Deadline, Behind}, {later, Stored}} {
		s := newStore(t, Config{})
		s.Recovered(k.Partition, 0, keepAll, []Ghost{{Hash: k.Hash, Stamp: 10, Digest: first.Ghost(first.Deadline), Deadline: first.Deadline}})
		if r := s.Retime(k, first.Dot, later, wall); r.Outcome != Gone {
			t.Fatalf("%v, want gone", r.Outcome)
		}
		if r := s.Put(k, until(value(alice, 10, "a"), c.d.At, c.d.Stamp), wall); r.Outcome != c.want {
			t.Errorf("register %v: %v, want %v", c.d.Stamp, r.Outcome, c.want)
		}
	}
}

func TestAVersionThatCouldNeverFitIsRefusedAndNothingIsEvictedForIt(t *testing.T) {
	s := newStore(t, Config{BytesMax: 64 << 10, RecordBytesMax: 32 << 10})
	for i := 0; s.Stats().Evicted == 0; i++ { // until it is full
		mustPut(t, s, key(fmt.Sprint("small", i)), value(alice, 1, strings.Repeat("x", 100)))
	}
	mustPut(t, s, key("k"), value(alice, 1, "held"))
	before, room := s.Stats(), s.recordBytesMax-4-1
	for _, name := range []string{"k", "n"} { // one that is held, and one that is not
		if r := s.Put(key(name), value(alice, 2, strings.Repeat("x", int(room)+1)), wall); r.Outcome != TooLarge {
			t.Errorf("%s: %v, want too-large", name, r.Outcome)
		}
	}
	if got, _ := s.Peek(key("k"), wall); string(got.Value) != "held" || s.Stats() != before {
		t.Errorf("held %q, %+v, before %+v", got.Value, s.Stats(), before)
	}
	mustPut(t, s, key("k"), value(alice, 2, strings.Repeat("x", int(room))))
	if all := newStore(t, Config{BytesMax: 64 << 10}); all.recordBytesMax >= 64<<10 {
		t.Errorf("a record of %d bytes would be let into a store of 64 KiB", all.recordBytesMax)
	}
}

func TestTheLargestRecordAdmittedFitsBesideAllTheGhostsThereMayBe(t *testing.T) {
	for _, c := range []Config{
		{BytesMax: 15 << 10},
		{BytesMax: 15 << 10, GhostBytesMax: 1 << 10},
		{BytesMax: 100_000, GhostBytesMax: 40_000},
		{BytesMax: 1 << 20},
	} {
		s := newStore(t, c)
		for i := range 1000 { // ghosts up to their limit
			mustPut(t, s, Key{Bytes: []byte{1}, Hash: uint64(i)}, until(value(alice, vclock.Stamp(i)+1, ""), wall, 1))
		}
		k := Key{Bytes: []byte("large"), Hash: 1 << 40}
		set := value(alice, 2000, strings.Repeat("x", int(s.recordBytesMax)-4-len(k.Bytes)))
		mustPut(t, s, k, set)
		if got, _ := s.Peek(k, wall); got.IsZero() || s.Stats().BytesUsed > c.BytesMax {
			t.Errorf("%+v: held %v, %+v", c, !got.IsZero(), s.Stats())
		}
	}
}

func TestOutcomesAreNamed(t *testing.T) {
	for o := Stored; o <= TooLarge; o++ {
		if o.String() == "" {
			t.Errorf("outcome %d has no name", o)
		}
	}
}

func TestATickTakesOutWhatIsDeadAndLeavesNoGhost(t *testing.T) {
	s := newStore(t, Config{BytesMax: 64 << 20, GhostBytesMax: 30 << 20})
	const n = 10 * sweepMax
	empty := s.Stats().BytesUsed
	for i := range n {
		k := inPartition(string([]byte{byte(i % 2), byte(i), byte(i >> 8)}), uint32(i%4))
		mustPut(t, s, k, value(alice, 10, "a"))
	}
	full := s.Stats().BytesUsed - empty
	dead := func(key []byte) bool { return key[0] == 0 }
	for ticks := 0; s.Stats().Keys > n/2; ticks++ {
		before := s.Stats().Swept
		s.Tick(wall, dead)
		if got := s.Stats().Swept - before; got > sweepMax {
			t.Fatalf("one tick took out %d, want at most %d", got, sweepMax)
		}
		if ticks > 14 {
			t.Fatalf("%d keys left after %d ticks", s.Stats().Keys, ticks)
		}
	}
	for range 14 {
		s.Tick(wall, dead)
	}
	if st := s.Stats(); st.Keys != n/2 || st.Swept != n/2 || st.Ghosts != 0 || st.Expired != 0 || st.BytesUsed-empty > full/2+full/20 {
		t.Errorf("%+v, with all keys it had %d bytes", st, full)
	}
	if set, floor := s.Peek(inPartition(string([]byte{1, 1, 0}), 1), wall); set.IsZero() || floor != 0 {
		t.Errorf("what is not dead is gone: %+v, floor %v", set, floor)
	}
}
