package replica

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
)

// This file owns how the memory of a node is dealt to its shards: keys of one tenant, or of an attacker, may all belong to one.

// balancePeriod is how often a Balancer looks at the shards.
const balancePeriod = 50 * time.Millisecond

// balanceSteps is in how many steps a shard gives back what it has for its own: each may forget that much at once, and holds up
// the shard's requests for so long.
const balanceSteps = 512

// Balancer deals a node's storage anew, again and again: each shard may have as much as it needs while none has less than
// it needs, or an equal share (max-min fairness). A shard in need is one that evicts, or
// refuses what it has no room for. Each keeps room for the largest record that it took at first.
//
// Summaries lie beside that: one for each partition. Where namespaces differ in their replicas there are more, and shards have as much less.
type Balancer struct {
	total  int64 // bytes
	sums   int64 // of summaries that are not part of them
	summed int64 // of all of them
	looked time.Duration
	short  []uint64 // how often each shard had no room, when it was last looked at
	shares []share
}

// share is the storage of one shard.
type share struct {
	now, least int64 // bytes that it may take, and can do with
	wants      int64
	step       int64
}

// Balancer returns the one of this node, which is part of a cluster by then: its partitions are known.
func (n *Node) Balancer() *Balancer {
	return &Balancer{
		total: n.cfg.BytesMax / int64(n.cfg.Shards) * int64(n.cfg.Shards), short: make([]uint64, n.cfg.Shards),
		sums: int64(n.m.Partitions) * storage.SummaryBytes,
	}
}

// Balance, where it is due, looks at every shard, and resizes those that have too much or too little. Visit lets a function have a
// shard, under its lock; nothing else may resize them.
func (b *Balancer) Balance(now vclock.Now, visit func(shard int, f func(*Shard))) {
	if now.Mono-b.looked < balancePeriod {
		return
	}
	b.looked = now.Mono
	b.shares, b.summed = b.shares[:0], 0
	for i := range b.short {
		visit(i, func(s *Shard) { b.shares = append(b.shares, b.of(s, i)) })
	}
	left := b.total - max(b.summed-b.sums, 0)
	sizes := deal(left, b.shares)
	for i, size := range sizes { // first who gives, so that there is never more than there is
		if size < b.shares[i].now {
			visit(i, func(s *Shard) { b.shares[i].now = s.resize(size) })
		}
		left -= b.shares[i].now
	}
	for i, size := range sizes {
		if more := min(size-b.shares[i].now, left); more > 0 {
			visit(i, func(s *Shard) { left -= s.resize(b.shares[i].now+more) - b.shares[i].now })
		}
	}
}

// of is what a shard has and wants: all there is, if it evicted since it was asked last, else an eighth of an equal share more than
// it uses.
func (b *Balancer) of(s *Shard, i int) share {
	st := s.store.Stats()
	b.summed += st.Summaries
	even := b.total / int64(len(b.short))
	x := share{now: st.BytesMax, least: max(s.store.BytesFloor(), even/4), step: max(even/balanceSteps, s.store.SegmentBytes())}
	if x.wants = st.BytesMax - s.store.BytesFree() + even/8; st.Evicted+st.Full > b.short[i] {
		x.wants = math.MaxInt64
	}
	b.short[i] = st.Evicted + st.Full
	return x
}

// resize returns what it came to.
func (s *Shard) resize(bytes int64) int64 {
	s.store.Resize(bytes)
	return s.store.Stats().BytesMax
}

// deal returns what each shard is to have, a step nearer to its fair share. Together that is at most total, as now.
func deal(total int64, shares []share) []int64 {
	order := make([]int, len(shares))
	for i := range order {
		order[i] = i
	}
	need := func(i int) int64 { return max(shares[i].wants, shares[i].least) }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(need(a), need(b)) })
	sizes := make([]int64, len(shares))
	left := total
	for n, i := range order { // who wants little first: what that leaves is for the others
		fair := min(need(i), left/int64(len(order)-n))
		left -= fair
		sizes[i] = fair
	}
	for i := range sizes { // what nobody needs yet is everybody's
		sizes[i] = max(sizes[i]+left/int64(len(sizes)), shares[i].now-shares[i].step)
	}
	return sizes
}
