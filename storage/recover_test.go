package storage

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

func inPartition(name string, p uint32) Key {
	k := key(name)
	k.Partition = p
	return k
}

func keepAll(Key, vclock.Stamp) bool { return true }

func TestARecoveringPartitionAnswersEveryKeyWithItsFloor(t *testing.T) {
	s := newStore(t, Config{})
	s.Recover(1, 100)
	refilled, written, absent := inPartition("refilled", 1), inPartition("written", 1), inPartition("absent", 1)
	if r := s.Refill(refilled, value(alice, 50, "r"), wall); r.Outcome != Stored {
		t.Errorf("refill: %v", r.Outcome)
	}
	mustPut(t, s, written, value(alice, 150, "w"))
	for _, k := range []Key{refilled, written, absent} {
		if _, floor := s.Get(k, wall); floor != 100 {
			t.Errorf("%q: floor %v, want 100", k.Bytes, floor)
		}
	}
	if floor, ok := s.Recovering(1); floor != 100 || !ok {
		t.Errorf("recovering %v, %v", floor, ok)
	}
	if _, ok := s.Recovering(2); ok {
		t.Error("another partition recovers too")
	}
	if _, floor := s.Get(inPartition("absent", 2), wall); floor != 0 {
		t.Errorf("floor %v in another partition", floor)
	}
}

func TestARecoveringPartitionRefusesForegroundWritesAtItsFloorEvenOverAnOlderOneHeld(t *testing.T) {
	s := newStore(t, Config{})
	s.Recover(1, 100)
	k := inPartition("k", 1)
	if r := s.Refill(k, value(alice, 50, "r"), wall); r.Outcome != Stored {
		t.Fatal(r.Outcome)
	}
	if r := s.Put(k, value(alice, 100, "w"), wall); r.Outcome != Behind || r.Known.Stamp != 100 {
		t.Errorf("at the floor: %+v", r)
	}
	if r := s.Put(k, value(alice, 40, "w"), wall); r.Outcome != Superseded || r.Known != dot(alice, 50) {
		t.Errorf("below what is held: %+v", r)
	}
	mustPut(t, s, k, value(alice, 101, "w"))
}

func TestAgainRecoveringTheGreaterFloorStands(t *testing.T) {
	s := newStore(t, Config{})
	s.Recover(1, 100)
	s.Recover(1, 50)
	if floor, _ := s.Recovering(1); floor != 100 {
		t.Errorf("floor %v, want 100", floor)
	}
}

func TestRefillRespectsWhatThePartitionHasForgottenSince(t *testing.T) {
	s := newStore(t, Config{BytesMax: 24 << 10})
	s.Recover(1, 100)
	k := inPartition("k", 1)
	mustPut(t, s, k, value(alice, 150, "w"))
	for i := 0; !s.isGhost(k); i++ {
		filler := inPartition(fmt.Sprint("filler ", i), 2)
		if r := s.Refill(filler, value(alice, vclock.Stamp(i)+1, strings.Repeat("x", 100)), wall); r.Outcome != Stored || i > 1000 {
			t.Fatalf("filler %d: %v", i, r.Outcome)
		}
		s.Get(filler, wall)
	}
	if r := s.Refill(k, value(alice, 149, "r"), wall); r.Outcome != Behind || r.Known.Stamp != 150 {
		t.Errorf("below the own ghost: %+v", r)
	}
	s.at(1).mark = 60
	if r := s.Refill(inPartition("never here", 1), value(alice, 60, "r"), wall); r.Outcome != Behind || r.Known.Stamp != 60 {
		t.Errorf("at the own mark: %+v", r)
	}
	if r := s.Refill(k, value(alice, 150, "w"), wall); r.Outcome != Stored {
		t.Errorf("the very version of the ghost: %+v", r)
	}
}

func (s *Store) isGhost(k Key) bool {
	e := s.lookup(s.at(k.Partition), k)
	return e.ghost()
}

