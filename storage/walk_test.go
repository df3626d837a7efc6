package storage

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/shoalcache/shoal/vclock"
	"pgregory.net/rapid"
)

// walked is what a walk met: the greatest stamp by key hash, record or ghost.
type walked map[uint64]vclock.Stamp

func (w walked) meet(hash uint64, stamp vclock.Stamp) { w[hash] = max(w[hash], stamp) }

// page walks one page of partition p into w.
func (w walked) page(s *Store, p uint32, cursor uint64, bytesMax int) uint64 {
	return s.Walk(p, cursor, bytesMax,
		func(key []byte, set *vclock.Set, _ vclock.Stamp) { w.meet(sum64(key), set.Dot.Stamp) },
		func(g Ghost) { w.meet(g.Hash, g.Stamp) })
}

func TestAWalkTellsRecordsAndGhostsAsTheyAre(t *testing.T) {
	s := newStore(t, Config{BytesMax: 24 << 10})
	ghost, record := key("ghost"), key("record")
	record.Partition = ghost.Partition
	mustPut(t, s, ghost, until(value(alice, 10, "g"), wall+1, 3))
	evict(t, s, ghost)
	set := until(value(bob, 20, "r", dot(alice, 4)), wall+1, 2)
	mustPut(t, s, record, set)

	var told *vclock.Set
	var left *Ghost
	s.Walk(record.Partition, 0, 1<<20, func(k []byte, got *vclock.Set, _ vclock.Stamp) {
		if string(k) == "record" {
			c := copied(*got)
			told = &c
		}
	}, func(g Ghost) {
		if g.Hash == ghost.Hash {
			left = &g
		}
	})
	if told == nil || !identical(told, set) {
		t.Errorf("record told as %+v", told)
	}
	if want := vclock.Digest(dot(alice, 10), vclock.Deadline{At: wall + 1, Stamp: 3}); left == nil || left.Stamp != 10 || left.Digest != want {
		t.Errorf("ghost told as %+v, want stamp 10 and digest %x", left, want)
	}
}

func TestAPageHasOneEntryOrKeepsToItsBytes(t *testing.T) {
	s := newStore(t, Config{})
	const n = 50
	for i := range n {
		k := key(fmt.Sprintf("key %02d", i))
		k.Partition = 0
		mustPut(t, s, k, value(alice, 1, "0123456789"))
	}
	one := ghostBytes + headRoom + len("key 00") + 10
	for _, c := range []struct{ bytesMax, pages int }{
		{0, n}, {one, n}, {2*one - 1, n}, {2 * one, n / 2}, {7 * one, 8}, {n * one, 1},
	} {
		pages, cursor, w := 0, uint64(0), walked{}
		for {
			cursor = w.page(s, 0, cursor, c.bytesMax)
			pages++
			if cursor == 0 || pages > n {
				break
			}
		}
		if pages != c.pages || len(w) != n {
			t.Errorf("at most %d bytes: %d pages, %d keys, want %d and %d", c.bytesMax, pages, len(w), c.pages, n)
		}
	}
	if next := (walked{}).page(s, 0, 1<<63, 1<<20); next != 0 {
		t.Errorf("a cursor beyond the end led to %d", next)
	}
	if next := (walked{}).page(s, 1, 0, 1<<20); next != 0 {
		t.Errorf("an empty partition led to %d", next)
	}
}

