package storage

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/shoalcache/shoal/vclock"
	"pgregory.net/rapid"
)

// never is later than all stamps.
const never = vclock.Stamp(math.MaxUint64)

// verifySummary holds the sums of all windows above the marks to what is known there, counted anew.
func (s *Store) verifySummary(t *rapid.T) {
	for i := range s.partitions {
		p := uint32(i)*s.shards + s.shard
		from := s.KnownFrom(p)
		if mark := s.partitions[i].mark; mark >= from && mark > 0 {
			t.Fatalf("partition %d knows all from %v, and its mark is %v", p, from, mark)
		}
		for fewer := 1; fewer <= FewerMost+1; fewer++ {
			windows := s.Windows(p, Span{from, never}, fewer, nil)
			next := vclock.Stamp(0)
			for n, w := range windows {
				if n > 0 && w.To != next {
					t.Fatalf("window %v of partition %d ends at %v, and the next begins at %v", w.From, p, w.To, next)
				}
				next = w.From
				sum := uint64(0)
				for cursor := uint64(0); ; {
					cursor = s.Versions(p, w.Span, fewer, cursor, 10, func(v *Version) { sum += v.Term() })
					if cursor == 0 {
						break
					}
				}
				if sum != w.Sum {
					t.Fatalf("partition %d from %v to %v, %d: the sum is %x, and should be %x", p, w.From, w.To, fewer, w.Sum, sum)
				}
			}
			if len(windows) > 0 && next != from || len(windows) == 0 && from < stampOf(s.summary.frontier) {
				t.Fatalf("the windows of partition %d begin at %v, and what it knows at %v", p, next, from)
			}
		}
	}
}

// TestSumsTellWhatIsKnownAndNotWhatIsHeld: of two stores that were told the same, one with another policy and of another
// size, every window that both can tell has one sum, however much either has evicted; one version that only one of them knows, however
// old, is in a sum of its own window.
func TestSumsTellWhatIsKnownAndNotWhatIsHeld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		large, err := New(Config{BytesMax: 8 << 20, Partitions: 2, Shards: 1, Hash: testHash, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		tight, err := New(Config{BytesMax: BytesLeast + 2000 + rng.Int64N(60000), Policy: LRU, Partitions: 2, Shards: 1, Hash: testHash, Seed: 2})
		if err != nil {
			t.Fatal(err)
		}
		stamp := vclock.Stamp(1 << 40)
		var told []func(*Store)
		for i := range 20 + rng.IntN(400) {
			stamp += vclock.Stamp(rng.Int64N(1 << rng.IntN(36)))
			k := key(string(rune('a' + rng.IntN(60))))
			k.Partition %= 2
			k.Fewer = uint8(k.Hash % 3)
			set := value(alice, stamp, string(make([]byte, rng.IntN(200))))
			switch {
			case rng.IntN(8) == 0:
				set.Tombstone, set.Value = true, nil
			case rng.IntN(8) == 0:
				set.Deadline = vclock.Deadline{At: wall + rng.Int64N(100) - 50, Stamp: stamp}
			}
			told = append(told, func(s *Store) { s.Put(k, set, wall) })
			if i%5 == 4 {
				d := vclock.Deadline{At: wall + 1000, Stamp: stamp + 1}
				told = append(told, func(s *Store) { s.Retime(k, set.Dot, d, wall) })
			}
		}
		for i, tell := range told {
			tell(large)
			tell(tight)
			if i%16 == 0 {
				tight.verify(t)
			}
		}
		for p := range uint32(2) {
			from := max(large.KnownFrom(p), tight.KnownFrom(p))
			for fewer := 1; fewer <= 3; fewer++ {
				over := Span{from, never}
				a, b := Align(large.Windows(p, over, fewer, nil), tight.Windows(p, over, fewer, nil))
				if !slices.Equal(a, b) {
					t.Fatalf("partition %d from %v: %+v and %+v", p, from, a, b)
				}
			}
		}
		k := key("one more")
		k.Partition = 0
		old := vclock.Stamp(rng.Int64N(int64(stamp)))
		over := Span{0, never}
		before := large.Windows(0, over, 1, nil)
		if large.Put(k, value(alice, old, "x"), wall).Outcome != Stored {
			return // it has forgotten as much
		}
		for i, w := range large.Windows(0, over, 1, nil) {
			if (w.Sum != before[i].Sum) != w.Has(old) {
				t.Fatalf("after a version of %v the sum from %v to %v is %x, and was %x", old, w.From, w.To, w.Sum, before[i].Sum)
			}
		}
	})
}

