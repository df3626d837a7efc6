package storage

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

// numbered makes the i-th of many keys, 16 bytes long, spread over 4,096 partitions.
func numbered(dst []byte, i int) Key {
	dst = binary.BigEndian.AppendUint64(append(dst[:0], "key-key-"...), uint64(i))
	h := uint64(i+1) * 0x9e3779b97f4a7c15
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return Key{Bytes: dst, Hash: h, Partition: uint32(h) % 4096}
}

// filled is a store of n values of 100 bytes under keys of 16.
func filled(t testing.TB, n int, bytesMax int64) *Store {
	s := newStore(t, Config{BytesMax: bytesMax, Partitions: 4096, Shards: 1})
	set := value(alice, 1, strings.Repeat("v", 100))
	var buf [16]byte
	for i := range n {
		set.Dot.Stamp++ // or the marks would refuse it
		s.Put(numbered(buf[:], i), set, wall)
	}
	return s
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Invariant 3 is worth what its accounting is worth: the heap must not hold more than is counted, at any
// fill of the maps, with and without ghosts.
func TestTheHeapHoldsNoMoreThanIsAccounted(t *testing.T) {
	for _, c := range []struct {
		n        int
		bytesMax int64
	}{
		{150_000, 1 << 30},
		{234_000, 1 << 30},
		{270_000, 1 << 30},
		{400_000, 40 << 20},
		{300_000, 10 << 20},
	} {
		t.Run(fmt.Sprintf("%d", c.n), func(t *testing.T) {
			before := heap()
			s := filled(t, c.n, c.bytesMax)
			real := heap() - before
			st := s.Stats()
			entries := int64(st.Keys + st.Ghosts)
			t.Logf("%d records, %d ghosts: %d bytes an entry, %d accounted", st.Keys, st.Ghosts, real/entries, st.BytesUsed/entries)
			if perPartition := int64(300 * 4096); real > st.BytesUsed+perPartition {
				t.Errorf("%d bytes on the heap, %d accounted", real, st.BytesUsed)
			}
		})
	}
}

func TestTheIndexShrinksWithItsEntries(t *testing.T) {
	before := heap()
	s := filled(t, 200_000, 1<<30)
	many := heap() - before
	for p := range uint32(4096) {
		s.Recover(p, 1<<40)
		s.Recovered(p, 1<<40, func(k Key, _ vclock.Stamp) bool { return k.Hash%16 == 0 }, nil)
	}
	if few := heap() - before; few > many/8 {
		t.Errorf("%d bytes for a sixteenth of the entries, %d for all", few, many)
	}
	if st := s.Stats(); st.Keys < 200_000/20 || st.Keys > 200_000/12 {
		t.Errorf("%d keys left", st.Keys)
	}
	runtime.KeepAlive(s)
}

// Invariant 6.
func TestGetAndAnOverwriteThatFitsDoNotAllocate(t *testing.T) {
	s := newStore(t, Config{})
	k := key("k")
	set := until(value(alice, 1, strings.Repeat("v", 100), dot(bob, 1)), wall+1000, 1)
	mustPut(t, s, k, set)
	next := func() {
		set.Dot.Stamp++
		if r := s.Put(k, set, wall); r.Outcome != Stored || r.Conflict {
			t.Fatalf("%+v", r)
		}
	}
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"get", func() { s.Get(k, wall) }},
		{"peek", func() { s.Peek(k, wall) }},
		{"get of nothing", func() { s.Get(key("k"), wall) }},
		{"overwrite", next},
		{"overwrite with less", func() { set.Value = set.Value[:60]; next() }},
		{"known", func() { s.Put(k, set, wall) }},
		{"superseded", func() { s.Put(k, value(alice, 1, ""), wall) }},
		{"retime", func() { s.Retime(k, set.Dot, vclock.Deadline{At: wall + 2, Stamp: 1}, wall) }},
		{"walk", func() { s.Walk(k.Partition, 0, 1<<20, func([]byte, *vclock.Set, vclock.Stamp) {}, func(Ghost) {}) }},
		{"tick", func() { s.Tick(wall, nil) }},
		{"tick with a look at every key", func() { s.Tick(wall, func(key []byte) bool { return len(key) == 0 }) }},
	} {
		c.f()
		allowed := 0.0
		switch c.name {
		case "get of nothing":
			allowed = 4 // the test's own key and hash
		case "superseded":
			allowed = 1 // the test's own set
		}
		if got := testing.AllocsPerRun(100, c.f); got > allowed {
			t.Errorf("%s: %v allocations", c.name, got)
		}
	}
}

func TestAnInsertAllocatesItsEntryAndItsBody(t *testing.T) {
	s := filled(t, 60_000, 8<<20) // long past full: the index no longer grows
	insert, before := putNew(s, 60_000), s.Stats().Evicted
	got := testing.AllocsPerRun(1000, insert)
	if evicted := s.Stats().Evicted - before; evicted < 1000 {
		t.Errorf("%d evicted by 1000 inserts: the store was not full", evicted)
	}
	if got > 2+raceAllocations {
		t.Errorf("%v allocations, want at most 2", got)
	}
}

func TestALargeValueGivesItsMemoryBackWhenDeleted(t *testing.T) {
	s := newStore(t, Config{})
	mustPut(t, s, key("k"), value(alice, 1, strings.Repeat("v", 100_000)))
	mustPut(t, s, key("k"), &vclock.Set{Dot: dot(alice, 2), Tombstone: true})
	if got := s.Stats().BytesUsed; got > 1000 {
		t.Errorf("a tombstone of %d bytes", got)
	}
}
