package storage

import (
	"encoding/binary"

	"github.com/shoalcache/shoal/vclock"
)

// This file owns the limits: what counts how much, what is forgotten when it is too much, and what
// forgetting leaves behind.

const (
	// cleanPart is the part of a segment, one in so many, that has to be dead for what lies around it to be worth moving.
	cleanPart = 8
	// cleanSteps is how much of that a call does before it has to: more than calls take of what is free.
	cleanSteps = 4
	// deadPart is the part of its bytes, one in so many, that a store which evicts nothing keeps for deletions, and for what is dead.
	deadPart = 16
	// headRoom is what a record has beside its body at most.
	headRoom = 64
)

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

// count adds an entry of a segment n times to what is counted: once, or −1 times.
func (s *Store) count(g *segment, b []byte, size, n int) {
	p := &s.partitions[partitionOf(b)]
	weight := int64(n) * s.weight(b, size)
	g.bytes += weight
	s.logs[g.log].bytes += weight
	s.stats.BytesUsed += weight
	switch {
	case b[0]&flagGhost != 0:
		s.stats.Ghosts += n
		p.ghosts += int32(n)
	case b[0]&flagTombstone != 0:
		s.stats.Tombstones += n
		p.records += int32(n)
	default:
		s.stats.Keys += n
		p.records += int32(n)
	}
}

