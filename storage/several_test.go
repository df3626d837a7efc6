package storage

import (
	"bytes"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

// sum is a counter of that base, to which node has added one at stamp.
func sum(t *testing.T, base *vclock.Set, node uint64, stamp vclock.Stamp) *vclock.Set {
	t.Helper()
	s, err := base.Add(node, stamp, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

func total(t *testing.T, s *Store, k Key) (n int64, floor vclock.Stamp) {
	t.Helper()
	set, floor := s.Peek(k, wall)
	n, _, err := set.Total()
	if err != nil {
		t.Fatalf("%v: %v", set, err)
	}
	return n, floor
}

func TestSumsOfSeveralNodesAreStoredBesideEachOther(t *testing.T) {
	s, k := newStore(t, Config{BytesMax: 24 << 10}), key("k")
	base := value(alice, 10, "40")
	mustPut(t, s, k, base)
	mustPut(t, s, k, sum(t, base, 1, 12))
	mustPut(t, s, k, sum(t, base, 2, 11)) // an older stamp than is held, and nothing that it replaces
	if n, floor := total(t, s, k); n != 42 || floor != 0 {
		t.Errorf("40 and two additions: %d, floor %v", n, floor)
	}
}

// What is stamped again is what another base has overtaken, and nothing else.
func TestASumOfAnOlderBaseIsSuperseded(t *testing.T) {
	s, k := newStore(t, Config{BytesMax: 24 << 10}), key("k")
	old, base := value(alice, 10, "40"), value(alice, 20, "7")
	mustPut(t, s, k, old)
	mustPut(t, s, k, base)
	if r := s.Put(k, sum(t, old, 2, 25), wall); r.Outcome != Superseded || r.Known.Stamp != 20 {
		t.Errorf("an addition to what was replaced: %+v", r)
	}
	if n, _ := total(t, s, k); n != 7 {
		t.Errorf("it counts: %d", n)
	}
	if r := s.Put(k, value(alice, 22, "9"), wall); r.Outcome != Stored {
		t.Errorf("a set beside a sum that has a later stamp: %+v", r)
	}
	if n, _ := total(t, s, k); n != 9 {
		t.Errorf("set to 9: %d", n)
	}
}

// A version alone stays as it is, to the last byte, when an older state of several comes late.
func TestAVersionThatOutdoesSeveralKeepsItsBytes(t *testing.T) {
	s, k := newStore(t, Config{BytesMax: 24 << 10}), key("k")
	base := value(alice, 10, "40")
	late := sum(t, base, 2, 12)
	newest := value(alice, 30, "what is held")
	newest.Context = vclock.Context{Floor: 25, Seen: []vclock.Dot{{Actor: vclock.Actor{Node: 77, Boot: 1}, Stamp: 28}}}
	mustPut(t, s, k, newest)
	s.Put(k, late, wall)
	if got, _ := s.Peek(k, wall); !got.Same(newest) {
		t.Errorf("held %v, now %v", newest, got)
	}
}

// Invariant 7.
func TestWhatMayBeMissingBesideANewVersionIsToldUntilSomeoneVouches(t *testing.T) {
	s, k := newStore(t, Config{BytesMax: 24 << 10}), key("k")
	mustPut(t, s, k, sum(t, &vclock.Set{}, 1, 12))
	evict(t, s, k)
	fresh := sum(t, &vclock.Set{}, 2, 20)
	mustPut(t, s, k, fresh)
	if n, floor := total(t, s, k); n != 1 || floor != 12 {
		t.Fatalf("one of two sums: %d, floor %v", n, floor)
	}
	s.Walk(k.Partition, 0, 1000, func(name []byte, _ *vclock.Set, below vclock.Stamp) {
		if bytes.Equal(name, k.Bytes) && below != 12 {
			t.Errorf("a walk tells %v", below)
		}
	}, func(Ghost) {})
	if s.PutVouched(k, fresh, 11, wall); floorOf(s, k) != 12 {
		t.Errorf("vouched for less than was forgotten: floor %v", floorOf(s, k))
	}
	if s.PutVouched(k, fresh, 12, wall); floorOf(s, k) != 0 {
		t.Errorf("vouched for: floor %v", floorOf(s, k))
	}
	evict(t, s, k)
	if floorOf(s, k) != 20 {
		t.Errorf("evicted: floor %v", floorOf(s, k))
	}
	anew := fresh.Forget(20)
	mustPut(t, s, k, sum(t, &anew, 2, 21))
	if n, floor := total(t, s, k); n != 1 || floor != 0 {
		t.Errorf("begun anew above all that was forgotten: %d, floor %v", n, floor)
	}
	if r := s.Put(k, fresh, wall); r.Outcome != Superseded {
		t.Errorf("an old copy: %+v", r)
	}
	if n, _ := total(t, s, k); n != 1 {
		t.Errorf("it counts again: %d", n)
	}
}

// Seed 3003571: a delete, stamped by a slow clock, that a counter begun anew took for seen was acknowledged and did nothing.
func TestAWriteThatIsTakenForSeenIsSuperseded(t *testing.T) { // I1
	begun := (&vclock.Set{}).Forget(30)
	for name, set := range map[string]*vclock.Set{
		"a value": value(alice, 20, "7"), "a delete": {Dot: dot(alice, 20), Tombstone: true}, "an addition": sum(t, &vclock.Set{}, 1, 20),
	} {
		s, k := newStore(t, Config{BytesMax: 24 << 10}), key("k")
		mustPut(t, s, k, sum(t, &begun, 2, 40))
		if r := s.Put(k, set, wall); r.Outcome != Superseded || r.Known.Stamp != 40 {
			t.Errorf("%s: %+v", name, r)
		}
		if n, _ := total(t, s, k); n != 1 {
			t.Errorf("%s: the counter stands at %d", name, n)
		}
	}
}

// Seed 6001120: a value that stands alone cannot say that something newer may be missing, as several versions do.
func TestAValueBelowWhatMayBeMissingIsBehind(t *testing.T) { // I2 I8
	s, k := newStore(t, Config{BytesMax: 24 << 10}), key("k")
	s.Recover(k.Partition, 90)
	s.Refill(k, sum(t, &vclock.Set{}, 1, 60), wall)
	s.Recovered(k.Partition, 0, func(Key, vclock.Stamp) bool { return false }, nil)
	if r := s.Put(k, value(alice, 70, "7"), wall); r.Outcome != Behind || r.Known.Stamp != 90 {
		t.Errorf("%+v", r)
	}
	if r := s.Put(k, value(alice, 91, "7"), wall); r.Outcome != Stored || floorOf(s, k) != 0 {
		t.Errorf("%+v, floor %v", r, floorOf(s, k))
	}
}

func TestARecoveredRecordOfSeveralVersionsVotesOnlyWhereOthersVouchForIt(t *testing.T) {
	for _, keeps := range []bool{true, false} {
		s, k := newStore(t, Config{BytesMax: 24 << 10}), key("k")
		s.Recover(k.Partition, 50)
		mustPut(t, s, k, sum(t, &vclock.Set{}, 1, 60))
		s.Recovered(k.Partition, 0, func(Key, vclock.Stamp) bool { return keeps }, nil)
		want := vclock.Stamp(50)
		if keeps {
			want = 0
		}
		if n, floor := total(t, s, k); n != 1 || floor != want {
			t.Errorf("kept %t: %d, floor %v", keeps, n, floor)
		}
	}
}

func TestADeadlineServesAllThatStandsOnOneBase(t *testing.T) {
	s, k := newStore(t, Config{BytesMax: 24 << 10}), key("k")
	base := value(alice, 10, "40")
	mustPut(t, s, k, base)
	mustPut(t, s, k, sum(t, base, 1, 12))
	if r := s.Retime(k, base.Dot, vclock.Deadline{At: wall + 1000, Stamp: 13}, wall); r.Outcome != Stored {
		t.Errorf("a deadline for the base: %+v", r)
	}
	if set, _ := s.Peek(k, wall); set.Deadline.At != wall+1000 || !bytes.Equal(mustRead(t, &set), []byte("41")) {
		t.Errorf("it has %v", set)
	}
	if r := s.Retime(k, vclock.Dot{Actor: alice, Stamp: 9}, vclock.Deadline{At: wall + 5, Stamp: 14}, wall); r.Outcome != Superseded {
		t.Errorf("a deadline for what was replaced: %+v", r)
	}
	if s.Tick(wall+1000, nil); s.Stats().Keys != 0 {
		t.Error("it outlives its deadline")
	}
}

func mustRead(t *testing.T, s *vclock.Set) []byte {
	t.Helper()
	b, ok := s.Reading()
	if !ok {
		t.Fatalf("%v reads nothing", s)
	}
	return b
}

func floorOf(s *Store, k Key) vclock.Stamp {
	_, floor := s.Peek(k, wall)
	return floor
}

// TestWhatAnotherForgotOfSeveralTakesNoneThatIsHeld: what is held may be what the other never had; only a value or a deletion outdoes
// all that is older.
func TestWhatAnotherForgotOfSeveralTakesNoneThatIsHeld(t *testing.T) { // I9, I12
	ours, theirs := sum(t, &vclock.Set{}, 2, 11), sum(t, &vclock.Set{}, 1, 20)
	for what, forgotten := range map[string]*vclock.Set{"an addition": theirs, "a value": value(alice, 20, "7"), "a delete": {Dot: dot(alice, 20), Tombstone: true}} {
		s, k := newStore(t, Config{BytesMax: 24 << 10}), key("k")
		mustPut(t, s, k, ours)
		changed := s.Learn(k.Partition, s.GhostOf(k, forgotten))
		set, floor := s.Peek(k, wall)
		if held := !set.IsZero(); held != forgotten.Packed || changed == held || held != (floor == 0) {
			t.Errorf("%s was forgotten elsewhere: held %v, floor %v, changed %v", what, held, floor, changed)
		}
	}
}
