package storage

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

// load is what somebody who means ill asks of a store: the n-th key and how long its value is.
type load struct {
	name string
	key  func(rng *rand.Rand, n int) uint64 // its hash
	size func(rng *rand.Rand, n int, most int64) int64
}

func anyKey(rng *rand.Rand, _ int) uint64 { return rng.Uint64N(3000) * 0x9e3779b97f4a7c15 }

func tiny(rng *rand.Rand, _ int, _ int64) int64 { return rng.Int64N(20) }

var loads = []load{
	{"new keys", func(_ *rand.Rand, n int) uint64 { return uint64(n) * 0x9e3779b97f4a7c15 }, tiny},
	{"one page", func(_ *rand.Rand, n int) uint64 { return 7<<60 | uint64(n%5000) }, tiny},
	{"one bucket", func(_ *rand.Rand, n int) uint64 { return 7<<60 | uint64(n%5000)<<12 }, tiny},
	{"one hash", func(*rand.Rand, int) uint64 { return 1 }, func(rng *rand.Rand, _ int, most int64) int64 { return rng.Int64N(most / 2) }},
	{"tiny and huge", anyKey, func(_ *rand.Rand, n int, most int64) int64 {
		if n%10 == 0 {
			return most - 100
		}
		return 0
	}},
	{"tiny, then huge", anyKey, func(_ *rand.Rand, n int, most int64) int64 {
		if n/500%2 == 0 {
			return int64(n % 9)
		}
		return most/3 - int64(n%100)
	}},
	{"what leaves most of a segment empty", anyKey, func(rng *rand.Rand, _ int, _ int64) int64 { return 181 + rng.Int64N(3) }},
	{"what is just large for a segment", anyKey, func(rng *rand.Rand, _ int, _ int64) int64 { return 190 + rng.Int64N(200) }},
	{"each a byte longer", func(_ *rand.Rand, n int) uint64 { return uint64(n%100) * 0x9e3779b97f4a7c15 }, func(_ *rand.Rand, n int, most int64) int64 {
		return int64(n/100) % (most / 4)
	}},
	{"each a byte shorter", func(_ *rand.Rand, n int) uint64 { return uint64(n%100) * 0x9e3779b97f4a7c15 }, func(_ *rand.Rand, n int, most int64) int64 {
		return most/8 - int64(n/100)%(most/8)
	}},
}

// hostile is a store whose keys are named by the hash that they have.
func hostile(t *testing.T, c Config) (*Store, *measured) {
	m := &measured{taken: map[*byte]bool{}}
	c.Memory, c.Hash = m, func(b []byte) uint64 { return binary.BigEndian.Uint64(b) }
	return newStore(t, c), m
}

// Invariant 3, and that what was just stored is held, whoever chooses keys and values, for the policies that evict.
func TestNoLoadMakesAStoreTakeMoreThanItsBytes(t *testing.T) { // I16
	steps := 3_000
	if testing.Short() {
		steps = 400
	}
	for policy := range None {
		for _, bytesMax := range []int64{BytesLeast, BytesLeast + 3000, 80 << 10} {
			for _, l := range loads {
				for partitions := uint32(1); partitions < 200; partitions *= 50 {
					t.Run(fmt.Sprint(policy, " ", bytesMax, " ", partitions, " ", l.name), func(t *testing.T) {
						s, m := hostile(t, Config{BytesMax: bytesMax, Policy: policy, Partitions: partitions, Shards: 1})
						suffer(t, s, m, l, steps)
					})
				}
			}
		}
	}
}

