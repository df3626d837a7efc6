package storage

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

// numbered makes the i-th of many keys, 16 bytes long, spread over 4,096 partitions.
func numbered(dst []byte, i int) Key {
	dst = binary.BigEndian.AppendUint64(append(dst[:0], "key-key-"...), uint64(i))
	h := numberedHash(dst)
	return Key{Bytes: dst, Hash: h, Partition: uint32(h>>16) % 4096}
}

func numberedHash(key []byte) uint64 {
	h := (binary.BigEndian.Uint64(key[8:]) + 1) * 0x9e3779b97f4a7c15
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>29
}

// filled is a store of n values of 100 bytes under keys of 16.
func filled(t testing.TB, n int, bytesMax int64) *Store {
	s := newStore(t, Config{BytesMax: bytesMax, Partitions: 4096, Shards: 1, Hash: numberedHash})
	set := value(alice, 1, strings.Repeat("v", 100))
	var buf [16]byte
	for i := range n {
		set.Dot.Stamp++ // or the marks would refuse it
		s.Put(numbered(buf[:], i), set, wall)
	}
	return s
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

func TestAnInsertDoesNotAllocate(t *testing.T) {
	s := filled(t, 60_000, 8<<20) // long past full: the index no longer grows
	insert, before := putNew(s, 60_000), s.Stats().Evicted
	got := testing.AllocsPerRun(1000, insert)
	if evicted := s.Stats().Evicted - before; evicted < 1000 {
		t.Errorf("%d evicted by 1000 inserts: the store was not full", evicted)
	}
	if got > 0+raceAllocations {
		t.Errorf("%v allocations", got)
	}
}

func TestALargeValueGivesItsMemoryBackWhenDeleted(t *testing.T) {
	s := newStore(t, Config{})
	mustPut(t, s, key("k"), value(alice, 1, strings.Repeat("v", 100_000)))
	mustPut(t, s, key("k"), &vclock.Set{Dot: dot(alice, 2), Tombstone: true})
	if got := s.Stats().BytesUsed; got > pageBytes+100 {
		t.Errorf("a tombstone of %d bytes", got)
	}
}

// Of keys that come back soon many ghosts lie dead, so that it is their segments that are too many, and not their bytes.
func TestNoCallDropsASegmentOfGhosts(t *testing.T) {
	const keys, most = 40_000, 16
	s := newStore(t, Config{BytesMax: 4 << 20, Partitions: 4096, Shards: 1})
	rng := rand.New(rand.NewPCG(1, 2))
	set := value(alice, 1, strings.Repeat("v", 100))
	var buf [16]byte
	for range 6 * keys {
		set.Dot.Stamp++
		before := s.stats.GhostsDropped
		mustPut(t, s, numbered(buf[:], rng.IntN(keys)), set)
		if dropped := s.stats.GhostsDropped - before; dropped > most {
			t.Fatalf("a call dropped %d ghosts, %d segments have %d", dropped, s.logs[ghosts].segments, s.stats.Ghosts)
		}
	}
	if l := s.logs[ghosts]; s.stats.GhostsDropped < keys/2 || l.bytes > s.ghostBytesMax*9/10 || int64(l.segments-2)<<s.shift > s.ghostBytesMax {
		t.Errorf("%d were dropped; %d of %d bytes of ghosts in %d segments: few lay dead, or they take more", s.stats.GhostsDropped, l.bytes, s.ghostBytesMax, l.segments)
	}
	verified(t, s)
}
