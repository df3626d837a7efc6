package storage

import "github.com/shoalcache/shoal/vclock"

// This file owns the limits: what counts how much, what is forgotten when it is too much, and what
// forgetting leaves behind. An entry changes in three steps: detach, change, attach; settle then makes room.

// insert adds an entry for k's hash to p's index; it is attached once it is something.
func (s *Store) insert(p *partition, k Key) *entry {
	e := &entry{hash: k.Hash, partition: k.Partition / s.shards}
	p.add(e)
	return e
}

// attach makes e the newest of its list, and counts it.
func (s *Store) attach(e *entry) {
	s.count(e, 1)
	if e.isRecord() {
		s.records.push(e)
	} else {
		s.ghosts.push(e)
	}
}

// detach takes e out of its list and the counts, so that it may change.
func (s *Store) detach(e *entry) {
	s.count(e, -1)
	if e.isRecord() {
		s.records.remove(e)
	} else {
		s.ghosts.remove(e)
	}
}

func (s *Store) count(e *entry, n int) {
	p := &s.partitions[e.partition]
	s.stats.BytesUsed += int64(n) * e.bytes()
	switch {
	case !e.isRecord():
		s.stats.Ghosts += n
	case e.tombstone:
		s.stats.Tombstones += n
		p.records += n
	default:
		s.stats.Keys += n
		p.records += n
	}
}

// bury makes e, detached, the ghost of a version.
func (e *entry) bury(stamp vclock.Stamp, d vclock.Deadline, digest uint32) {
	e.body, e.keyBytes, e.seen, e.tombstone, e.packed = nil, 0, 0, false, false
	e.stamp, e.deadline, e.digest = stamp, d, digest
}

func (e *entry) ghost() Ghost {
	return Ghost{Hash: e.hash, Stamp: e.stamp, Digest: e.digest, Deadline: e.deadline}
}

// forget makes a record the ghost of the version it held.
func (s *Store) forget(e *entry) {
	set := e.load(&s.own)
	stamp, digest := max(e.stamp, e.below()), set.Ghost(e.deadline)
	s.detach(e)
	e.bury(stamp, e.deadline, digest)
	s.attach(e)
	s.settleGhosts()
}

func (s *Store) expire(e *entry) {
	s.stats.Expired++
	s.forget(e)
}

// settle forgets until the limits hold again. The newest record is never reached: what recordBytesMax
// admits fits beside the ghosts' full share.
func (s *Store) settle() {
	s.settleGhosts()
	for s.stats.BytesUsed > s.stats.BytesMax {
		s.stats.Evicted++
		s.forget(s.records.oldest())
	}
}

// past is the mark that covers a version: its stamp and, where its deadline was written later, one more, since
// then a copy with the deadline of before is no better than an older version.
func past(s vclock.Stamp, d vclock.Deadline) vclock.Stamp {
	if d.Stamp > s {
		return s + 1
	}
	return s
}

// settleGhosts drops the oldest ghosts that are too many; the marks of their partitions remember them.
func (s *Store) settleGhosts() {
	for int64(s.stats.Ghosts)*entryBytes > s.ghostBytesMax {
		e := s.ghosts.oldest()
		p := &s.partitions[e.partition]
		p.mark = max(p.mark, past(e.stamp, e.deadline))
		s.stats.GhostsDropped++
		s.remove(e)
	}
}

// remove takes e out altogether; whatever it knew must be covered already.
func (s *Store) remove(e *entry) {
	s.detach(e)
	s.partitions[e.partition].drop(e)
}

// sweepMax entries or empty partitions are examined by one Tick, some 20 µs.
const sweepMax = 256

// Tick turns what has passed its deadline at wall (milliseconds since 1970) into ghosts, a bounded stretch
// of the shard at a time and once round it at most; Get does so at once for what it is asked. Dead, which may be nil,
// names keys that nobody can ask for ever again: their records go without leaving a ghost, for there is nothing to
// be unsure of. It must not call the store.
func (s *Store) Tick(wall int64, dead func(key []byte) bool) {
	ahead := len(s.partitions) // with the rest of the one it stands in, a whole round
	for range sweepMax {
		p := &s.partitions[s.sweepPartition]
		s.sweepSlot = min(s.sweepSlot, len(p.entries)) - 1
		if s.sweepSlot < 0 {
			if s.sweepPartition++; s.sweepPartition == len(s.partitions) {
				s.sweepPartition = 0
			}
			s.sweepSlot = len(s.partitions[s.sweepPartition].entries)
			if ahead--; ahead < 0 {
				return
			}
			continue
		}
		switch e := p.entries[s.sweepSlot]; {
		case dead != nil && e.isRecord() && dead(e.key()):
			s.stats.Swept++
			s.remove(e)
		case e.expired(wall):
			s.expire(e)
		}
	}
}
