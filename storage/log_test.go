package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

// measured counts what a store has taken and not given back, and spoils what it gives back.
type measured struct {
	now, most int64
	taken     map[*byte]bool
}

func (m *measured) Take(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 0xee // memory that was used before is not zero
	}
	m.now += int64(n)
	m.most = max(m.most, m.now)
	m.taken[&b[0]] = true
	return b
}

func (m *measured) Give(b []byte) {
	if !m.taken[&b[0]] {
		panic("given back twice, or never taken")
	}
	delete(m.taken, &b[0])
	m.now -= int64(len(b))
	for i := range b {
		b[i] = 0xdd
	}
}

// Invariant 3, and that a value is what was written under its key, under churn of values from nothing to a quarter of all memory.
func TestMemoryStaysUnderItsLimitAndEveryValueIsItsKeys(t *testing.T) { // I16
	for i, bytesMax := range []int64{BytesLeast, 40 << 10, 300 << 10, 4 << 20, 39 << 10, 41 << 10, 42 << 10, 290 << 10} {
		policy := Policy(max(i-3, 0)) // each once beside the default
		t.Run(fmt.Sprint(bytesMax, " ", policy), func(t *testing.T) {
			m := &measured{taken: map[*byte]bool{}}
			s := newStore(t, Config{BytesMax: bytesMax, Policy: policy, Partitions: 8, Shards: 1, Memory: m, Hash: sum64})
			rng := rand.New(rand.NewPCG(uint64(bytesMax), 1))
			largest := s.recordBytesMax / 4
			var stamp vclock.Stamp
			hits := 0
			for range 30_000 {
				k := key(fmt.Sprint("key ", rng.IntN(400)))
				k.Partition = uint32(k.Hash>>20) % 8
				switch rng.IntN(10) {
				case 0, 1, 2, 3:
					stamp++
					n := 8 + rng.Int64N(60)
					if rng.IntN(20) == 0 {
						n = 8 + rng.Int64N(largest)
					}
					set := value(alice, stamp, "")
					set.Value = bytes.Repeat(binary.BigEndian.AppendUint64(nil, k.Hash^uint64(stamp)), int(n/8))
					if rng.IntN(4) == 0 {
						until(set, wall+int64(stamp)+rng.Int64N(500), stamp)
					}
					if rng.IntN(10) == 0 {
						set.Context.Add(dot(bob, stamp-1))
					}
					s.Put(k, set, wall+int64(stamp))
				case 4:
					s.Retime(k, dot(alice, stamp), vclock.Deadline{At: wall + int64(stamp) + 50, Stamp: stamp}, wall+int64(stamp))
				case 5:
					s.Tick(wall+int64(stamp), nil)
				default:
					got, _ := s.Get(k, wall+int64(stamp))
					for at := 0; at < len(got.Value); at += 8 {
						if binary.BigEndian.Uint64(got.Value[at:]) != k.Hash^uint64(got.Dot.Stamp) {
							t.Fatalf("%q at %v holds another's bytes at %d of %d", k.Bytes, got.Dot.Stamp, at, len(got.Value))
						}
					}
					if !got.IsZero() {
						hits++
					}
				}
				if m.now > bytesMax || m.most > bytesMax+s.recordBytesMax {
					t.Fatalf("%d bytes are taken, %d were at once, of %d", m.now, m.most, bytesMax)
				}
			}
			for p := range uint32(8) {
				s.Drop(p)
			}
			s.settle()
			if hits == 0 || s.stats.BytesUsed != 0 || s.blockBytes != 0 || s.stats.Evicted == 0 && bytesMax < 4<<20 && policy != None {
				t.Errorf("%d hits, %d bytes of blocks are left, %+v", hits, s.blockBytes, s.stats)
			}
		})
	}
}

// What is asked for only once, be it a hundred times as much as fits, does not drive out what is asked for again and again.
func TestAScanDoesNotDriveOutWhatIsInUse(t *testing.T) {
	s := newStore(t, Config{BytesMax: 1 << 20, Partitions: 4, Shards: 1})
	put := func(name string, i int) {
		set := value(alice, vclock.Stamp(i)+1, string(make([]byte, 100)))
		s.Put(key(name), set, wall)
	}
	const hot = 2000
	hits, asked := 0, 0
	for i := range 600_000 {
		if i%3 > 0 {
			put(fmt.Sprint("scan ", i), i)
			continue
		}
		name := fmt.Sprint("hot ", (i/3)%hot)
		asked++
		if set, _ := s.Get(key(name), wall); !set.IsZero() {
			hits++
		} else {
			put(name, i)
		}
	}
	if share := float64(hits) / float64(asked); share < 0.95 {
		t.Errorf("%.3f of the reads of what is in use hit", share)
	}
}

