package storage

const (
	// sweepMax is how many entries one Tick examines, some 15 µs.
	sweepMax = 128
	// expireMax is how many it examines while they expire, well below a millisecond.
	expireMax = 2048
)

// expect notes that a record passes its deadline then.
func (s *Store) expect(loc uint64, at int64) {
	if g, _ := s.of(loc); at != 0 {
		g.soonest = min(g.soonest, at)
	}
}

// Tick turns what has passed its deadline at wall (milliseconds since 1970) into ghosts, a bounded stretch
// of the shard at a time and once round it at most; Get does so at once for what it is asked. Segments in which nothing has
// are passed over, and those from which much is gone are emptied when their memory is needed. Dead, which may be nil,
// names keys that nobody can ask for ever again: their records go without leaving a ghost, for there is nothing to
// be unsure of. It must not call the store.
func (s *Store) Tick(wall int64, dead func(key []byte) bool) {
	s.wall = wall
	ahead := len(s.segments) // with the rest of the one it stands in, a whole round
	for left, most := sweepMax, expireMax; left > 0 && most > 0; most-- {
		g := &s.segments[s.sweepSegment]
		switch {
		case g.log != small && g.log != main:
			s.sweepAt = g.used
		case s.sweepAt == 0 && g.soonest <= wall:
			g.soonest = noDeadline // and anew, by what is left
		case s.sweepAt == 0 && dead == nil:
			s.sweepAt = g.used
		}
		if s.sweepAt >= g.used {
			if ahead--; ahead < 0 {
				break
			}
			s.sweepAt = 0
			if s.sweepSegment++; int(s.sweepSegment) == len(s.segments) {
				s.sweepSegment = 0
			}
			continue
		}
		loc := uint64(s.sweepSegment)<<s.shift | uint64(s.sweepAt)
		_, b := s.of(loc)
		s.sweepAt += int32(sizeOf(b)) // before: the segment may be used anew
		if !s.sweep(loc, b, dead) {
			left--
		}
	}
	s.settle()
}

// sweep examines the entry at a place, and reports whether it is one that has passed its deadline.
func (s *Store) sweep(loc uint64, b []byte, dead func(key []byte) bool) bool {
	if b[0]&(flagDeadline|flagRegister) == 0 && dead == nil || b[0]&flagBlock != 0 && blockOf(b, sizeOf(b)) == noBlock {
		return false
	}
	s.read(b, &s.met)
	gone, passed := dead != nil && dead(s.met.key), s.met.deadline.Passed(s.wall)
	if !gone && !passed { // as most: the index need not be asked whether it is live
		s.expect(loc, s.met.deadline.At)
		return false
	}
	at, ok := s.pointsAt(loc, b)
	if !ok {
		return passed // it need not be looked at again, either
	}
	p, hash := &s.partitions[s.met.partition], s.hashOf(b)
	e := entry{at: at, slot: s.slot(at), b: b, stamp: s.met.stamp}
	if gone {
		s.stats.Swept++
		v := s.version(hash, &e)
		s.sum(s.met.partition, s.met.fewer, &v, -1) // no mark will stand for it
		s.remove(p, hash, e)
		return false
	}
	s.expire(p, hash, e)
	s.settle()
	return true
}