// TestStoresThatAreAheadTellFewerWindows: what one store has taken together, because it was told of later stamps, another still tells
// apart; aligned, their windows are the same.
func TestStoresThatAreAheadTellFewerWindows(t *testing.T) {
	for _, ahead := range []vclock.Stamp{1, 2, 7, 8, 9, 63, 64, 65, 600, 5000, 40_000} {
		a, b := newStore(t, Config{}), newStore(t, Config{})
		latest := vclock.Stamp(100_000) << windowShift
		for back := vclock.Stamp(1); back < latest>>windowShift; back += back/3 + 1 {
			k := key("a" + back.String())
			k.Partition = 0
			a.Put(k, value(alice, latest-back<<windowShift, ""), wall)
			b.Put(k, value(alice, latest-back<<windowShift, ""), wall)
		}
		a.Advance(latest)
		b.Advance(latest + ahead<<windowShift)
		over := Span{0, latest}
		x, y := Align(a.Windows(0, over, 1, nil), b.Windows(0, over, 1, nil))
		if !slices.Equal(x, y) || len(x) == 0 && ahead < 40_000 {
			t.Errorf("%d windows ahead: %+v and %+v", ahead, x, y)
		}
		if last := len(x) - 1; last >= 0 && (x[last].From != 0 || x[0].To != y[0].To) {
			t.Errorf("%d windows ahead: aligned windows begin at %v", ahead, x[last].From)
		}
	}
}

// TestAFreshStoreKnowsAll: where no ghost was dropped there is nothing that a sum cannot tell.
func TestAFreshStoreKnowsAll(t *testing.T) {
	s := newStore(t, Config{})
	if from := s.KnownFrom(0); from != 0 {
		t.Errorf("a fresh store knows all from %v only", from)
	}
}

// BenchmarkSum is what the summary adds to a write: one version out, one in.
func BenchmarkSum(b *testing.B) {
	s := newStore(b, Config{Partitions: 4096, Shards: 16})
	v := Version{Hash: 1, Stamp: 100 << windowShift, Digest: 7}
	s.sum(0, 0, &v, 1)
	for i := range b.N {
		old := vclock.Digest(vclock.Dot{Actor: alice, Stamp: v.Stamp}, vclock.Deadline{})
		v.Digest, v.Hash = old, uint64(i)
		s.sum(uint32(i*31)%256, 0, &v, 1)
		v.Stamp -= 60 << windowShift
		s.sum(uint32(i*31)%256, 0, &v, -1)
		v.Stamp += 60 << windowShift
	}
}

// TestASummaryIsMadeForAPartitionThatHasHadAKeyAndNoOther: what it takes is counted as long as the partition is here.
func TestASummaryIsMadeForAPartitionThatHasHadAKeyAndNoOther(t *testing.T) {
	s, err := New(Config{BytesMax: 1 << 20, Partitions: 1 << 14, Shards: 1, Hash: testHash})
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, partition uint32, fewer uint8, stamp vclock.Stamp) {
		t.Helper()
		k := key(name)
		k.Partition, k.Fewer = partition, fewer
		s.Put(k, value(alice, stamp, "x"), wall)
		s.verifyOne(t, partition)
	}
	want := func(summaries int64) {
		t.Helper()
		if got := s.Stats().Summaries; got != summaries*SummaryBytes {
			t.Fatalf("%d bytes, want %d summaries of %d", got, summaries, SummaryBytes)
		}
	}
	want(0)
	s.Windows(3, Span{0, never}, 1, nil)
	s.Advance(1 << 50)
	want(0)
	put("a", 3, 0, 1<<50)
	put("b", 3, 0, 1<<50+1)
	put("c", 9, 0, 1<<51)
	want(2)
	put("d", 3, 2, 1<<52) // of a namespace with fewer replicas
	want(3)
	s.Drop(3)
	want(1)
	put("a", 3, 0, 1<<53)
	want(2)
	s.Drop(4)
	s.Drop(3)
	s.Drop(9)
	want(0)
}

// TestSummaryBytesIsWhatASummaryTakes: the allocator rounds up.
func TestSummaryBytesIsWhatASummaryTakes(t *testing.T) {
	var m summary
	const n = 1 << 14
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range uint32(n) {
		m.of(0, i, n)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := int64(after.HeapAlloc-before.HeapAlloc) / n; got > SummaryBytes || m.bytes != n*SummaryBytes {
		t.Errorf("one takes %d bytes, SummaryBytes is %d; counted are %d", got, SummaryBytes, m.bytes/n)
	}
	runtime.KeepAlive(&m)
}

// verifyOne holds a partition's sums to what is known in it.
func (s *Store) verifyOne(t *testing.T, p uint32) {
	t.Helper()
	for fewer := 1; fewer <= FewerMost+1; fewer++ {
		for _, w := range s.Windows(p, Span{0, never}, fewer, nil) {
			sum := uint64(0)
			s.Versions(p, w.Span, fewer, 0, math.MaxInt, func(v *Version) { sum += v.Term() })
			if sum != w.Sum {
				t.Fatalf("partition %d from %v to %v, %d: the sum is %x, and should be %x", p, w.From, w.To, fewer, w.Sum, sum)
			}
		}
	}
}
