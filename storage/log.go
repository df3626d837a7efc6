package storage

// Entries lie in logs: queues of segments, each a stretch of memory that is only ever appended to. What is
// replaced or forgotten stays where it is, dead, until its segment is free; an entry is live while the index
// points at it.
//
//	          oldest                            newest
//	  log     [xx.x..xx] ⇄ [x..xx..x] ⇄ … ⇄ [..xx..____]
//	             ▲ scan        dead x, live .       ▲ append

// Which log an entry is in. Small and main are the two queues of S3-FIFO (Yang et al., SOSP 2023, §4): what is new is in
// small, what was asked for again before it left that is in main. Ghosts are what is left of both.
const (
	small = iota
	main
	ghosts
	logs

	pagesLog = logs     // of segments that hold the index instead
	noLog    = logs + 1 // of those that are free
)

const (
	segmentBytesMin  = 1 << 10
	segmentBytesMax  = 1 << 20
	segmentBytesFair = 64 << 10
	segmentsLeast    = 256 // in a store large enough; more of them waste less and are examined more often

	// reserve is how many segments are free between calls, so that a call finds room for all that it appends, and
	// nothing that it frees is used again before it ends: a record, a ghost, and pages, each perhaps with a segment of its own.
	reserve = 6
	// ragged is how many segments may be partly empty: the oldest and the newest of each log, and what entries leave at
	// the end of the others.
	ragged = 2 * logs
)

// roundMax is how much more than was asked for a Memory may count, where segments are as large at least: pages.
const roundMax = 4 << 10

// segment numbers count from 1; 0 is none.
type segment struct {
	mem          []byte
	used, live   int32 // bytes appended, and those of entries that are live
	scan         int32 // what lies before was examined since the segment is the oldest
	ahead        int32 // of what lies before the index was looked at already
	log          uint8
	newer, older uint32
	order        uint32     // in which it was taken; across 2^32 segments LRU errs once
	bytes        int64      // as log.bytes
	pages        []pageInfo // where it holds the index
	soonest      int64      // no record in it passes its deadline before
}

const noDeadline = 1<<63 - 1

// log is a queue of segments.
type log struct {
	newest, oldest uint32
	segments       int
	bytes          int64 // of live entries, as accounted
}

// Memory is where a store gets its memory from. It may be one for several stores.
type Memory interface {
	// Take returns so many bytes, of any content. Their capacity is what they count: for a power of two from 4 KiB on it is
	// that, for anything else it may be up to roundMax more.
	Take(bytes int) []byte
	// Give takes back what Take returned.
	Give([]byte)
}

// heap is the memory of a store that is told of no other.
type heap struct{}

func (heap) Take(bytes int) []byte { return make([]byte, bytes) }
func (heap) Give([]byte)           {}

// available is how many segments may still be taken.
func (s *Store) available() int {
	return int((s.stats.BytesMax-s.blockBytes)>>s.shift) - s.inUse
}

// take returns the number of a segment that is of no log yet.
func (s *Store) take(which uint8) uint32 {
	var n uint32
	switch {
	case len(s.free) > reserve || len(s.free) > 0 && len(s.free) >= s.available():
		n = s.free[0]
		s.free = append(s.free[:0], s.free[1:]...)
	case len(s.unused) > 0:
		n = s.unused[len(s.unused)-1]
		s.unused = s.unused[:len(s.unused)-1]
	default:
		n = uint32(len(s.segments))
		s.segments = append(s.segments, segment{})
	}
	g := &s.segments[n]
	if g.mem == nil {
		g.mem = s.memory.Take(1 << s.shift)
	}
	s.orders++
	*g = segment{mem: g.mem, log: which, order: s.orders, soonest: noDeadline}
	if n == s.sweepSegment {
		s.sweepAt = 0
	}
	s.inUse++
	return n
}

// release frees a segment that is of no log any more.
func (s *Store) release(n uint32) {
	s.inUse--
	g := &s.segments[n]
	g.log, g.used = noLog, 0
	s.free = append(s.free, n)
	if len(s.free) > 2*reserve { // that freed first, of which no answer is any more
		s.giveBack(0)
	}
}

// shed returns memory that is more than may be used, since large values have taken it.
func (s *Store) shed() {
	for len(s.free) > 0 && len(s.free) > s.available() {
		s.giveBack(len(s.free) - 1)
	}
}