// kill lets go of the entry at a place, which the index no longer has.
func (s *Store) kill(loc uint64) {
	g, b := s.of(loc)
	size := sizeOf(b)
	s.count(g, b, size, -1)
	if b[0]&(flagGhost|flagForeign) == 0 {
		s.actors.release(binary.LittleEndian.Uint16(b[3:]))
	}
	if b[0]&flagBlock != 0 {
		number := blockOf(b, size)
		s.blockBytes -= int64(cap(s.blocks[number]))
		s.leaving = append(s.leaving, s.blocks[number])
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
	if e.known() {
		old := s.version(k.Hash, &e)
		s.sum(k.Partition/s.shards, fewerOf(e.b), &old, -1)
	}
	fresh := s.versionOf(k.Hash, set)
	s.sum(k.Partition/s.shards, k.Fewer, &fresh, 1)
	flags := flagsOf(set)
	which, known := s.enters(e)
	home := homeOf(k.Partition/s.shards, k.Fewer)
	number, ok := s.actors.number(set.Dot.Actor)
	if !ok {
		flags |= flagForeign
	}
	body := bodyBytes(k.Bytes, set)
	head := headBytes(flags)
	if body > s.blockLeast() {
		flags |= flagBlock
	}
	if e.held && e.b[0] == flags && flags&flagBlock == 0 && !s.passing(e.slot&placeMask) && sizeOf(e.b) == head+body && len(s.met.dots) == dotBytes*len(set.Context.Seen) {
		if flags&flagForeign == 0 {
			s.actors.release(s.met.number)
		}
		putBody(putHead(e.b, flags, home, number, set), k.Bytes, set, below)
		s.setSlot(e.at, e.slot&^(usesMask|worthMask)|known)
		s.newest = e.slot & placeMask
		s.expect(s.newest, set.Deadline.At)
		return
	}
	size := head + body
	if flags&flagBlock != 0 {
		size = head + 4
	}
	loc, b := s.append(which, size)
	rest := putHead(b, flags, home, number, set)
	if flags&flagBlock != 0 {
		binary.LittleEndian.PutUint32(rest, s.newBlock(body))
		rest = s.blocks[binary.LittleEndian.Uint32(rest)]
	}
	putBody(rest, k.Bytes, set, below)
	g, _ := s.of(loc)
	s.count(g, b, size, 1)
	s.point(p, k.Hash, e, loc|known)
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

// bury makes what e has, or nothing, a ghost: what its key was worth it still is.
func (s *Store) bury(p *partition, number uint32, e entry, g Ghost, credit bool) entry {
	if e.known() {
		old := s.version(g.Hash, &e)
		s.sum(number, fewerOf(e.b), &old, -1)
	}
	fresh := g.version()
	s.sum(number, g.Fewer, &fresh, 1)
	return s.haunt(p, number, e, g, credit)
}

// haunt is bury where the ghost is that of what e has, so that the summary stays as it is.
func (s *Store) haunt(p *partition, number uint32, e entry, g Ghost, credit bool) entry {
	loc, b := s.append(ghosts, g.bytes())
	putGhost(b, number, g)
	seg, _ := s.of(loc)
	s.count(seg, b, len(b), 1)
	slot := loc | ghostFlag
	if e.known() {
		slot |= e.slot & worthMask
	}
	if credit {
		slot |= creditFlag
	}
	s.point(p, g.Hash, e, slot)
	return entry{at: e.at, slot: slot, b: b, stamp: g.Stamp}
}

// forget makes a record, which s.met is, the ghost of the version it held.
func (s *Store) forget(p *partition, hash uint64, e entry, credit bool) entry {
	set := s.met.set(&s.own)
	g := Ghost{
		Hash: hash, Stamp: max(s.met.stamp, s.met.below()), Digest: set.Ghost(s.met.deadline), Content: s.content(&set),
		Fewer: s.met.fewer, Deadline: s.met.deadline,
	}
	if g.Stamp != s.met.stamp {
		return s.bury(p, s.met.partition, e, g, credit)
	}
	return s.haunt(p, s.met.partition, e, g, credit)
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
	s.dropGhosts()
	for s.stats.BytesUsed > s.usedMax && s.giveWay() {
	}
	s.clean()
	for _, block := range s.leaving { // not before: what this call was handed in may lie there
		s.memory.Give(block)
	}
	clear(s.leaving)
	s.leaving = s.leaving[:0]
	s.newest = 0
	if s.stats.BytesUsed < s.usedMax/8*7 {
		s.full = false
	}
	if s.blockBytes > 0 {
		s.shed()
	}
}

// clean sees to it that there are segments for the next call: what lies around dead entries is moved together, a step in each
// call as soon as there are few left, so that none has much to do. Where nearly all that there is lives, some of it goes.
func (s *Store) clean() {
	soon := min(int(s.stats.BytesMax>>s.shift)/64, logs+1) // each log may take one, and the index; where there are few, segments are small
	for steps := 0; ; steps++ {
		if free := s.available() - reserve; free >= soon || free >= 0 && steps >= cleanSteps {
			return
		}
		if !s.pack() && !(s.available() > 0 && s.evacuate()) && !s.giveWay() {
			return
		}
	}
}

// giveWay forgets one record, or else one ghost.
func (s *Store) giveWay() bool {
	if !s.evict() && !s.dropGhost() {
		return false
	}
	s.dropGhosts()
	return true
}

// dropGhosts drops ghosts until they have no more than their share. Those of keys that are back lie dead among the others until these
// go, and count: to move what is as small as a ghost costs more than it frees. They count by the byte, and not by the segment, or a call
// that comes to a new one would drop a whole segment of them.
func (s *Store) dropGhosts() {
	for (s.logs[ghosts].bytes > s.ghostBytesMax || s.extent(ghosts) > (s.ghostBytesMax>>s.shift+1)<<s.shift) && s.dropGhost() {
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
	if s.fits(ghosts, ghostMost) {
		s.forget(p, hash, e, credit)
		return
	}
	s.raise(p, b)
	s.remove(p, hash, e)
}

// move copies an entry to the end of a log.
func (s *Store) move(which uint8, at spot, slot uint64) (loc uint64) {
	old, b := s.of(slot & placeMask)
	size := sizeOf(b)
	weight := s.weight(b, size)
	old.bytes -= weight
	s.logs[old.log].bytes -= weight
	loc, to := s.append(which, size)
	copy(to, b)
	g, _ := s.of(loc)
	g.bytes += weight
	s.logs[which].bytes += weight
	if b[0]&(flagDeadline|flagRegister) != 0 && b[0]&flagGhost == 0 {
		s.read(to, &s.other) // the old segment may be in the midst of a sweep, and know of no deadline
		g.soonest = min(g.soonest, s.other.deadline.At)
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

// evacuate moves some of what is live in the segment with the most that is dead to the end of its log, and goes on with that until it is free; false
// where none is empty enough, or, if nothing is evicted, none has anything dead.
func (s *Store) evacuate() bool {
	g := &s.segments[s.cleaning]
	if g.log >= ghosts || g.order != s.cleaningOrder || s.cleaning == s.logs[g.log].newest {
		if !s.emptiest() {
			return false
		}
		g = &s.segments[s.cleaning]
	}
	n, which, used, from := s.cleaning, g.log, g.used, s.cleanAt
	for moves, ahead := 0, from; moves < movesMax && s.cleanAt < used; {
		if s.cleanAt >= ahead {
			ahead = s.lookAhead(&s.segments[n], s.cleanAt)
		}
		loc := uint64(n)<<s.shift | uint64(s.cleanAt)
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
			moves++
		}
		s.cleanAt += int32(size)
	}
	return s.cleanAt > from
}

// emptiest makes the segment with the most that is dead the one to clean, but not one that eviction is about to empty.
func (s *Store) emptiest() bool {
	if s.barren == s.orders { // nothing much can have changed since
		return false
	}
	least, most := uint32(0), int32(1)<<s.shift/cleanPart-1
	if s.policy == None {
		most = 0
	}
	for n := range s.segments {
		g := &s.segments[n]
		if (g.log == small || g.log == main) && uint32(n) != s.logs[g.log].newest && (uint32(n) != s.logs[g.log].oldest || s.policy == None) && g.used-g.live > most {
			least, most = uint32(n), g.used-g.live
		}
	}
	s.cleaning, s.cleanAt, s.cleaningOrder = least, 0, s.segments[least].order
	if least == 0 && s.policy != None {
		s.barren = s.orders
	}
	return least != 0
}
