package storage

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

// This file owns what the engine once did wrong.

func TestASegmentWithNothingDeadIsNotCleanedAgainAndAgain(t *testing.T) {
	s := newStore(t, Config{BytesMax: 64 << 10, Policy: None})
	for i := range 1000 { // 205 bytes: four to a segment of 1024, 204 left over
		s.Put(key(fmt.Sprintf("key %05d", i)), value(alice, 5, strings.Repeat("x", 180)), wall)
	}
}

func TestDeadlinesInAFullStoreThatEvictsNothingTakeNoMoreThanThereIs(t *testing.T) {
	m := &measured{taken: map[*byte]bool{}}
	s := newStore(t, Config{BytesMax: 1 << 20, Policy: None, Memory: m})
	n := 0
	for s.Put(key(fmt.Sprint("filler ", n)), value(alice, 5, strings.Repeat("x", 80)), wall).Outcome == Stored {
		n++
	}
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		s.Retime(key(fmt.Sprint("filler ", i)), dot(alice, 5), vclock.Deadline{At: wall + 100_000, Stamp: 9}, wall)
	}
	if m.most > 1<<20 {
		t.Fatalf("%d bytes of %d", m.most, 1<<20)
	}
}

func TestARecordThatMovesOutOfASegmentUnderASweepIsSweptInTime(t *testing.T) {
	s := newStore(t, Config{BytesMax: 16 << 20, Policy: LRU})
	mustPut(t, s, key("first"), until(value(alice, 5, "v"), wall+5, 5))
	for i := range sweepMax {
		mustPut(t, s, key(fmt.Sprint("before ", i)), value(alice, 5, "v"))
	}
	mustPut(t, s, key("k"), until(value(alice, 5, "v"), wall+1000, 5))
	for i := 0; len(s.segments) < 20; i++ {
		mustPut(t, s, key(fmt.Sprint("behind ", i)), value(alice, 5, "v"))
	}
	s.Tick(wall+5, nil)     // stops in the midst of the first segment, before k
	s.Get(key("k"), wall+6) // moves k to the newest
	for range 100 {
		s.Tick(wall+2000, nil)
	}
	if got := s.Stats().Expired; got != 2 {
		t.Fatalf("%d have expired, want 2", got)
	}
}

func TestAnAnswerMayBeHandedInAgainThoughItsRecordHasExpired(t *testing.T) {
	s := newStore(t, Config{Memory: &measured{taken: map[*byte]bool{}}})
	want := strings.Repeat("x", 100_000)
	mustPut(t, s, key("k"), until(value(alice, 5, want), wall+10, 5))
	set, _ := s.Get(key("k"), wall)
	set.Dot, set.Deadline = dot(alice, 6), vclock.Deadline{}
	r := s.Put(key("k"), &set, wall+20) // expires the old record first, and gives its block back
	if got, _ := s.Get(key("k"), wall+20); string(got.Value) != want {
		t.Fatalf("%v, and holds %x...", r.Outcome, got.Value[:8])
	}
}

func TestReplacedRecordsDoNotSlowExpiryDown(t *testing.T) {
	s := newStore(t, Config{BytesMax: 32 << 20})
	const n = 62_500
	for i := range n * 5 / 4 { // a quarter of them again, a few bytes longer
		stamp := vclock.Stamp(i + 1)
		mustPut(t, s, key(fmt.Sprint("key ", (i+i/n*i*31)%n)), until(value(alice, stamp, strings.Repeat("v", 100+i/n*9)), wall+1, stamp))
	}
	ticks := 0
	for ; s.Stats().Keys > 0; ticks++ {
		s.Tick(wall+1, nil)
	}
	if most := n*5/4/expireMax + 4; ticks > most {
		t.Fatalf("%d ticks, want at most %d", ticks, most)
	}
}

// brimful is a full store that evicts nothing, in which deletions of keys that it does not hold have taken what is kept for such.
func brimful(t *testing.T) *Store {
	s := full(t)
	for i := 0; ; i++ {
		deleted := value(alice, 5, "")
		deleted.Tombstone = true
		if s.Put(key(fmt.Sprint("absent ", i)), deleted, wall).Outcome == Full {
			return s
		}
	}
}

func TestAFullStoreForgetsNothingForWhatItHasOrIsOlderOrTakesNoMore(t *testing.T) {
	s := brimful(t)
	held, _ := s.Get(key("filler 10"), wall)
	same := copied(held)
	for _, c := range []struct {
		key  string
		set  *vclock.Set
		want Outcome
		size int
	}{
		{"filler 10", &same, Known, 100},
		{"filler 11", value(bob, 2, "old"), Superseded, 100},
		{"filler 12", value(alice, 9, strings.Repeat("z", 100)), Stored, 100},
		{"filler 13", value(alice, 9, strings.Repeat("z", 90)), Stored, 90},
		{"filler 14", value(bob, 2, "old", dot(bob, 1)), Superseded, 100},
		{"filler 15", value(alice, 9, strings.Repeat("z", 400)), Full, 0},
	} {
		r := s.Put(key(c.key), c.set, wall)
		if got, _ := s.Get(key(c.key), wall); r.Outcome != c.want || len(got.Value) != c.size {
			t.Errorf("%s: %v, and %d bytes are held, want %v and %d", c.key, r.Outcome, len(got.Value), c.want, c.size)
		}
	}
}

func TestAStoreIsNotMadeLargerByMakingItSmaller(t *testing.T) {
	s := brimful(t)
	for range 30 {
		before := s.Stats().BytesMax
		if s.Resize(before - s.SegmentBytes()); s.Stats().BytesMax > before {
			t.Fatalf("%d bytes, before %d", s.Stats().BytesMax, before)
		}
		for i := range 100 {
			deleted := value(alice, 5, "")
			deleted.Tombstone = true
			s.Put(key(fmt.Sprint("absent too ", i)), deleted, wall)
		}
	}
}

// paged is memory that counts whole pages.
type paged struct{ measured }

func (m *paged) Take(n int) []byte {
	if n < roundMax {
		return m.measured.Take(n)
	}
	return m.measured.Take((n + roundMax - 1) &^ (roundMax - 1))[:n]
}

func (m *paged) Give(b []byte) { m.measured.Give(b[:cap(b)]) }

func TestAStoreThatEvictsNothingCountsTheWholePagesOfLargeValues(t *testing.T) {
	m := &paged{measured{taken: map[*byte]bool{}}}
	s := newStore(t, Config{BytesMax: 4 << 20, Policy: None, Memory: m})
	for n := 0; s.Put(key(fmt.Sprint(n)), value(alice, 5, strings.Repeat("x", 12<<10)), wall).Outcome == Stored; n++ {
		if s.stats.BytesUsed > s.usedMax-8*pageBytes || m.now > 4<<20 {
			t.Fatalf("%d values: %d bytes are in use of %d, %d are taken", n, s.stats.BytesUsed, s.usedMax, m.now)
		}
	}
}

func TestWhatIsDroppedGivesItsMemoryBack(t *testing.T) {
	m := &measured{taken: map[*byte]bool{}}
	s := newStore(t, Config{BytesMax: 8 << 20, Memory: m})
	k := key("k")
	mustPut(t, s, k, value(alice, 5, strings.Repeat("x", 1<<20)))
	before := m.now
	if s.Drop(k.Partition); m.now > before-1<<20 {
		t.Errorf("%d bytes are taken, before %d", m.now, before)
	}
}