func TestRetimeWhileRecoveringTakesAnOlderVersionForForgotten(t *testing.T) {
	s := newStore(t, Config{})
	s.Recover(1, 100)
	k := inPartition("k", 1)
	s.Refill(k, value(alice, 50, "r"), wall)
	d := vclock.Deadline{At: wall + 9, Stamp: 200}
	for _, c := range []struct {
		aim  vclock.Dot
		want Outcome
	}{{dot(alice, 40), Superseded}, {dot(alice, 50), Stored}, {dot(alice, 60), Gone}, {dot(alice, 101), Missing}} {
		if r := s.Retime(k, c.aim, d, wall); r.Outcome != c.want {
			t.Errorf("aimed at %v: %v, want %v", c.aim.Stamp, r.Outcome, c.want)
		}
	}
}

func TestRecoveredKeepsWhatHasVotesAndTheMarkCoversTheRest(t *testing.T) {
	s := newStore(t, Config{})
	s.Recover(1, 100)
	kept, voted, uncovered := inPartition("kept", 1), inPartition("voted out", 1), inPartition("voted out late", 1)
	since := inPartition("written since", 1) // this replica voted for it while it recovered, and goes on
	s.Refill(kept, value(alice, 30, "k"), wall)
	s.Refill(voted, value(alice, 40, "v"), wall)
	s.Refill(uncovered, value(alice, 90, "u"), wall)
	mustPut(t, s, since, value(alice, 150, "s"))
	s.Recovered(1, 60, func(k Key, stamp vclock.Stamp) bool { return k.Hash == kept.Hash && stamp == 30 }, nil)

	for _, c := range []struct {
		k     Key
		held  bool
		floor vclock.Stamp
	}{
		{kept, true, 0},
		{voted, false, 60},
		{uncovered, false, 90},
		{since, true, 0},
		{inPartition("absent", 1), false, 60},
	} {
		if set, floor := s.Get(c.k, wall); set.IsZero() == c.held || floor != c.floor {
			t.Errorf("%q: held %v, floor %v, want %v, %v", c.k.Bytes, !set.IsZero(), floor, c.held, c.floor)
		}
	}
	if _, ok := s.Recovering(1); ok || s.Mark(1) != 60 {
		t.Errorf("recovering %v, mark %v", ok, s.Mark(1))
	}
	if records, ghosts := s.Count(1); records != 2 || ghosts != 1 {
		t.Errorf("%d records, %d ghosts, want 2 and 1", records, ghosts)
	}
}

func TestRecoveredTakesOverTheGreatestMarkAndTheGhostsAboveIt(t *testing.T) {
	s := newStore(t, Config{})
	s.Recover(1, 100)
	s.at(1).mark = 20
	held, older := inPartition("held", 1), inPartition("older", 1)
	s.Refill(held, value(alice, 90, "h"), wall)
	s.Refill(older, value(alice, 70, "o"), wall)
	own := inPartition("own ghost", 1)
	mustPut(t, s, own, until(value(alice, 110, "e"), wall, 110)) // expired on arrival
	low := inPartition("low ghost", 1)
	s.Refill(low, until(value(alice, 25, "e"), wall, 25), wall)

	digest := vclock.Digest(dot(bob, 80), vclock.Deadline{})
	s.Recovered(1, 10, keepAll, nil)
	if s.Mark(1) != 20 {
		t.Errorf("mark %v fell below the own", s.Mark(1))
	}
	if _, floor := s.Get(low, wall); floor != 25 {
		t.Errorf("floor %v, want the own ghost's 25", floor)
	}
	s.Recovered(1, 50, keepAll, []Ghost{
		{Hash: held.Hash, Stamp: 85},
		{Hash: older.Hash, Stamp: 80, Digest: digest},
		{Hash: own.Hash, Stamp: 105},
		{Hash: key("below").Hash, Stamp: 50},
		{Hash: key("above").Hash, Stamp: 55},
	})
	for _, c := range []struct {
		name  string
		held  bool
		floor vclock.Stamp
	}{
		{"held", true, 0},         // newer than the ghost
		{"older", false, 80},      // replaced by the ghost
		{"own ghost", false, 110}, // newer than the other's
		{"low ghost", false, 50},  // the mark may stand for more than this replica forgot since it began
		{"below", false, 50},      // the mark says as much
		{"above", false, 55},
	} {
		if set, floor := s.Get(inPartition(c.name, 1), wall); set.IsZero() == c.held || floor != c.floor {
			t.Errorf("%s: held %v, floor %v, want %v, %v", c.name, !set.IsZero(), floor, c.held, c.floor)
		}
	}
	if _, ghosts := s.Count(1); ghosts != 3 {
		t.Errorf("%d ghosts, want 3", ghosts)
	}
	if r := s.Put(older, value(bob, 80, "came back"), wall); r.Outcome != Stored {
		t.Errorf("the very version of a ghost taken over: %v", r.Outcome)
	}
}