// Invariant 4, under writes, reads, deadlines and so little memory that keys are evicted, come back and
// lose their ghosts while the walk runs.
func TestAWalkMissesNothingThatIsKnownThroughout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, err := New(Config{BytesMax: 15 << 10, GhostBytesMax: 4 * ghostWeight, Partitions: 2, Shards: 1, Hash: testHash})
		if err != nil {
			t.Fatal(err)
		}
		now, stamp := int64(wall), vclock.Stamp(0)
		change := func() {
			k := key(fmt.Sprint(rapid.IntRange(0, 19).Draw(t, "key")))
			k.Partition %= 2
			switch rapid.IntRange(0, 5).Draw(t, "op") {
			case 0:
				now++
				s.Tick(now, nil)
			case 1:
				s.Get(k, now)
			default:
				stamp++
				set := value(alice, stamp, string(make([]byte, rapid.IntRange(0, 300).Draw(t, "size"))))
				if rapid.Bool().Draw(t, "mortal") {
					until(set, now+rapid.Int64Range(0, 5).Draw(t, "ttl"), stamp)
				}
				s.Put(k, set, now)
			}
		}
		for range rapid.IntRange(0, 40).Draw(t, "before") {
			change()
		}
		first := maps.Clone(s.known(0))
		w, cursor := walked{}, uint64(0)
		for {
			cursor = w.page(s, 0, cursor, rapid.IntRange(0, 500).Draw(t, "page"))
			if cursor == 0 {
				break
			}
			for range rapid.IntRange(0, 3).Draw(t, "between") {
				change()
			}
		}
		mark := s.Mark(0)
		for _, hash := range slices.Sorted(maps.Keys(first)) {
			if w[hash] < first[hash] && mark < first[hash] {
				t.Fatalf("%x: stamp %v at the first page, met at %v, mark %v", hash, first[hash], w[hash], mark)
			}
		}
	})
}

// known is the stamp of every entry of a partition, by hash.
func (s *Store) known(p uint32) walked {
	w := walked{}
	s.each(s.at(p), func(hash uint64, e entry) { w.meet(hash, e.stamp) })
	return w
}

// What is told of a record besides which version it is does not count towards the page of somebody who does not tell it.
func TestABriefWalkCountsRecordsAsGhostsUnlessTheyAreSeveral(t *testing.T) {
	s := newStore(t, Config{})
	for i := range 50 {
		k := key(fmt.Sprintf("key %02d", i))
		k.Partition = 0
		mustPut(t, s, k, value(alice, 1, "a value that is much longer than a ghost, which has forty bytes"))
	}
	told := 0
	next := s.WalkBriefly(0, 0, 20*ghostBytes, func([]byte, *vclock.Set, vclock.Stamp) { told++ }, nil)
	if told != 20 || next == 0 {
		t.Errorf("%d told, next %d", told, next)
	}
	k := key("several")
	k.Partition = 1
	mustPut(t, s, k, sum(t, value(alice, 5, "5"), 1, 10))
	k = key("one")
	k.Partition = 1
	mustPut(t, s, k, value(alice, 1, "v"))
	told = 0
	if next := s.WalkBriefly(1, 0, 2*ghostBytes, func([]byte, *vclock.Set, vclock.Stamp) { told++ }, nil); told != 1 || next == 0 {
		t.Errorf("%d told of what is several and one, next %d", told, next)
	}
}

func TestTellTellsWhatIsAskedForInOrderAsFarAsThereIsRoom(t *testing.T) {
	s := newStore(t, Config{BytesMax: 24 << 10})
	ghost, record, other := key("ghost"), key("record"), key("other")
	record.Partition, other.Partition = ghost.Partition, ghost.Partition
	mustPut(t, s, ghost, value(alice, 10, "g"))
	evict(t, s, ghost)
	mustPut(t, s, record, value(bob, 20, "r"))
	mustPut(t, s, other, value(bob, 30, "0123456789"))
	hashes := []uint64{other.Hash, 12345, ghost.Hash, record.Hash}
	for bytesMax, want := range map[int]struct {
		told string
		n    int
	}{
		1:       {"other ", 2}, // the first in any case; of the second nothing is known
		1 << 10: {"other ~10 record ", 4},
	} {
		told := ""
		n := s.Tell(ghost.Partition, hashes, bytesMax,
			func(k []byte, _ *vclock.Set, _ vclock.Stamp) { told += string(k) + " " },
			func(g Ghost) { told += fmt.Sprint("~", uint64(g.Stamp), " ") })
		if told != want.told || n != want.n {
			t.Errorf("in %d bytes %d: %q", bytesMax, n, told)
		}
	}
}
