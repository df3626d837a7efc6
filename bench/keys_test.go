package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoalcache/shoal/ring"
)

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// draws counts how often each of n keys is drawn.
func draws(d Distribution, n uint64, times int) []int {
	c, random := newChooser(d.withDefaults(), n), seeded()
	counts := make([]int, n)
	for range times {
		counts[c.next(random, false)]++
	}
	return counts
}

// The reference: weights added up one by one.
func TestZipfDrawsRanksByTheirWeights(t *testing.T) {
	const times = 1_000_000
	for _, c := range []struct {
		n     uint64
		theta float64
	}{{1, 0.99}, {2, 0.99}, {3, 0.5}, {10, 0.99}, {1000, 0.99}, {1000, 0.5}, {100_000, 0.99}} {
		z, random := newZipf(c.n, c.theta), seeded()
		got := make([]float64, c.n)
		for range times {
			got[z.rank(random.Float64())] += 1.0 / times
		}
		total := 0.0
		for i := range c.n {
			total += math.Pow(float64(i+1), -c.theta)
		}
		sumGot, sumWant := 0.0, 0.0
		for i := range c.n {
			want := math.Pow(float64(i+1), -c.theta) / total
			sumGot, sumWant = sumGot+got[i], sumWant+want
			if i < 2 && math.Abs(got[i]-want) > 0.002 {
				t.Errorf("n %d, theta %g: rank %d is drawn with %.4f, want %.4f", c.n, c.theta, i, got[i], want)
			}
			if math.Abs(sumGot-sumWant) > 0.025 { // the curve's own error
				t.Fatalf("n %d, theta %g: ranks up to %d are drawn with %.4f, want %.4f", c.n, c.theta, i, sumGot, sumWant)
			}
		}
	}
}

func TestZetaOfManyTermsIsTheirSum(t *testing.T) {
	for _, theta := range []float64{0.01, 0.5, 0.99} {
		want := 0.0
		const n = 3_000_000
		for i := n; i > 0; i-- {
			want += math.Pow(float64(i), -theta)
		}
		if got := zeta(n, theta); math.Abs(got/want-1) > 1e-12 {
			t.Errorf("theta %g: %.12g, want %.12g", theta, got, want)
		}
	}
}

func TestRanksStayBelowTheNumberOfKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, KeysMax).Draw(t, "n")
		z := newZipf(n, rapid.Float64Range(0.01, 0.999).Draw(t, "theta"))
		for _, u := range []float64{0, rapid.Float64Range(0, 1).Draw(t, "u") * (1 - 1e-16), math.Nextafter(1, 0)} {
			if r := z.rank(u); r >= n {
				t.Fatalf("rank %d of %d", r, n)
			}
		}
	})
}

func TestScatteringSendsRanksToKeysOneToOne(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 4, 10, 13, 100, 1 << 10, 99_991, 100_000} {
		c := newChooser(Distribution{Kind: Zipf, Theta: 0.99}, n)
		seen := make([]bool, n)
		for rank := range n {
			k := c.scatter(rank)
			if seen[k] {
				t.Fatalf("n %d: key %d twice", n, k)
			}
			seen[k] = true
			if next := c.scatter(rank + 1); n >= 100 && min((k+n-next)%n, (next+n-k)%n) < n/4 {
				t.Fatalf("n %d: ranks %d and %d are neighbours: keys %d and %d", n, rank, rank+1, k, next)
			}
		}
	}
}

// What scattering is for: three nodes, a third of the ring each, should get about as many of the hottest keys.
func TestHotKeysSpreadOverTheRing(t *testing.T) {
	c := newChooser(Distribution{Kind: Zipf, Theta: 0.99}, 100_000)
	const hot = 300
	var thirds [3]int
	for rank := range uint64(hot) {
		slot := ring.Slot(fmt.Appendf(nil, "key:%012d", c.scatter(rank)))
		thirds[int(slot)*3/ring.Slots]++
	}
	for _, n := range thirds {
		if n < hot/3*7/10 || n > hot/3*13/10 {
			t.Fatalf("%v", thirds)
		}
	}
}

func TestUniformDrawsEveryKeyAlike(t *testing.T) {
	for k, n := range draws(Distribution{}, 10, 100_000) {
		if n < 9_700 || n > 10_300 {
			t.Errorf("key %d: %d", k, n)
		}
	}
}