func TestRecoveredStaysWithinItsLimitsHoweverManyGhostsItIsGiven(t *testing.T) {
	s := newStore(t, Config{BytesMax: 24 << 10, GhostBytesMax: 8 * ghostWeight})
	for i := range 200 {
		mustPut(t, s, Key{Bytes: []byte{byte(i)}, Hash: uint64(i), Partition: 1}, value(alice, vclock.Stamp(i)+1, "x"))
	}
	ghosts := make([]Ghost, 500)
	for i := range ghosts {
		ghosts[i] = Ghost{Hash: uint64(1000 + i), Stamp: vclock.Stamp(1000 + i*7%500)}
	}
	s.Recovered(1, 0, func(k Key, _ vclock.Stamp) bool { return k.Hash%3 == 0 }, ghosts)
	if st := s.Stats(); st.BytesUsed > st.BytesMax || st.Ghosts > 8 {
		t.Errorf("%+v", st)
	}
	for _, g := range ghosts {
		if _, floor := s.Get(Key{Bytes: []byte("any"), Hash: g.Hash, Partition: 1}, wall); floor < g.Stamp {
			t.Fatalf("floor %v of a key whose ghost is at %v", floor, g.Stamp)
		}
	}
}

func TestDropLeavesNothingOfAPartitionAndAllOfTheOthers(t *testing.T) {
	s := newStore(t, Config{})
	for _, p := range []uint32{1, 2} {
		s.Recover(p, 5)
		mustPut(t, s, inPartition("record", p), value(alice, 10, "r"))
		mustPut(t, s, inPartition("ghost", p), until(value(alice, 10, "g"), wall, 10))
		s.at(p).mark = 7
	}
	before := s.Stats()
	s.Drop(1)
	for _, name := range []string{"record", "ghost", "absent"} {
		if set, floor := s.Get(inPartition(name, 1), wall); !set.IsZero() || floor != 0 {
			t.Errorf("%s: %+v, floor %v", name, set, floor)
		}
	}
	if records, ghosts := s.Count(1); records+ghosts != 0 || s.Mark(1) != 0 {
		t.Errorf("%d records, %d ghosts, mark %v", records, ghosts, s.Mark(1))
	}
	if _, ok := s.Recovering(1); ok {
		t.Error("still recovering")
	}
	if records, ghosts := s.Count(2); records != 1 || ghosts != 1 || s.Mark(2) != 7 {
		t.Errorf("the other partition: %d records, %d ghosts, mark %v", records, ghosts, s.Mark(2))
	}
	after := s.Stats()
	if after.Keys != 1 || after.Ghosts != 1 || after.BytesUsed*2 != before.BytesUsed {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if after.Evicted+after.GhostsDropped != 0 {
		t.Errorf("counted as forgetting: %+v", after)
	}
}

// Ghosts are dropped while recovery goes on, and the mark passes what it has not come to yet.
func TestAnOlderGhostDoesNotStandForANewerOneThatTheMarkHasPassedDuringRecovery(t *testing.T) {
	s := newStore(t, Config{BytesMax: 24 << 10, GhostBytesMax: 2*ghostWeight - 1})
	k, other := key("k"), key("other")
	s.Recover(k.Partition, 100)
	mustPut(t, s, other, until(value(alice, 130, ""), wall, 130))
	if r := s.Refill(k, value(alice, 10, "old"), wall); r.Outcome != Stored {
		t.Fatal(r)
	}
	keepNone := func(Key, vclock.Stamp) bool { return false }
	s.Recovered(k.Partition, 5, keepNone, []Ghost{{Hash: k.Hash, Stamp: 20}})
	if _, floor := s.Get(k, wall); floor < 20 {
		t.Errorf("floor %v of a key that another owner knows of 20", floor)
	}
}