// Keys whose hashes are alike but for a few bits, as an attacker finds them, push each other out; others are not touched, and the
// index stays small.
func TestHashesThatAreAlikeHarmOnlyEachOther(t *testing.T) {
	for _, c := range []struct {
		name string
		hash func(i uint64) uint64
	}{
		{"but for the middle", func(i uint64) uint64 { return 7<<60 | i<<16 | 5 }},
		{"but for the last bits", func(i uint64) uint64 { return 7<<60 | i }},
		{"altogether", func(uint64) uint64 { return 7 << 60 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t, Config{BytesMax: 8 << 20, Partitions: 1, Shards: 1, Hash: func(b []byte) uint64 {
				if len(b) == 9 {
					return c.hash(binary.BigEndian.Uint64(b[1:]))
				}
				return sum64(b)
			}})
			for i := range 500 {
				mustPut(t, s, Key{Bytes: fmt.Append(nil, "fine ", i), Hash: sum64(fmt.Append(nil, "fine ", i))}, value(alice, 1<<40, "v"))
			}
			for i := range uint64(20_000) {
				b := binary.BigEndian.AppendUint64([]byte("a"), i)
				k := Key{Bytes: b, Hash: c.hash(i)}
				s.Put(k, value(alice, vclock.Stamp(i)+1, string(b)), wall)
				if set, _ := s.Get(k, wall); !set.IsZero() && !bytes.Equal(set.Value, b) {
					t.Fatalf("%x holds %q", b, set.Value)
				}
			}
			held := 0
			for i := range 500 {
				b := fmt.Append(nil, "fine ", i)
				if set, _ := s.Get(Key{Bytes: b, Hash: sum64(b)}, wall); !set.IsZero() {
					held++
				}
			}
			p := &s.partitions[0]
			if held < 480 || len(p.directory) > 32*int(p.records+p.ghosts+1) {
				t.Errorf("%d of 500 others are held, a directory of %d for %d pages", held, len(p.directory), p.pages+1)
			}
		})
	}
}

// A sweep that stands in the midst of a segment begins anew where that is used for other entries meanwhile.
func TestASweepSurvivesThatItsSegmentIsUsedAnew(t *testing.T) {
	s := newStore(t, Config{BytesMax: 4 << 20, Partitions: 2, Shards: 1})
	rng := rand.New(rand.NewPCG(1, 2))
	alive := func(key []byte) bool { return len(key) == 0 }
	var stamp vclock.Stamp
	for round := range 200 {
		for i := range 3000 {
			stamp++
			set := value(alice, stamp, "")
			set.Value = bytes.Repeat([]byte{0xff}, rng.IntN(60))
			s.Put(inPartition(fmt.Sprint(round, " ", i), uint32(round%2)), set, wall)
			if i%1000 == 999 { // so that much is used anew between two
				s.Tick(wall, alive)
			}
		}
		s.Drop(uint32(round+1) % 2)
	}
	if st := s.Stats(); st.Keys != 3000 || st.Evicted+st.Swept+st.Expired != 0 {
		t.Errorf("%+v", st)
	}
}

// Memory is used, and no call pays for the others: what is dead is moved away from step by step, before there is none left.
func TestNearlyAllMemoryIsInUseAndNoCallHasMuchToDo(t *testing.T) {
	const bytesMax = 4 << 20
	for name, change := range map[string]func(*rand.Rand, *vclock.Set, int64){
		"sets": func(*rand.Rand, *vclock.Set, int64) {},
		"deletions": func(rng *rand.Rand, set *vclock.Set, _ int64) {
			if rng.IntN(3) == 0 {
				set.Value, set.Tombstone = nil, true
			}
		},
		"deadlines": func(rng *rand.Rand, set *vclock.Set, now int64) {
			if rng.IntN(2) == 0 {
				until(set, now+int64(rng.IntN(40)), set.Dot.Stamp)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			const keys = bytesMax / 100
			s := newStore(t, Config{BytesMax: bytesMax, Partitions: 16, Shards: 1, Hash: sum64})
			rng := rand.New(rand.NewPCG(1, 2))
			buf := make([]byte, 256)
			var used, most int64
			for i := range 4 * keys {
				now := wall + int64(i)/1000
				k := numbered(nil, rng.IntN(2*keys))
				k.Hash = sum64(k.Bytes)
				k.Partition = uint32(k.Hash>>40) % 16
				set := value(alice, vclock.Stamp(i+1), "")
				set.Value = buf[:16+rng.IntN(200)]
				change(rng, set, now)
				before := s.stats.Evicted
				s.Put(k, set, now)
				if i >= 2*keys {
					used += s.stats.BytesUsed
					most = max(most, int64(s.stats.Evicted-before))
				}
				if i%1000 == 0 {
					s.Tick(now, nil)
				}
			}
			if part := float64(used) / (2 * keys) / bytesMax; part < 0.88 || most > 16 {
				t.Errorf("%.3f of its memory is in use, and a call evicted %d records", part, most)
			}
		})
	}
}
