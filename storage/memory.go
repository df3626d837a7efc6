package storage

import (
	"encoding/binary"

	"github.com/shoalcache/shoal/vclock"
)

// This file owns the limits: what counts how much, what is forgotten when it is too much, and what
// forgetting leaves behind.

const (
	// smallPart is the part of all records that is the small log's, one in so many.
	smallPart = 10
	// usesMost is how many uses of a record are counted.
	usesMost = 3
	// deadPart is the part of memory that may be dead, one in so many, before it is worth moving what lies around it.
	deadPart = 16
	// movesMax is how many records that were used are moved, before one goes all the same.
	movesMax = 64
	// headRoom is what a record has beside its body at most.
	headRoom = 64
)

// partitionOf is the number within the shard of the entry at b.
func partitionOf(b []byte) uint32 { return uint32(binary.LittleEndian.Uint16(b[1:])) }

// weight is what the entry at b, of so many bytes in its log, counts against BytesMax.
func (s *Store) weight(b []byte, size int) int64 {
	if b[0]&flagBlock != 0 {
		size += cap(s.blocks[blockOf(b, size)])
	}
	return int64(size)
}

// noBlock is in records that are dead, instead of the number of what may be another's block by now.
const noBlock = 1<<32 - 1

// blockOf is the number of the block that has the body of the record at b.
func blockOf(b []byte, size int) uint32 { return binary.LittleEndian.Uint32(b[size-4:]) }

// count adds an entry of a log n times to what is counted: once, or −1 times.
func (s *Store) count(which uint8, b []byte, size, n int) {
	p := &s.partitions[partitionOf(b)]
	weight := int64(n) * s.weight(b, size)
	s.logs[which].bytes += weight
	s.stats.BytesUsed += weight
	switch {
	case b[0]&flagGhost != 0:
		s.stats.Ghosts += n
		p.ghosts += n
	case b[0]&flagTombstone != 0:
		s.stats.Tombstones += n
		p.records += n
	default:
		s.stats.Keys += n
		p.records += n
	}
}

// kill lets go of the entry at a place, which the index no longer has.
func (s *Store) kill(loc uint64) {
	g, b := s.of(loc)
	size := sizeOf(b)
	s.count(g.log, b, size, -1)
	if b[0]&(flagGhost|flagForeign) == 0 {
		s.actors.release(binary.LittleEndian.Uint16(b[3:]))
	}
	if b[0]&flagBlock != 0 {
		number := blockOf(b, size)
		s.blockBytes -= int64(cap(s.blocks[number]))
		s.memory.Give(s.blocks[number])
		s.blocks[number] = nil
		s.noBlocks = append(s.noBlocks, number)
		binary.LittleEndian.PutUint32(b[size-4:], noBlock)
		s.met, s.other, s.told = record{}, record{}, vclock.Set{} // they may point into it
	}
	g.live -= int32(size)
	s.discard(uint32(loc >> s.shift))
}

// write makes a version the record of k, in place of what e has. The set's value may lie in that very record.
func (s *Store) write(p *partition, k Key, e entry, set *vclock.Set, below vclock.Stamp) {
	flags := flagsOf(set)
	which := uint8(small)
	uses := uint64(0)
	if e.known() {
		switch g, _ := s.of(e.slot & placeMask); {
		case e.ghost() && e.slot&creditFlag != 0:
			which = main
		case e.record():
			which = g.log
			uses = min(e.slot&usesMask+1<<usesShift, usesMost<<usesShift)
		}
	}
	number, ok := s.actors.number(set.Dot.Actor)
	if !ok {
		flags |= flagForeign
	}
	body := bodyBytes(k.Bytes, set)
	head := headBytes(flags)
	if body > s.blockLeast() {
		flags |= flagBlock
	}
	if e.held && e.b[0] == flags && flags&flagBlock == 0 && sizeOf(e.b) == head+body && len(s.met.dots) == dotBytes*len(set.Context.Seen) {
		if flags&flagForeign == 0 {
			s.actors.release(s.met.number)
		}
		putBody(putHead(e.b, flags, partitionOf(e.b), number, set), k.Bytes, set, below)
		s.setSlot(e.at, e.slot&^usesMask|uses)
		s.newest = e.slot & placeMask
		s.expect(s.newest, set.Deadline.At)
		return
	}
	size := head + body
	if flags&flagBlock != 0 {
		size = head + 4
	}
	loc, b := s.append(which, size)
	rest := putHead(b, flags, k.Partition/s.shards, number, set)
	if flags&flagBlock != 0 {
		binary.LittleEndian.PutUint32(rest, s.newBlock(body))
		rest = s.blocks[binary.LittleEndian.Uint32(rest)]
	}
	putBody(rest, k.Bytes, set, below)
	s.count(which, b, size, 1)
	s.point(p, k.Hash, e, loc|uses)
	s.newest = loc
	s.expect(loc, set.Deadline.At)
}