// giveBack returns the memory of a free segment.
func (s *Store) giveBack(i int) {
	n := s.free[i]
	s.free = append(s.free[:i], s.free[i+1:]...)
	s.memory.Give(s.segments[n].mem)
	s.segments[n].mem = nil
	s.unused = append(s.unused, n)
}

// fits reports whether an entry of n bytes can be appended without a segment of the reserve's last.
func (s *Store) fits(which uint8, n int) bool {
	l := &s.logs[which]
	return l.newest != 0 && int(s.segments[l.newest].used)+n <= 1<<s.shift || s.available() > 0
}

// append makes room for an entry of n bytes at the end of a log.
func (s *Store) append(which uint8, n int) (loc uint64, b []byte) {
	l := &s.logs[which]
	if l.newest == 0 || int(s.segments[l.newest].used)+n > 1<<s.shift {
		full := l.newest
		fresh := s.take(which)
		l.segments++
		s.segments[fresh].older = full
		if l.newest = fresh; full != 0 {
			s.segments[full].newer = fresh
			s.discard(full)
			if which == small {
				s.spill()
			}
		} else {
			l.oldest = fresh
		}
	}
	g := &s.segments[l.newest]
	at := int(g.used)
	g.used += int32(n)
	g.live += int32(n)
	return uint64(l.newest)<<s.shift | uint64(at), g.mem[at : at+n : at+n]
}

// discard frees a segment in which nothing is live, unless it is still appended to.
func (s *Store) discard(n uint32) {
	g := &s.segments[n]
	l := &s.logs[g.log]
	if g.live > 0 || n == l.newest {
		return
	}
	if g.newer != 0 {
		s.segments[g.newer].older = g.older
	}
	if g.older != 0 {
		s.segments[g.older].newer = g.newer
	} else {
		l.oldest = g.newer
	}
	l.segments--
	s.release(n)
}

// of splits a place into its segment and the bytes from there on.
func (s *Store) of(loc uint64) (*segment, []byte) {
	g := &s.segments[loc>>s.shift]
	return g, g.mem[loc&(1<<s.shift-1):]
}

// next returns the oldest live entry of a log that was not examined yet, and where the index has it.
func (s *Store) next(which uint8) (loc uint64, at spot, ok bool) {
	l := &s.logs[which]
	for n := l.oldest; n != 0; {
		g := &s.segments[n]
		for g.scan < g.used {
			if g.scan >= g.ahead {
				g.ahead = s.lookAhead(g, g.scan)
			}
			loc = uint64(n)<<s.shift | uint64(g.scan)
			_, b := s.of(loc)
			size := sizeOf(b)
			if at, ok = s.pointsAt(loc, b); ok {
				return loc, at, true
			}
			g.scan += int32(size)
		}
		if n == l.newest {
			break
		}
		n = g.newer
	}
	return 0, spot{}, false
}

// extent is how far it is from the oldest entry of a log that was not examined to its end, in bytes, whatever lies dead in between.
func (s *Store) extent(which uint8) int64 {
	l := &s.logs[which]
	return int64(l.segments-1)<<s.shift + int64(s.segments[l.newest].used) - int64(s.segments[l.oldest].scan)
}

// aheadMax is for how many cache misses are waited at once.
const aheadMax = 16

// lookAhead reads what is about to be read of the index for some entries of a segment, from at on, and returns where they end: their
// cache misses overlap, where one after the other they are most of what it costs to evict or to move them.
func (s *Store) lookAhead(g *segment, at int32) int32 {
	var pages [aheadMax]uint32
	var buckets [aheadMax]uint16
	n := 0
	for ; n < aheadMax && at < g.used; n++ {
		b := g.mem[at:]
		size := sizeOf(b)
		at += int32(size)
		p := &s.partitions[partitionOf(b)]
		if len(p.directory) == 0 || b[0]&flagBlock != 0 && blockOf(b, size) == noBlock {
			continue
		}
		hash := s.mixed(s.hashOf(b))
		pages[n], buckets[n] = p.page(hash), bucketAt(hash)
	}
	for i, page := range pages[:n] {
		if page != 0 {
			s.touched |= s.page(page)[buckets[i]]
		}
	}
	return at
}
