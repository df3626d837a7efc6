package antientropy

import (
	"math"
	"math/bits"
	"time"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Side is what one owner knows and tells in an exchange, whichever of the two it is. Of what others ask it remembers no more than who
// walks down at present and what they were asked for, so that an exchange costs whoever is asked little but the answers.
type Side struct {
	Store *storage.Store
	// Fewer says how many owners of a partition may not have a key for this node and a peer both to have it: those of keys that
	// fewer do not have are compared (see storage.Key.Fewer). 0: the two do not share the partition.
	Fewer func(peer uint64, partition uint32) int
	// Key prepares a key for the store; false for one that this node does not have in that partition.
	Key func(partition uint32, key []byte) (storage.Key, bool)
	// May reports whether more may be said now, and Pay counts what was.
	May func() bool
	Pay func(bytes int)
	// Urgent reports whether a partition is known to lack something at a peer, so that it is walked before others.
	Urgent func(peer uint64, partition uint32) bool
	// Early reports whether this node cannot judge an entry yet, which its clock or its ceiling has not reached.
	Early  func(e *wire.PageEntry) bool
	Limits *wire.Limits
	Shards int // of this node
	Stats  ExchangeStats

	windows  []storage.Window
	expected map[uint64]expected // by hash: versions that peers were asked for, and that have not come yet
	since    time.Duration       // since when
	walker   uint64              // the peer that walks down here
	walked   time.Duration       // when it asked last
}

// expected is a version that was asked for.
type expected struct {
	stamp vclock.Stamp
	peer  uint64 // of whom
}

const (
	// expectFor is how long a version that one peer was asked for is not asked of another.
	expectFor = 2 * time.Second
	// walkFor is how long a peer that walks down keeps others from beginning to: what it brings they need not.
	walkFor = time.Second
	// expectedMost is how many such versions are remembered.
	expectedMost = 8192
)

// expect reports whether a version is to be asked of a peer: two of them often have what a third has missed, and exchange with it
// at the same time.
func (s *Side) expect(now vclock.Now, peer uint64, v storage.Version) bool {
	if s.expected == nil || now.Mono-s.since > expectFor {
		s.expected, s.since = map[uint64]expected{}, now.Mono
	}
	if e := s.expected[v.Hash]; e.stamp >= v.Stamp && e.peer != peer {
		return false
	}
	if len(s.expected) < expectedMost {
		s.expected[v.Hash] = expected{v.Stamp, peer}
	}
	return true
}

// walkMost is how many entries one step looks at, some 0.4 µs each where they lie far apart: a tick has a step of each walk, and is to
// hold its shard for less than a millisecond.
const walkMost = 512

// toldMost is how many versions are taken from one message: no walk tells more.
const toldMost = versionsMost + walkMost + 64 // a page of the index is looked at whole

// leafVersions is about how many versions a leaf has: with fewer, more sums are told where little differs; with more, more versions.
const leafVersions = 8

// leavesOf is in how many leaves a span is told of a partition of so many entries.
func leavesOf(entries int) uint32 {
	return uint32(min(1<<bits.Len(uint(entries/leafVersions)), wire.LeavesMax))
}

// leafOf is the leaf, of so many, of a key.
func leafOf(hash uint64, leaves uint32) uint32 {
	return uint32(hash >> (64 - bits.Len32(leaves-1)) & uint64(leaves-1))
}

// sum is what all windows of a partition from one stamp on and before another come to. From may have to be a later one: from the answer's.
func (s *Side) sum(partition uint32, over storage.Span, fewer int) (from vclock.Stamp, sum uint64) {
	if over.To > 0 {
		s.Store.Advance(over.To - 1)
	}
	over.From = max(over.From, s.Store.KnownFrom(partition))
	s.windows = s.Store.Windows(partition, over, fewer, s.windows[:0])
	from = over.To
	if len(s.windows) > 0 && s.windows[0].To == over.To {
		for _, w := range s.windows {
			from, sum = w.From, sum+w.Sum
		}
	}
	return from, sum
}

// comparable reports whether this node can tell a peer anything of a partition.
func (s *Side) comparable(peer uint64, partition uint32) (fewer int, ok bool) {
	fewer = s.Fewer(peer, partition)
	if fewer == 0 {
		return 0, false
	}
	_, recovering := s.Store.Recovering(partition)
	return fewer, !recovering
}

// Answer answers what a peer asks. The error is one of wire's, for a body that makes no sense.
func (s *Side) Answer(now vclock.Now, peer uint64, m, reply *wire.Message, body []byte) ([]byte, error) {
	reply.Kind, reply.Step, reply.Partition = wire.KindExchangeReply, m.Step, m.Partition
	reply.From, reply.To = m.From, m.To
	fewer, ok := s.comparable(peer, m.Partition)
	leavesValid := m.Step != wire.StepLeaves && m.Step != wire.StepVersions || bits.OnesCount32(m.Leaves) == 1
	if !leavesValid || !ok && m.Step != wire.StepCompare {
		reply.Outcome = wire.OutcomeNotReady
		return body, nil
	}
	if s.walker != peer && s.walker != 0 && now.Mono-s.walked < walkFor && m.Step == wire.StepCompare {
		reply.Outcome = wire.OutcomeNotReady
		return body, nil
	}
	if m.Step != wire.StepCompare {
		s.walker, s.walked = peer, now.Mono
	}
	over := storage.Span{From: m.From, To: m.To}
	var err error
	switch m.Step {
	case wire.StepCompare:
		reply.Limit = uint32(s.Shards)
		body, err = s.compare(peer, m, body)
	case wire.StepWindows:
		reply.From, _ = s.sum(m.Partition, over, fewer)
		for i, w := range s.windows {
			if i == 0 {
				reply.To = w.To
			}
			body = wire.AppendNumbers(body, uint64(w.To-w.From)/storage.WindowStamps, w.Sum)
		}
	case wire.StepLeaves:
		body, reply.Cursor = s.leaves(m, over, fewer, body)
	case wire.StepVersions:
		body, reply.Cursor, err = s.versions(now, peer, m, over, fewer, body)
	case wire.StepGive:
		err = s.take(now, m.Partition, m.Body, func(uint64) {})
	case wire.StepWant:
		body, err = s.tell(now, m, body)
	default:
		reply.Outcome = wire.OutcomeNotReady // of a newer node
	}
	reply.Body = body
	s.Pay(len(body) + messageBytes)
	return body, err
}

// compare answers of each partition what differs, and what can only be compared from a later stamp on; where that is the last, not at
// all. Partitions that are another shard's are passed over: who asks knows how many shards there are.
func (s *Side) compare(peer uint64, m *wire.Message, body []byte) ([]byte, error) {
	var partition, from, sum uint64
	n := wire.NewNumbers(m.Body)
	for range comparedMost {
		if !n.Next(&partition, &from, &sum) {
			break
		}
		if partition > math.MaxUint32 || !sameShard(uint32(partition), m.Partition, s.Shards) {
			continue
		}
		own, ownSum := m.To, uint64(0)
		if fewer, ok := s.comparable(peer, uint32(partition)); ok {
			own, ownSum = s.sum(uint32(partition), storage.Span{From: vclock.Stamp(from), To: m.To}, fewer)
		}
		if own != vclock.Stamp(from) || ownSum != sum {
			body = wire.AppendNumbers(body, partition, uint64(own), ownSum)
		}
	}
	return body, n.Err()
}

// leaves answers the sums of the leaves of a span, as far as one step goes.
func (s *Side) leaves(m *wire.Message, over storage.Span, fewer int, body []byte) ([]byte, uint64) {
	sums := make([]uint64, m.Leaves)
	cursor := s.addLeaves(m.Partition, over, fewer, m.Cursor, sums)
	for leaf, sum := range sums {
		if sum != 0 {
			body = wire.AppendNumbers(body, uint64(leaf), sum)
		}
	}
	return body, cursor
}

func (s *Side) addLeaves(partition uint32, over storage.Span, fewer int, cursor uint64, sums []uint64) (next uint64) {
	return s.Store.Versions(partition, over, fewer, cursor, walkMost, func(v *storage.Version) {
		sums[leafOf(v.Hash, uint32(len(sums)))] += v.Term()
	})
}

// versions answers, of what it was told the newest versions are, which of them it lacks, and what else it knows: of those, and of
// other keys of the leaves.
func (s *Side) versions(now vclock.Now, peer uint64, m *wire.Message, over storage.Span, fewer int, body []byte) ([]byte, uint64, error) {
	n := wire.NewNumbers(m.Body)
	wanted, some, err := readLeaves(&n, m.Leaves)
	if err != nil {
		return body, 0, err
	}
	told := map[uint64]bool{}
	var lacks []uint64
	var otherwise []storage.Version
	var v storage.Version
	for len(told) < toldMost && nextVersion(&n, &v) {
		own, known := s.Store.Version(m.Partition, v.Hash)
		told[v.Hash] = true
		theirs, mine := s.judge(m.Partition, own, known, v)
		if theirs && s.expect(now, peer, v) {
			lacks = append(lacks, v.Hash)
		}
		if mine {
			otherwise = append(otherwise, own)
		}
	}
	if n.Err() != nil {
		return body, 0, n.Err()
	}
	cursor := uint64(0)
	if some {
		cursor = s.Store.Versions(m.Partition, over, fewer, m.Cursor, walkMost, func(v *storage.Version) {
			if wanted[leafOf(v.Hash, m.Leaves)] && !told[v.Hash] {
				otherwise = append(otherwise, *v)
			}
		})
	}
	body = wire.AppendNumbers(wire.AppendNumbers(body, uint64(len(lacks))), lacks...)
	for i := range otherwise {
		body = appendVersion(body, &otherwise[i])
	}
	return body, cursor, nil
}

// judge says which side has to tell the other its version of a key: both, where one stamp names two versions, or two deadlines of one.
func (s *Side) judge(partition uint32, own storage.Version, known bool, v storage.Version) (theirs, mine bool) {
	switch {
	case !known:
		return v.Stamp >= s.Store.KnownFrom(partition), false // what it has forgotten it does not take
	case own.Stamp == v.Stamp:
		return own.Digest != v.Digest, own.Digest != v.Digest
	}
	return own.Stamp < v.Stamp, own.Stamp > v.Stamp
}

// take merges a page, and calls each with the hash of every key in it.
func (s *Side) take(now vclock.Now, partition uint32, page []byte, each func(hash uint64)) error {
	p := wire.NewPage(page, s.Limits)
	var e wire.PageEntry
	for {
		more, err := p.Next(&e)
		if err != nil || !more {
			return err
		}
		each(s.merge(now, partition, &e))
	}
}

// merge takes an entry of a page as a conditional merge, and returns the hash of its key. What the store cannot hold it remembers as
// forgotten.
func (s *Side) merge(now vclock.Now, partition uint32, e *wire.PageEntry) (hash uint64) {
	k, holds := storage.Key{Hash: e.Ghost.Hash}, !e.IsBrief
	if !e.IsGhost && holds {
		k, holds = s.Key(partition, e.Key)
	}
	if !holds || s.Early(e) {
		return k.Hash
	}
	delete(s.expected, k.Hash)
	before, _ := s.Store.Version(partition, k.Hash)
	if e.IsGhost {
		s.Store.Learn(partition, storage.Ghost(e.Ghost))
	} else {
		switch r := s.Store.Put(k, &e.Set, now.Wall); {
		case r.Outcome == storage.Full, r.Outcome == storage.TooLarge, r.Outcome == storage.Behind && r.Known.Stamp == e.Set.Dot.Stamp:
			s.Store.Learn(partition, s.Store.GhostOf(k, &e.Set))
		}
	}
	switch after, _ := s.Store.Version(partition, k.Hash); {
	case after != before:
		s.Stats.Merged++
	case !e.IsGhost:
		s.Stats.False++
	}
	return k.Hash
}

// tell answers with the entries of keys, by their hashes, as many as fit.
func (s *Side) tell(now vclock.Now, m *wire.Message, body []byte) ([]byte, error) {
	n := wire.NewNumbers(m.Body)
	limit := min(int(m.Limit), s.Limits.Frame/2)
	for hash, left, fits := uint64(0), versionsMost, true; fits && left > 0 && len(body) < limit && n.Next(&hash); left-- {
		body, fits = s.appendFitting(now, m.Partition, hash, body)
	}
	return body, n.Err()
}

// appendFitting is appendEntry unless a frame may have no room for the entry beside others.
func (s *Side) appendFitting(now vclock.Now, partition uint32, hash uint64, body []byte) (longer []byte, fits bool) {
	before := len(body)
	if longer = s.appendEntry(now, partition, hash, body); before > 0 && len(longer) > s.Limits.Frame/2 {
		return longer[:before], false
	}
	return longer, true
}

// appendEntry appends what is known of a key to a page; of one past its deadline what is left.
func (s *Side) appendEntry(now vclock.Now, partition uint32, hash uint64, body []byte) []byte {
	s.Store.Tell(partition, []uint64{hash}, math.MaxInt, func(key []byte, set *vclock.Set, below vclock.Stamp) {
		if k, holds := s.Key(partition, key); holds && set.Deadline.Passed(now.Wall) {
			body = wire.AppendPageGhost(body, wire.Ghost(s.Store.GhostOf(k, set)))
		} else if holds {
			body = wire.AppendPageRecord(body, key, set, below)
		}
	}, func(g storage.Ghost) {
		body = wire.AppendPageGhost(body, wire.Ghost(g))
	})
	return body
}

// readLeaves reads which leaves of so many are spoken of, and whether there are any.
func readLeaves(n *wire.Numbers, leaves uint32) (wanted []bool, some bool, err error) {
	var count, leaf uint64
	n.Next(&count)
	wanted = make([]bool, leaves)
	for ; count > 0 && n.Next(&leaf); count-- {
		wanted[leaf&uint64(len(wanted)-1)], some = true, true
	}
	return wanted, some, n.Err()
}

func appendVersion(body []byte, v *storage.Version) []byte {
	return wire.AppendNumbers(body, v.Hash, uint64(v.Stamp), uint64(v.Digest))
}

func nextVersion(n *wire.Numbers, v *storage.Version) bool {
	var stamp, digest uint64
	ok := n.Next(&v.Hash, &stamp, &digest)
	v.Stamp, v.Digest = vclock.Stamp(stamp), uint32(digest)
	return ok
}

// sameShard reports whether a node with so many shards, a power of two, has two partitions in one.
func sameShard(p, q uint32, shards int) bool { return (p^q)&uint32(shards-1) == 0 }
