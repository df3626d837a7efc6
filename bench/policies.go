package bench

import "math/bits"

// This file owns the exact caches that a store is set beside: LRU, S3-FIFO, and the bound that no cache can pass. Entries
// count one each, and keys are numbers from 0 in the order of their first request, so that all state is in arrays.

// numbered replaces the keys of a trace by such numbers, and says how many there are.
func numbered(trace []uint64) (ids []uint32, unique int) {
	of := make(map[uint64]uint32)
	ids = make([]uint32, len(trace))
	for i, k := range trace {
		id, ok := of[k]
		if !ok {
			id = uint32(len(of))
			of[k] = id
		}
		ids[i] = id
	}
	return ids, len(of)
}

// links hold queues of numbers, each of which is in one queue at most.
type links struct {
	newer, older []uint32
	in           []uint8 // which queue; 0: none
}

func newLinks(unique int) *links {
	return &links{newer: make([]uint32, unique), older: make([]uint32, unique), in: make([]uint8, unique)}
}

// queue is one of them; its number is not 0.
type queue struct {
	*links
	number         uint8
	oldest, newest uint32 // where length is above 0
	length         int
}

func (q *queue) has(id uint32) bool { return q.in[id] == q.number }

// push makes an id, of no queue, the newest.
func (q *queue) push(id uint32) {
	if q.length == 0 {
		q.oldest = id
	} else {
		q.newer[q.newest], q.older[id] = id, q.newest
	}
	q.newest = id
	q.in[id] = q.number
	q.length++
}

// remove takes out an id that the queue has.
func (q *queue) remove(id uint32) {
	switch {
	case id == q.oldest:
		q.oldest = q.newer[id]
	case id == q.newest:
		q.newest = q.older[id]
	default:
		q.newer[q.older[id]], q.older[q.newer[id]] = q.newer[id], q.older[id]
	}
	q.in[id] = 0
	q.length--
}

// pop takes out the oldest.
func (q *queue) pop() uint32 {
	id := q.oldest
	q.remove(id)
	return id
}

// hitsLRU is how many requests a cache of so many entries hits that forgets what was not asked for the longest.
func hitsLRU(ids []uint32, unique, entries int) (hits int) {
	q := queue{links: newLinks(unique), number: 1}
	for _, id := range ids {
		switch {
		case q.has(id):
			hits++
			q.remove(id)
		case q.length == entries:
			q.pop()
		}
		q.push(id)
	}
	return hits
}

// s3Queues is the cache of Yang et al., SOSP 2023, algorithm 1.
type s3Queues struct {
	small, main, ghosts  queue
	uses                 []uint8
	smallMost, ghostMost int
}

// usesMost is what two bits count to.
const usesMost = 3

// hitsS3FIFO is how many requests such a cache of so many entries hits: a tenth of them is the small queue's, and as
// many ghosts are kept as the main queue has entries.
func hitsS3FIFO(ids []uint32, unique, entries int) (hits int) {
	l := newLinks(unique)
	small := max(entries/10, 1)
	c := s3Queues{
		small: queue{links: l, number: 1}, main: queue{links: l, number: 2}, ghosts: queue{links: l, number: 3},
		uses: make([]uint8, unique), smallMost: small, ghostMost: entries - small,
	}
	for _, id := range ids {
		if c.small.has(id) || c.main.has(id) {
			hits++
			c.uses[id] = min(c.uses[id]+1, usesMost)
			continue
		}
		for c.small.length+c.main.length >= entries {
			c.evict()
		}
		c.uses[id] = 0
		if c.ghosts.has(id) {
			c.ghosts.remove(id)
			c.main.push(id)
		} else {
			c.small.push(id)
		}
	}
	return hits
}

// evict makes room, or moves something to the main queue.
func (c *s3Queues) evict() {
	if c.small.length >= c.smallMost {
		id := c.small.pop()
		if c.uses[id] > 0 {
			c.uses[id] = 0
			c.main.push(id)
			return
		}
		if c.ghosts.length >= c.ghostMost && c.ghosts.length > 0 {
			c.ghosts.pop()
		}
		c.ghosts.push(id)
		return
	}
	for {
		id := c.main.pop()
		if c.uses[id] == 0 {
			return
		}
		c.uses[id]--
		c.main.push(id)
	}
}

// never is the next use of what is not used again.
const never = 1<<32 - 1

// nextUses is, for each request, that of the same key after it.
func nextUses(ids []uint32, unique int) []uint32 {
	next, last := make([]uint32, len(ids)), make([]uint32, unique)
	for id := range last {
		last[id] = never
	}
	for i := len(ids) - 1; i >= 0; i-- {
		next[i] = last[ids[i]]
		last[ids[i]] = uint32(i)
	}
	return next
}

// hitsOPT is how many requests a cache of so many entries hits that knows the future and need not keep what it is asked for
// (Belady, 1966): no other hits more. What it holds is the set of next uses, all of them different.
func hitsOPT(next []uint32, entries int) (hits int) {
	held, length := newBitset(len(next)), 0
	for i, use := range next {
		switch {
		case held.has(i):
			hits++
			held.remove(i)
			length--
		case length == entries:
			last := held.last()
			if int(use) > last {
				continue
			}
			held.remove(last)
			length--
		}
		if use != never {
			held.add(int(use))
			length++
		}
	}
	return hits
}

// bitset is a set of numbers. A bit of a level above the first says that its word in the level below is not 0, so that the
// last number is found in as many steps as there are levels: five for a hundred million.
type bitset struct{ levels [][]uint64 }

func newBitset(size int) *bitset {
	var b bitset
	for words := size; words > 1 || len(b.levels) == 0; {
		words = (words + 63) / 64
		b.levels = append(b.levels, make([]uint64, words))
	}
	return &b
}

func (b *bitset) has(i int) bool { return b.levels[0][i/64]>>(i%64)&1 == 1 }

func (b *bitset) add(i int) {
	for _, words := range b.levels {
		words[i/64] |= 1 << (i % 64)
		i /= 64
	}
}

func (b *bitset) remove(i int) {
	for _, words := range b.levels {
		if words[i/64] &^= 1 << (i % 64); words[i/64] != 0 {
			return
		}
		i /= 64
	}
}

// last is the greatest; there must be one.
func (b *bitset) last() (i int) {
	for level := len(b.levels) - 1; level >= 0; level-- {
		i = i*64 + bits.Len64(b.levels[level][i]) - 1
	}
	return i
}
