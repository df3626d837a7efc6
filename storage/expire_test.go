package storage

import (
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/vclock"
)

const (
	// mortalShards share a million entries of one deadline.
	mortalShards = 16
	mortals      = 1_000_000
	// tickPeriod is how often a shard calls Tick.
	tickPeriod = 25 * time.Millisecond
)

// mortal is a store with its share of them, 16 bytes of key and 100 of value, that all pass their deadline at wall+1. It has
// room for about all of them and no more.
func mortal(t testing.TB, number uint32) *Store {
	s := newStore(t, Config{BytesMax: BytesFor(mortals / mortalShards * 180), Partitions: 4096, Shard: number, Shards: mortalShards, Hash: numberedHash})
	live(s, 1)
	return s
}

// live puts the store's share of them, the first of which is stamped so.
func live(s *Store, stamp vclock.Stamp) {
	set := until(value(alice, stamp, strings.Repeat("v", 100)), wall+1, stamp)
	var buf [16]byte
	for i := range mortals {
		k := numbered(buf[:], i)
		if k.Partition%s.shards == s.shard {
			set.Dot.Stamp += 2
			set.Deadline.Stamp = set.Dot.Stamp
			s.Put(k, set, wall)
		}
	}
}

// ticksFor is how many calls of Tick it takes at most until all records of a store have expired, if none was replaced: each examines
// expireMax of them, passing over a segment counts as one, and nothing is examined twice.
func ticksFor(s *Store) int {
	return (s.stats.Keys+len(s.segments))/expireMax + 1
}

func TestEntriesOfOneDeadlineAreGoneAfterAsManyTicksAsTheyNeedAndAllTheirMemoryIsUsedAgain(t *testing.T) {
	s := mortal(t, 3)
	full, ticks := s.Stats(), ticksFor(s)
	if full.Evicted > 0 || full.Keys < 3*expireMax {
		t.Fatalf("%+v", full)
	}
	if most := int(time.Second / tickPeriod); ticks > most {
		t.Errorf("%d ticks are more than the %d of a second", ticks, most)
	}
	for range ticks {
		s.Tick(wall+1, nil)
	}
	st := s.Stats()
	if st.Keys != 0 || st.Expired != uint64(full.Keys) || s.logs[small].bytes+s.logs[main].bytes != 0 {
		t.Fatalf("after %d ticks: %+v, before %+v", ticks, st, full)
	}
	for which := range s.logs { // the segments that are appended to may stay
		if l := &s.logs[which]; which != ghosts && l.oldest != l.newest {
			t.Errorf("log %d keeps segments in which nothing is", which)
		}
	}
	live(s, mortals*4)
	if again := s.Stats(); again.Keys != full.Keys || again.Evicted != 0 {
		t.Errorf("%+v, the first time %+v", again, full)
	}
}

// BenchmarkExpireMillionOfOneDeadline reports after how many ms all that a million entries took can be used again where Tick is called
// as a shard does, and how long a call takes.
func BenchmarkExpireMillionOfOneDeadline(b *testing.B) {
	ticks, calls, longest, all := 0, 0, time.Duration(0), time.Duration(0)
	for b.Loop() {
		b.StopTimer()
		for number := range uint32(mortalShards) {
			s := mortal(b, number)
			b.StartTimer()
			n := 0
			for ; s.Stats().Keys > 0; n++ {
				began := time.Now()
				s.Tick(wall+1, nil)
				took := time.Since(began)
				longest, all, calls = max(longest, took), all+took, calls+1
			}
			b.StopTimer()
			if s.Stats().Evicted > 0 {
				b.Fatalf("%+v", s.Stats())
			}
			ticks = max(ticks, n)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(ticks)*float64(tickPeriod.Milliseconds()), "ms-until-reusable")
	b.ReportMetric(float64(all.Microseconds())/float64(calls), "µs-a-call")
	b.ReportMetric(float64(longest.Microseconds()), "µs-longest")
}