// blockLeast is the largest body that lies in a segment: a quarter of one, so that little is left over at its end.
func (s *Store) blockLeast() int { return 1<<s.shift/4 - headRoom }

func (s *Store) newBlock(bytes int) (number uint32) {
	if last := len(s.noBlocks) - 1; last >= 0 {
		number, s.noBlocks = s.noBlocks[last], s.noBlocks[:last]
	} else {
		number = uint32(len(s.blocks))
		s.blocks = append(s.blocks, nil)
	}
	s.blocks[number] = s.memory.Take(bytes)
	s.blockBytes += int64(cap(s.blocks[number]))
	return number
}

// point lets the index have a slot, whose hash is not in it yet, in place of e.
func (s *Store) point(p *partition, hash uint64, e entry, slot uint64) {
	slot |= s.mixed(hash)&hashMask | s.mixed(hash)&(buckets-1)<<bucketShift
	if e.known() {
		s.setSlot(e.at, slot)
		s.kill(e.slot & placeMask)
		return
	}
	at, ok := s.enter(p, hash)
	for !ok { // hashes that are all alike: they push each other out
		s.crowd(p, hash)
		at, ok = s.enter(p, hash)
	}
	s.setSlot(at, slot)
}

// crowd lets go of an entry in the bucket of a hash for which the index has no room.
func (s *Store) crowd(p *partition, hash uint64) {
	n := p.page(s.mixed(hash))
	b := int(s.mixed(hash) & (buckets - 1))
	at := spot{n, slotAt(b, int(s.stats.Evicted+s.stats.GhostsDropped)%bucketSlots)}
	slot := s.slot(at)
	loc := slot & placeMask
	_, bytes := s.of(loc)
	if slot&ghostFlag != 0 {
		s.stats.GhostsDropped++
	} else {
		s.stats.Evicted++
	}
	s.raise(p, bytes)
	s.vacate(at)
	s.kill(loc)
}

// raise lets the partition's mark cover what the entry at b knows.
func (s *Store) raise(p *partition, b []byte) {
	if b[0]&flagGhost != 0 {
		g := left(b)
		p.mark = max(p.mark, past(g.Stamp, g.Deadline))
		return
	}
	s.read(b, &s.other)
	p.mark = max(p.mark, past(s.other.stamp, s.other.deadline), s.other.below())
}

// bury makes what e has, or nothing, a ghost.
func (s *Store) bury(p *partition, number uint32, e entry, g Ghost, credit bool) entry {
	loc, b := s.append(ghosts, g.bytes())
	putGhost(b, number, g)
	s.count(ghosts, b, len(b), 1)
	slot := loc | ghostFlag
	if credit {
		slot |= creditFlag
	}
	s.point(p, g.Hash, e, slot)
	return entry{at: e.at, slot: slot, b: b, stamp: g.Stamp}
}

// forget makes a record, which s.met is, the ghost of the version it held.
func (s *Store) forget(p *partition, hash uint64, e entry, credit bool) entry {
	set := s.met.set(&s.own)
	g := Ghost{Hash: hash, Stamp: max(s.met.stamp, s.met.below()), Digest: set.Ghost(s.met.deadline), Deadline: s.met.deadline}
	return s.bury(p, s.met.partition, e, g, credit)
}

// expire is forget of a record whose deadline has passed.
func (s *Store) expire(p *partition, hash uint64, e entry) entry {
	s.stats.Expired++
	return s.forget(p, hash, e, false)
}

// remove takes an entry out altogether; whatever it knew must be covered already.
func (s *Store) remove(p *partition, hash uint64, e entry) {
	s.vacate(e.at)
	s.kill(e.slot & placeMask)
	s.shrink(p, hash)
}

// past is the mark that covers a version: its stamp and, where its deadline was written later, one more, since
// then a copy with the deadline of before is no better than an older version.
func past(s vclock.Stamp, d vclock.Deadline) vclock.Stamp {
	if d.Stamp > s {
		return s + 1
	}
	return s
}