func TestHotspotDrawsItsShareFromTheHotKeys(t *testing.T) {
	const n, times = 1000, 200_000
	d := Distribution{Kind: Hotspot, HotKeys: 0.1, HotOps: 0.9}
	counts, c := draws(d, n, times), newChooser(d, n)
	hot := 0
	for rank := range uint64(n / 10) {
		k := counts[c.scatter(rank)]
		if hot += k; k < times*9/1000*8/10 || k > times*9/1000*12/10 {
			t.Errorf("hot key %d: %d", rank, k)
		}
	}
	if share := float64(hot) / times; math.Abs(share-0.9) > 0.005 {
		t.Errorf("hot keys got %.3f", share)
	}
	for k, n := range draws(Distribution{Kind: Hotspot, HotKeys: 0.999}, 2, 1000) { // a hot set of one is the least
		if n == 0 {
			t.Errorf("key %d of two was never drawn", k)
		}
	}
}

// Reads find what was written, the newest most often, and never what is still on its way.
func TestLatestReadsWhatIsWritten(t *testing.T) {
	c, random := newChooser(Distribution{Kind: Latest, Theta: 0.99}, 100), seeded()
	one, two, three := c.next(random, true), c.next(random, true), c.next(random, true)
	if one != 100 || two != 101 || three != 102 {
		t.Fatal(one, two, three)
	}
	newest := func() (k uint64) {
		for range 1000 {
			k = max(k, c.next(random, false))
		}
		return k
	}
	c.frontier.end(three)
	if k := newest(); k != 99 {
		t.Fatalf("read %d while %d is on its way", k, one)
	}
	c.frontier.end(one)
	if k := newest(); k != one {
		t.Fatal(k)
	}
	c.frontier.end(two)
	if k := newest(); k != three {
		t.Fatal(k)
	}
	counts := map[uint64]int{}
	for range 100_000 {
		counts[c.next(random, false)]++
	}
	if counts[three] < 2*counts[100] || counts[three] < 15_000 {
		t.Fatalf("the newest %d times, the one three before %d times", counts[three], counts[100])
	}
}

func TestFrontierHoldsManyOnTheirWay(t *testing.T) {
	f := newFrontier(5)
	for range frontierBits {
		f.begin()
	}
	for k := uint64(5 + frontierBits - 1); k > 5; k-- {
		f.end(k)
	}
	if f.written() != 5 {
		t.Fatal(f.written())
	}
	if f.end(5); f.written() != 5+frontierBits {
		t.Fatal(f.written())
	}
}

func TestSizesAreDrawnByWeightAndEvenlyWithin(t *testing.T) {
	s, random := newSizes([]Size{{100, 100, 3}, {1000, 1009, 1}}), seeded()
	counts := map[int]int{}
	const times = 400_000
	for range times {
		counts[s.draw(random.Float64())]++
	}
	if n := counts[100]; math.Abs(float64(n)/times-0.75) > 0.005 {
		t.Errorf("100 bytes: %d", n)
	}
	for size := 1000; size < 1010; size++ {
		if n := counts[size]; math.Abs(float64(n)/times-0.025) > 0.002 {
			t.Errorf("%d bytes: %d", size, n)
		}
		delete(counts, size)
	}
	if len(counts) != 1 || s.most() != 1009 || s.mean() != 0.75*100+0.25*1004.5 {
		t.Error(counts, s.most(), s.mean())
	}
	if s.draw(0) != 100 || s.draw(math.Nextafter(1, 0)) != 1009 {
		t.Error("the ends")
	}
}

// All connections together: evenly spaced, or gaps as those of a Poisson process, whose mean is their deviation.
func TestSchedulesAddUpToTheRate(t *testing.T) {
	const conns, rate, begin = 7, 1000.0, int64(5 * time.Second)
	at := map[int64]bool{}
	for i := range conns {
		s := newSchedule(begin, rate, i, conns, nil)
		for range 10 {
			peeked := s.peek()
			if due := s.next(); due != peeked {
				t.Fatal(due, peeked)
			}
			at[peeked] = true
		}
	}
	for i := range int64(10 * conns) {
		if due := begin + i*int64(time.Millisecond); !at[due] {
			t.Errorf("nothing is due at %v", time.Duration(due))
		}
	}
	s := newSchedule(begin, rate, 0, 1, seeded())
	last, sum, squares := begin, 0.0, 0.0
	const n = 100_000
	for range n {
		due := s.next()
		gap := float64(due-last) / 1e6
		last, sum, squares = due, sum+gap, squares+gap*gap
	}
	mean := sum / n
	if deviation := math.Sqrt(squares/n - mean*mean); math.Abs(mean-1) > 0.02 || math.Abs(deviation-1) > 0.03 {
		t.Errorf("gaps of %.3f ms, deviation %.3f", mean, deviation)
	}
}
