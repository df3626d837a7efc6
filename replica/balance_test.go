package replica

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
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

// balanced is a node of four shards, each for values of up to a sixteenth of its share.
type balanced struct {
	*testing.T
	n           *Node
	b           *Balancer
	now         vclock.Now
	total, even int64
	stamp       vclock.Stamp
	keys        int
}

func newBalanced(t *testing.T, policy storage.Policy) *balanced {
	w := newWorld(1, worldConfig{nodes: 1, replicas: 1, read: 1, write: 1, shards: 4, memory: 2 << 20})
	cfg := w.nodes[0].node.cfg
	cfg.Policy, cfg.Limits = policy, wire.Limits{Frame: 36 << 10, Key: 100, Value: 32 << 10, Actors: 8, Keys: 10}
	n, err := New(cfg, w.nodes[0].node.m, w.wall(w.nodes[0]))
	if err != nil {
		t.Fatal(err)
	}
	return &balanced{T: t, n: n, b: n.Balancer(), now: vclock.Now{Mono: time.Hour, Wall: 1}, total: cfg.BytesMax, even: cfg.BytesMax / 4}
}

// rounds balances so many times, with puts into some of the shards in between.
func (w *balanced) rounds(n int, put func(s *Shard, k storage.Key), in ...int) {
	w.Helper()
	for range n {
		for range 4 * len(in) {
			w.keys++
			b := fmt.Appendf(nil, "key %d", w.keys)
			h := w.n.cfg.Hash(b)
			if i := int(h>>32) % 4; slices.Contains(in, i) {
				w.stamp++
				put(w.n.shards[i], storage.Key{Bytes: b, Hash: h, Partition: uint32(i)})
			}
		}
		w.now.Mono += balancePeriod
		w.b.Balance(w.now, func(i int, f func(*Shard)) { f(w.n.shards[i]) })
		sum := int64(0)
		for _, s := range w.n.shards {
			sum += s.store.Stats().BytesMax
		}
		if sum > w.total {
			w.Fatalf("%d bytes of %d are dealt", sum, w.total)
		}
	}
}

func (w *balanced) set(s *Shard, k storage.Key) {
	set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: w.stamp}, Value: make([]byte, w.even/500)}
	s.store.Put(k, &set, 1)
}

func (w *balanced) sizes() (sizes [4]int64) {
	for i, s := range w.n.shards {
		sizes[i] = s.store.Stats().BytesMax
	}
	return sizes
}

// A tenant whose keys are all in one shard may have what the others do not need, and no more once they do.
func TestAShardMayHaveWhatTheOthersDoNotNeed(t *testing.T) {
	w := newBalanced(t, storage.Adaptive)
	w.rounds(3000, w.set, 1)
	for i, got := range w.sizes() {
		if (i == 1) != (got > 2*w.even) || got < w.even/4 {
			t.Errorf("shard %d may take %d bytes, an equal share is %d", i, got, w.even)
		}
	}
	w.rounds(3000, w.set, 0, 1, 2, 3)
	for i, got := range w.sizes() {
		if got < w.even*9/10 || got > w.even*11/10 {
			t.Errorf("in need like all, shard %d may take %d bytes, an equal share is %d", i, got, w.even)
		}
	}
}

func TestMemoryThatNobodyNeedsIsEverybodysAndTheLargestRecordFits(t *testing.T) {
	w := newBalanced(t, storage.Adaptive)
	w.rounds(100, w.set)
	sum := int64(0)
	for _, got := range w.sizes() {
		sum += got
	}
	if sum < w.total*99/100 {
		t.Errorf("%d bytes of %d are dealt", sum, w.total)
	}
	w.rounds(3000, w.set, 2)
	set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: w.stamp + 1}, Value: make([]byte, 32<<10)}
	h := uint64(1) << 40
	if r := w.n.shards[0].store.Put(storage.Key{Bytes: []byte("large"), Hash: h}, &set, 1); r.Outcome != storage.Stored {
		t.Errorf("the largest value, in a shard that lent what it had: %v", r.Outcome)
	}
}

// What evicts nothing cannot give back what it uses, and takes nothing for it that others have.
func TestShardsThatEvictNothingTakeNoMoreThanThereIs(t *testing.T) {
	w := newBalanced(t, storage.None)
	w.rounds(2000, w.set, 3)
	if got := w.sizes()[3]; got < w.even*3/2 {
		t.Errorf("the one that is in need has %d bytes, an equal share is %d", got, w.even)
	}
	w.rounds(2000, w.set, 0, 1, 2, 3)
	w.rounds(2000, func(s *Shard, k storage.Key) {
		set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: w.stamp}, Tombstone: true}
		s.store.Put(k, &set, 1)
	}, 0, 1, 2, 3)
	for _, s := range w.n.shards {
		if s.store.Stats().Evicted > 0 || s.store.Stats().Full == 0 {
			t.Errorf("%+v", s.store.Stats())
		}
	}
}

func TestAShardThatHadToRefuseIsInNeed(t *testing.T) {
	w := newBalanced(t, storage.None)
	s := w.n.shards[0]
	w.rounds(2000, w.set, 0)
	for i := range 2 {
		set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: w.stamp + 1}, Value: make([]byte, 32<<10)}
		for n := uint64(0); i == 1 && s.store.Put(storage.Key{Bytes: fmt.Append(nil, "large ", n), Hash: n}, &set, 1).Outcome != storage.Full; n++ {
		}
		if got := w.b.of(s, 0).wants == math.MaxInt64; got != (i == 1) {
			t.Errorf("refused: %t, in need: %t", i == 1, got)
		}
	}
}

// I16: of summaries there is one for each partition in the budget; of more, shards have as much less.
func TestSummariesOfMoreThanOneKindAreTakenFromTheShards(t *testing.T) {
	w := newBalanced(t, storage.Adaptive)
	partitions := int(w.n.m.Partitions)
	kind := func(fewer uint8) {
		for p := range partitions {
			w.stamp++
			set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: w.stamp}}
			k := storage.Key{Bytes: fmt.Append(nil, fewer, p), Hash: uint64(p)<<8 | uint64(fewer), Partition: uint32(p), Fewer: fewer}
			w.n.shards[p%4].store.Put(k, &set, 1)
		}
	}
	sum := func() (sum int64) {
		for range 1000 {
			w.rounds(1, w.set)
		}
		for _, got := range w.sizes() {
			sum += got
		}
		return sum
	}
	kind(0)
	whole := sum()
	if whole < w.total*99/100 {
		t.Fatalf("%d of %d bytes are dealt", whole, w.total)
	}
	kind(1)
	kind(3)
	if less, want := whole-sum(), int64(2*partitions*storage.SummaryBytes); less < want || less > want+4 {
		t.Errorf("shards have %d bytes less, and summaries %d more", less, want)
	}
}
