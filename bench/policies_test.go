package bench

import (
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// smallTrace draws a trace of few keys, among them runs over all of them, and a size of cache.
func smallTrace(t *rapid.T, keys, requests int) (trace []uint64, entries int) {
	for len(trace) < requests {
		if rapid.IntRange(0, 9).Draw(t, "run") == 0 {
			for k := range keys {
				trace = append(trace, uint64(k)*7919)
			}
		}
		trace = append(trace, 7919*uint64(rapid.IntRange(0, keys-1).Draw(t, "key")))
	}
	return trace[:requests], rapid.IntRange(1, keys).Draw(t, "entries")
}

func TestKeysAreNumberedInTheOrderOfTheirFirstRequest(t *testing.T) {
	ids, unique := numbered([]uint64{9, 1 << 63, 9, 0, 1 << 63, 0, 0})
	if want := []uint32{0, 1, 0, 2, 1, 2, 2}; unique != 3 || !slices.Equal(ids, want) {
		t.Fatal(ids, unique)
	}
	if next := nextUses(ids, unique); !slices.Equal(next, []uint32{2, 4, never, 5, never, 6, never}) {
		t.Fatal(next)
	}
}

func TestExactCachesHitWhatDumbOnesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trace, entries := smallTrace(t, 40, 400)
		ids, unique := numbered(trace)
		if got, want := hitsLRU(ids, unique, entries), lru(trace, entries); got != want {
			t.Fatalf("LRU of %d: %d hits, want %d", entries, got, want)
		}
		if got, want := hitsS3FIFO(ids, unique, entries), dumbS3FIFO(trace, entries); got != want {
			t.Fatalf("S3-FIFO of %d: %d hits, want %d", entries, got, want)
		}
	})
}

// dumbS3FIFO is the paper's algorithm on slices whose first element is the head. Which queue gives way is looked at anew after
// each move.
func dumbS3FIFO(trace []uint64, entries int) (hits int) {
	var s, m, g []uint64
	freq := map[uint64]int{}
	most := max(entries/10, 1)
	tail := func(q *[]uint64) (t uint64) {
		t, *q = (*q)[len(*q)-1], (*q)[:len(*q)-1]
		return t
	}
	evict := func() {
		if len(s) < most {
			if t := tail(&m); freq[t] > 0 {
				freq[t]--
				m = slices.Insert(m, 0, t)
			}
			return
		}
		if t := tail(&s); freq[t] > 0 { // asked for more than once
			m, freq[t] = slices.Insert(m, 0, t), 0
		} else if g = slices.Insert(g, 0, t); len(g) > max(entries-most, 1) {
			g = g[:len(g)-1]
		}
	}
	for _, x := range trace {
		if slices.Contains(s, x) || slices.Contains(m, x) {
			hits++
			freq[x] = min(freq[x]+1, 3)
			continue
		}
		for len(s)+len(m) >= entries {
			evict()
		}
		freq[x] = 0
		if i := slices.Index(g, x); i >= 0 {
			g, m = slices.Delete(g, i, i+1), slices.Insert(m, 0, x)
		} else {
			s = slices.Insert(s, 0, x)
		}
	}
	return hits
}

// No choice of what to keep hits more than OPT, and some choice hits as much: all of them are tried.
func TestOPTHitsWhatTheBestOfAllChoicesDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trace, entries := smallTrace(t, 6, 30)
		ids, unique := numbered(trace)
		if got, want := hitsOPT(nextUses(ids, unique), entries), bestHits(ids, entries); got != want {
			t.Fatalf("%v, %d entries: %d hits, want %d", ids, entries, got, want)
		}
	})
}

// bestHits follows every set of keys that a cache may hold.
func bestHits(ids []uint32, entries int) (most int) {
	best := map[uint]int{0: 0}
	for _, id := range ids {
		then, key := map[uint]int{}, uint(1)<<id
		keep := func(set uint, hits int) {
			if known, ok := then[set]; bits.OnesCount(set) <= entries && (!ok || hits > known) {
				then[set] = hits
			}
		}
		for set, hits := range best {
			if set&key != 0 {
				keep(set, hits+1)
				continue
			}
			keep(set, hits)
			keep(set|key, hits)
			for other := uint(1); other <= set; other <<= 1 {
				keep(set&^other|key, hits)
			}
		}
		best = then
	}
	for _, hits := range best {
		most = max(most, hits)
	}
	return most
}

func TestNoCacheHitsMoreThanOPT(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trace, entries := smallTrace(t, 50, 1000)
		ids, unique := numbered(trace)
		opt := hitsOPT(nextUses(ids, unique), entries)
		if l, s := hitsLRU(ids, unique, entries), hitsS3FIFO(ids, unique, entries); l > opt || s > opt {
			t.Fatalf("%d entries: OPT %d, LRU %d, S3-FIFO %d", entries, opt, l, s)
		}
	})
}

func TestBitsetsFindTheirLast(t *testing.T) {
	for _, size := range []int{1, 64, 65, 5000, 300_000} {
		b, random := newBitset(size), seeded()
		var in []int
		for range 200 {
			i := random.IntN(size)
			at, there := slices.BinarySearch(in, i)
			if b.has(i) != there {
				t.Fatal(size, i, there)
			}
			if there {
				b.remove(i)
				in = slices.Delete(in, at, at+1)
			} else {
				b.add(i)
				in = slices.Insert(in, at, i)
			}
			if len(in) > 0 && b.last() != in[len(in)-1] {
				t.Fatal(size, b.last(), in)
			}
		}
	}
}