// settle forgets until the limits hold again. The record that this call has written is never reached: what recordBytesMax
// admits fits beside the ghosts' full share.
func (s *Store) settle() {
	for s.logs[ghosts].bytes > s.ghostBytesMax && s.dropGhost() {
	}
	for {
		short := s.available() < reserve
		if !short && s.stats.BytesUsed <= s.usedMax {
			break
		}
		if short && (s.pack() || s.stats.BytesUsed < s.usedMax-s.usedMax/deadPart && s.evacuate()) {
			continue
		}
		if !s.evict() && !s.dropGhost() {
			break
		}
		for s.logs[ghosts].bytes > s.ghostBytesMax && s.dropGhost() {
		}
	}
	s.newest = 0
	if s.blockBytes > 0 {
		s.shed()
	}
}

// dropGhost drops the oldest ghost; the mark of its partition remembers it.
func (s *Store) dropGhost() bool {
	loc, at, ok := s.next(ghosts)
	if !ok {
		return false
	}
	_, b := s.of(loc)
	p := &s.partitions[partitionOf(b)]
	s.raise(p, b)
	s.stats.GhostsDropped++
	s.remove(p, left(b).Hash, entry{at: at, slot: s.slot(at), b: b})
	return true
}

// evict makes room for a record: the small log gives way while it has more than its share, and of both the oldest that
// nobody has asked for since it came there. What was asked for goes to the main log (S3-FIFO, algorithm 1).
func (s *Store) evict() bool {
	for moves := 0; ; moves++ {
		which := uint8(main)
		if s.logs[small].bytes*smallPart > s.logs[small].bytes+s.logs[main].bytes {
			which = small
		}
		loc, at, ok := s.next(which)
		if !ok {
			which = small + main - which
			if loc, at, ok = s.next(which); !ok {
				return false
			}
		}
		slot := s.slot(at)
		uses := slot & usesMask >> usesShift
		_, b := s.of(loc)
		s.read(b, &s.met)
		switch {
		case s.met.deadline.Passed(s.wall):
		case loc == s.newest:
			if moves > movesMax {
				return false // there is nothing else
			}
			s.newest = s.move(main, at, slot)
			continue
		case uses > 0 && moves < movesMax && s.fits(main, sizeOf(b)):
			if which == main {
				uses--
			} else {
				uses = 0
			}
			s.move(main, at, slot&^usesMask|uses<<usesShift)
			continue
		}
		s.leave(at, slot, b, which == small)
		return true
	}
}

// leave lets a record, which s.met is, go: to a ghost, or where there is no room for that to its partition's mark.
func (s *Store) leave(at spot, slot uint64, b []byte, credit bool) {
	p := &s.partitions[s.met.partition]
	hash := s.hashOf(b)
	e := entry{at: at, slot: slot, b: b}
	s.stats.Evicted++
	if s.met.deadline.Passed(s.wall) {
		s.stats.Evicted--
		s.stats.Expired++
		credit = false
	}
	if s.fits(ghosts, ghostFixed+16) {
		s.forget(p, hash, e, credit)
		return
	}
	s.raise(p, b)
	s.remove(p, hash, e)
}

// move copies an entry to the end of a log.
func (s *Store) move(which uint8, at spot, slot uint64) (loc uint64) {
	old, b := s.of(slot & placeMask)
	soonest := old.soonest
	from, size := old.log, sizeOf(b)
	loc, to := s.append(which, size)
	copy(to, b)
	weight := s.weight(b, size)
	s.logs[from].bytes -= weight
	s.logs[which].bytes += weight
	if b[0]&flagGhost == 0 {
		g, _ := s.of(loc)
		g.soonest = min(g.soonest, soonest)
	}
	if b[0]&flagBlock != 0 {
		binary.LittleEndian.PutUint32(b[size-4:], noBlock)
	}
	s.setSlot(at, slot&^placeMask|loc)
	old, _ = s.of(slot & placeMask) // the segments may have moved
	old.live -= int32(size)
	s.discard(uint32(slot & placeMask >> s.shift))
	return loc
}

// evacuate moves what is live in the emptiest segment to the end of its log; false where none is half empty.
func (s *Store) evacuate() bool {
	var least uint32
	for n := range s.segments {
		g := &s.segments[n]
		if g.log < logs && uint32(n) != s.logs[g.log].newest && int(g.live)*2 <= 1<<s.shift && (least == 0 || g.live < s.segments[least].live) {
			least = uint32(n)
		}
	}
	if least == 0 {
		return false
	}
	g := &s.segments[least]
	which, used := g.log, g.used
	for scan := int32(0); scan < used; {
		loc := uint64(least)<<s.shift | uint64(scan)
		_, b := s.of(loc)
		size := sizeOf(b)
		if at, ok := s.pointsAt(loc, b); ok {
			if !s.fits(which, size) {
				return false
			}
			to := s.move(which, at, s.slot(at))
			if loc == s.newest {
				s.newest = to
			}
		}
		scan += int32(size)
	}
	return true
}
