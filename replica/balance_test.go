package replica

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"pgregory.net/rapid"
)

func TestMemoryIsDealtSoThatNobodyHasLessThanItNeedsOrAnEqualShare(t *testing.T) {
	const all = math.MaxInt64
	for _, c := range []struct {
		wants, want []int64
	}{
		{[]int64{all, all, all, all}, []int64{250, 250, 250, 250}},
		{[]int64{100, all, 100, 100}, []int64{100, 700, 100, 100}},
		{[]int64{400, all, 100, 100}, []int64{400, 400, 100, 100}},
		{[]int64{all, 400, all, 0}, []int64{316, 316, 317, 50}}, // what is left over by divisions does not matter
		{[]int64{0, 0, 0, 0}, []int64{250, 250, 250, 250}},
		{[]int64{300, 100, 100, 100}, []int64{400, 200, 200, 200}},
	} {
		var shares []share
		for _, w := range c.wants {
			shares = append(shares, share{now: 250, least: 50, wants: w, step: 1000})
		}
		got := deal(1000, shares)
		for i := range got {
			if got[i] < c.want[i]-1 || got[i] > c.want[i]+1 {
				t.Errorf("%v: dealt %v, want %v", c.wants, got, c.want)
				break
			}
		}
	}
}

func TestNothingIsDealtThatIsNotThereAndNobodyLosesMoreThanAStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 16).Draw(t, "shards")
		shares, total := make([]share, n), int64(0)
		for i := range shares {
			now := rapid.Int64Range(100, 1000).Draw(t, "now")
			shares[i] = share{now: now, least: 50, wants: rapid.Int64Range(0, 3000).Draw(t, "wants"), step: rapid.Int64Range(1, 100).Draw(t, "step")}
			total += now
		}
		fair := int64(0)
		for i, size := range deal(total, shares) {
			if size < shares[i].now-shares[i].step {
				t.Fatalf("%+v is to have %d", shares[i], size)
			}
			if size >= shares[i].now {
				fair += size
			}
		}
		if fair > total {
			t.Fatalf("%d of %d is dealt", fair, total)
		}
	})
}

// A tenant whose keys are all in one shard may have what the others do not need, and no more once they do.
func TestAShardMayHaveWhatTheOthersDoNotNeed(t *testing.T) {
	n := newWorld(1, worldConfig{nodes: 1, replicas: 1, read: 1, write: 1, shards: 4, memory: 2 << 20}).nodes[0].node
	shards, total := n.Shards(), int64(0)
	for _, s := range shards {
		total += s.store.Stats().BytesMax
	}
	even := total / int64(len(shards))
	b := n.Balancer()
	now := vclock.Now{Mono: time.Hour, Wall: 1}
	stamp, keys := vclock.Stamp(0), 0
	fill := func(in ...int) {
		for range 3000 {
			for range 4 * len(in) {
				keys++
				if k, i := n.Key(n.view, fmt.Appendf(nil, "key %d", keys)); slices.Contains(in, i) {
					stamp++
					set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: stamp}, Value: make([]byte, even/500)}
					shards[i].store.Put(k, &set, 1)
				}
			}
			now.Mono += balancePeriod
			b.Balance(now, func(i int, f func(*Shard)) { f(shards[i]) })
			sum := int64(0)
			for _, s := range shards {
				sum += s.store.Stats().BytesMax
			}
			if sum > total {
				t.Fatalf("%d bytes of %d are dealt", sum, total)
			}
		}
	}
	fill(1)
	for i, s := range shards {
		if got := s.store.Stats().BytesMax; (i == 1) != (got > 2*even) || got < even/4 {
			t.Errorf("shard %d may take %d bytes, an equal share is %d", i, got, even)
		}
	}
	fill(0, 1, 2, 3)
	for i, s := range shards {
		if got := s.store.Stats().BytesMax; got < even*9/10 || got > even*11/10 {
			t.Errorf("in need like all, shard %d may take %d bytes, an equal share is %d", i, got, even)
		}
	}
}