func suffer(t *testing.T, s *Store, m *measured, l load, steps int) {
	rng := rand.New(rand.NewPCG(3, 4))
	now, stamp := int64(wall), vclock.Stamp(0)
	name := func(n int) Key {
		h := l.key(rng, n)
		b := binary.BigEndian.AppendUint64(nil, h)
		if l.name == "one hash" {
			b = append(b, byte(n))
		}
		return Key{Bytes: b, Hash: h, Partition: uint32(h>>9) % uint32(len(s.partitions))}
	}
	for n := range steps {
		k := name(n)
		stamp += 2
		set := value(alice, stamp, "")
		switch n % 16 {
		case 3:
			s.Get(k, now)
			continue
		case 5:
			held, _ := s.Peek(k, now)
			s.Retime(k, held.Dot, vclock.Deadline{At: now + rng.Int64N(4000), Stamp: stamp}, now)
		case 7:
			now++
			s.Tick(now, nil)
		case 9:
			set.Tombstone = true
			until(set, now+1000, stamp)
			s.Put(k, set, now)
		default:
			set.Value = make([]byte, max(l.size(rng, n, s.RecordBytesMax()), 0))
			if n%3 == 0 {
				until(set, now+rng.Int64N(300), stamp)
			}
			if n%7 == 0 {
				set.Context.Add(dot(bob, stamp-1))
			}
			r := s.Put(k, set, now)
			switch {
			case r.Outcome != Stored && r.Outcome != TooLarge:
				t.Fatalf("put %d of %d bytes: %+v", n, len(set.Value), r)
			case r.Outcome == Stored && !set.Deadline.Passed(now):
				if held, _ := s.Peek(k, now); held.Dot != set.Dot {
					t.Fatalf("put %d is stored and not held", n)
				}
			}
		}
		if m.now > s.stats.BytesMax || s.stats.BytesUsed > s.usedMax || s.logs[ghosts].bytes > s.ghostBytesMax {
			t.Fatalf("after %d calls %d bytes are taken, %d of ghosts may be %d, %+v", n, m.now, s.logs[ghosts].bytes, s.ghostBytesMax, s.stats)
		}
		if n%500 == 0 {
			verified(t, s)
		}
	}
	if m.most > s.stats.BytesMax+s.recordBytesMax {
		t.Errorf("%d bytes were taken in the midst of a call, of %d and a record", m.most, s.stats.BytesMax)
	}
}

// What evicts nothing takes writes again as soon as what was deleted has expired, as many as at first and however often.
func TestAStoreThatEvictsNothingIsNotFullForEver(t *testing.T) {
	for _, bytesMax := range []int64{BytesLeast, 80 << 10, 300 << 10} {
		s, m := hostile(t, Config{BytesMax: bytesMax, Policy: None, Partitions: 2, Shards: 1})
		now, stamp, first := int64(wall), vclock.Stamp(0), 0
		name := func(n int) Key {
			h := uint64(n) * 0x9e3779b97f4a7c15
			return Key{Bytes: binary.BigEndian.AppendUint64(nil, h), Hash: h, Partition: uint32(n) % 2}
		}
		for round := range 10 {
			records := 0
			for ; ; records++ {
				stamp += 2
				set := value(alice, stamp, "")
				set.Value = make([]byte, (records+round)%70)
				if r := s.Put(name(records), set, now); r.Outcome == Full {
					break
				} else if r.Outcome != Stored {
					t.Fatalf("put %d of round %d: %+v", records, round, r)
				}
			}
			if round == 0 {
				first = records
			} else if records < first/3 { // beside ghosts and their pages
				t.Fatalf("%d records in round %d, at first %d", records, round, first)
			}
			for n := range records {
				stamp += 2
				set := until(&vclock.Set{Dot: dot(alice, stamp), Tombstone: true}, now+10, stamp)
				if r := s.Put(name(n), set, now); r.Outcome != Stored {
					t.Fatalf("deletion %d of round %d: %+v", n, round, r)
				}
				if m.now > bytesMax {
					t.Fatalf("%d bytes are taken of %d", m.now, bytesMax)
				}
			}
			now += 10
			for range 2*records/sweepMax + ticksFor(s) { // as many dead records lie around
				s.Tick(now, nil)
			}
			if st := s.Stats(); st.Tombstones != 0 || st.Evicted != 0 {
				t.Fatalf("%+v", st)
			}
			verified(t, s)
		}
	}
}
