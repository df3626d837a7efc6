package storage

import (
	"bytes"
	"encoding/binary"

	"github.com/shoalcache/shoal/vclock"
)

// Entries as they lie in a log, little-endian; lengths are varints.
//
//	record  flags 1 │ partition, and in its two highest bits fewer, 2 │ actor 2, or in full 16 │ stamp 8 │ deadline 8, its stamp 8 │ body, or number of its block 4
//	body    key length │ value length │ floor 8, dots, each 24 │ below 8 │ key │ value
//	ghost   flags 1 │ partition 2 │ hash 8 │ stamp 8 │ digest 4 │ deadline 8, its stamp 8 │ content 4
//
// A part that is not there takes no room. Partition is the number within the shard, fewer as in Key.
const (
	flagGhost     = 1 << iota
	flagTombstone // a record of a deletion
	flagPacked    // its value is several versions, and has below
	flagDeadline
	flagRegister // the deadline was written later than the version
	flagContext
	flagBlock   // the body lies in a block of its own
	flagForeign // the actor is named in full

	actorBytes = 16
	dotBytes   = 24
	ghostFixed = 1 + 2 + 8 + 8 + 4
	ghostMost  = ghostFixed + 16 + 4
)

// record is one that was read where it lies; slices point there.
type record struct {
	flags     byte
	partition uint32
	fewer     uint8
	number    uint16 // of the actor, unless it is foreign
	actor     vclock.Actor
	stamp     vclock.Stamp
	deadline  vclock.Deadline
	block     uint32
	floor     vclock.Stamp // of the context
	dots      []byte
	belowAt   []byte
	key       []byte
	value     []byte
	at        []byte // of the deadline, where it has one
}

// read decodes the record at b.
func (s *Store) read(b []byte, r *record) {
	r.flags = b[0]
	r.partition, r.fewer = partitionOf(b), fewerOf(b)
	if r.flags&flagForeign == 0 {
		r.number = binary.LittleEndian.Uint16(b[3:])
		r.actor = s.actors.byNumber[r.number]
		b = b[5:]
	} else {
		r.actor = loadActor(b[3:])
		b = b[3+actorBytes:]
	}
	r.stamp = vclock.Stamp(binary.LittleEndian.Uint64(b))
	b = b[8:]
	r.deadline, r.at = vclock.Deadline{}, nil
	if r.flags&(flagDeadline|flagRegister) != 0 {
		r.at = b
		r.deadline.At, r.deadline.Stamp = int64(binary.LittleEndian.Uint64(b)), r.stamp
		b = b[8:]
		if r.flags&flagRegister != 0 {
			r.deadline.Stamp = vclock.Stamp(binary.LittleEndian.Uint64(b))
			b = b[8:]
		}
	}
	if r.block = 0; r.flags&flagBlock != 0 {
		r.block = binary.LittleEndian.Uint32(b)
		b = s.blocks[r.block]
	}
	key, n := binary.Uvarint(b)
	value, m := binary.Uvarint(b[n:])
	b = b[n+m:]
	r.floor, r.dots, r.belowAt = 0, nil, nil
	if r.flags&flagContext != 0 {
		r.floor = vclock.Stamp(binary.LittleEndian.Uint64(b))
		dots, n := binary.Uvarint(b[8:])
		b = b[8+n:]
		r.dots, b = b[:dots*dotBytes], b[dots*dotBytes:]
	}
	if r.flags&flagPacked != 0 {
		r.belowAt, b = b[:8], b[8:]
	}
	r.key = b[:key:key]
	r.value = b[key : key+value : key+value]
}

// sizeOf is how many bytes the entry at b takes in its log.
func sizeOf(b []byte) int {
	flags := b[0]
	n := 0
	if flags&(flagDeadline|flagRegister) != 0 {
		n += 8
		if flags&flagRegister != 0 {
			n += 8
		}
	}
	if flags&flagGhost != 0 {
		if flags&flagPacked != 0 {
			n += 4
		}
		return n + ghostFixed
	}
	if n += 3 + 2 + 8; flags&flagForeign != 0 {
		n += actorBytes - 2
	}
	if flags&flagBlock != 0 {
		return n + 4
	}
	key, k := binary.Uvarint(b[n:])
	value, v := binary.Uvarint(b[n+k:])
	n += k + v
	if flags&flagContext != 0 {
		dots, d := binary.Uvarint(b[n+8:])
		n += 8 + d + int(dots)*dotBytes
	}
	if flags&flagPacked != 0 {
		n += 8
	}
	return n + int(key) + int(value)
}

// set is the version held; its value lies where the record does, its context in seen, grown where needed.
func (r *record) set(seen *[]vclock.Dot) vclock.Set {
	*seen = (*seen)[:0]
	for at := 0; at < len(r.dots); at += dotBytes {
		*seen = append(*seen, vclock.Dot{Actor: loadActor(r.dots[at:]), Stamp: vclock.Stamp(binary.LittleEndian.Uint64(r.dots[at+actorBytes:]))})
	}
	return vclock.Set{
		Dot:       r.dot(),
		Context:   vclock.Context{Floor: r.floor, Seen: *seen},
		Tombstone: r.flags&flagTombstone != 0,
		Packed:    r.flags&flagPacked != 0,
		Value:     r.value,
		Deadline:  r.deadline,
	}
}

func (r *record) dot() vclock.Dot { return vclock.Dot{Actor: r.actor, Stamp: r.stamp} }

func (r *record) packed() bool { return r.flags&flagPacked != 0 }

// below is the floor of the key that the record came under: of several versions one that had been forgotten may be missing.
func (r *record) below() vclock.Stamp {
	if r.belowAt == nil {
		return 0
	}
	return vclock.Stamp(binary.LittleEndian.Uint64(r.belowAt))
}

// setBelow says what below is from now on; of one version there is none.
func (r *record) setBelow(below vclock.Stamp) {
	if r.belowAt != nil {
		binary.LittleEndian.PutUint64(r.belowAt, uint64(below))
	}
}

// flagsOf is how a version lies in a record.
func flagsOf(set *vclock.Set) (flags byte) {
	if set.Tombstone {
		flags |= flagTombstone
	}
	if set.Packed {
		flags |= flagPacked
	}
	switch d := set.Deadline; {
	case d == vclock.Deadline{}:
	case d.Stamp == set.Dot.Stamp:
		flags |= flagDeadline
	default:
		flags |= flagRegister
	}
	if set.Context.Floor != 0 || len(set.Context.Seen) > 0 {
		flags |= flagContext
	}
	return flags
}

func uvarintBytes(x int) int {
	n := 1
	for ; x >= 0x80; x >>= 7 {
		n++
	}
	return n
}

// headBytes is what a record has before its body.
func headBytes(flags byte) int {
	n := 1 + 2 + 2 + 8
	if flags&flagForeign != 0 {
		n += actorBytes - 2
	}
	if flags&flagDeadline != 0 {
		n += 8
	}
	if flags&flagRegister != 0 {
		n += 16
	}
	return n
}

// bodyBytes is the length of the body that holds key in version set.
func bodyBytes(key []byte, set *vclock.Set) int {
	n := uvarintBytes(len(key)) + uvarintBytes(len(set.Value)) + len(key) + len(set.Value)
	if set.Context.Floor != 0 || len(set.Context.Seen) > 0 {
		n += 8 + uvarintBytes(len(set.Context.Seen)) + dotBytes*len(set.Context.Seen)
	}
	if set.Packed {
		n += 8
	}
	return n
}

// fewerShift is where Key.Fewer stands beside the partition.
const fewerShift = 14

// homeOf is a partition's number within the shard, and fewer, as entries have them.
func homeOf(partition uint32, fewer uint8) uint16 {
	return uint16(partition) | uint16(fewer)<<fewerShift
}

// partitionOf is the number within the shard of the entry at b.
func partitionOf(b []byte) uint32 {
	return uint32(binary.LittleEndian.Uint16(b[1:]) & (1<<fewerShift - 1))
}

// fewerOf is Key.Fewer of the entry at b.
func fewerOf(b []byte) uint8 { return uint8(binary.LittleEndian.Uint16(b[1:]) >> fewerShift) }

// stampAt is that of the entry at b.
func stampAt(b []byte) vclock.Stamp {
	at := 3 + 2
	switch {
	case b[0]&flagGhost != 0:
		at = 3 + 8
	case b[0]&flagForeign != 0:
		at = 3 + actorBytes
	}
	return vclock.Stamp(binary.LittleEndian.Uint64(b[at:]))
}

// putHead writes what comes before the body, and returns the rest of b.
func putHead(b []byte, flags byte, home, number uint16, set *vclock.Set) []byte {
	b[0] = flags
	binary.LittleEndian.PutUint16(b[1:], home)
	if flags&flagForeign == 0 {
		binary.LittleEndian.PutUint16(b[3:], number)
		b = b[5:]
	} else {
		storeActor(b[3:], set.Dot.Actor)
		b = b[3+actorBytes:]
	}
	binary.LittleEndian.PutUint64(b, uint64(set.Dot.Stamp))
	b = b[8:]
	if flags&(flagDeadline|flagRegister) != 0 {
		binary.LittleEndian.PutUint64(b, uint64(set.Deadline.At))
		b = b[8:]
	}
	if flags&flagRegister != 0 {
		binary.LittleEndian.PutUint64(b, uint64(set.Deadline.Stamp))
		b = b[8:]
	}
	return b
}

// putBody writes key and version. The value may lie in that very place: it stands where it will stand again.
func putBody(b, key []byte, set *vclock.Set, below vclock.Stamp) {
	b = b[binary.PutUvarint(b, uint64(len(key))):]
	b = b[binary.PutUvarint(b, uint64(len(set.Value))):]
	if set.Context.Floor != 0 || len(set.Context.Seen) > 0 {
		binary.LittleEndian.PutUint64(b, uint64(set.Context.Floor))
		b = b[8:]
		b = b[binary.PutUvarint(b, uint64(len(set.Context.Seen))):]
		for _, d := range set.Context.Seen {
			storeActor(b, d.Actor)
			binary.LittleEndian.PutUint64(b[actorBytes:], uint64(d.Stamp))
			b = b[dotBytes:]
		}
	}
	if set.Packed {
		binary.LittleEndian.PutUint64(b, uint64(below))
		b = b[8:]
	}
	b = b[copy(b, key):]
	copy(b, set.Value)
}

// keyOf is the key of the record at b, without decoding the rest.
func (s *Store) keyOf(b []byte) []byte {
	flags := b[0]
	if flags&^flagTombstone == 0 && b[headPlain] < 0x80 && b[headPlain+1] < 0x80 { // as most are
		return b[headPlain+2 : headPlain+2+int(b[headPlain])]
	}
	s.read(b, &s.other)
	return s.other.key
}

const headPlain = 1 + 2 + 2 + 8

// left is what the ghost at b says.
func left(b []byte) Ghost {
	g := Ghost{
		Hash:   binary.LittleEndian.Uint64(b[3:]),
		Stamp:  vclock.Stamp(binary.LittleEndian.Uint64(b[11:])),
		Digest: binary.LittleEndian.Uint32(b[19:]),
		Fewer:  fewerOf(b),
	}
	rest := b[ghostFixed:]
	if b[0]&flagRegister != 0 {
		g.Deadline.At = int64(binary.LittleEndian.Uint64(rest))
		g.Deadline.Stamp = vclock.Stamp(binary.LittleEndian.Uint64(rest[8:]))
		rest = rest[16:]
	}
	if b[0]&flagPacked != 0 {
		g.Content = binary.LittleEndian.Uint32(rest)
	}
	return g
}

// putGhost writes a ghost.
func putGhost(b []byte, partition uint32, g Ghost) {
	b[0] = flagGhost
	binary.LittleEndian.PutUint16(b[1:], homeOf(partition, g.Fewer))
	binary.LittleEndian.PutUint64(b[3:], g.Hash)
	binary.LittleEndian.PutUint64(b[11:], uint64(g.Stamp))
	binary.LittleEndian.PutUint32(b[19:], g.Digest)
	rest := b[ghostFixed:]
	if g.Deadline != (vclock.Deadline{}) {
		b[0] |= flagRegister
		binary.LittleEndian.PutUint64(rest, uint64(g.Deadline.At))
		binary.LittleEndian.PutUint64(rest[8:], uint64(g.Deadline.Stamp))
		rest = rest[16:]
	}
	if g.Content != 0 {
		b[0] |= flagPacked
		binary.LittleEndian.PutUint32(rest, g.Content)
	}
}

func (g *Ghost) bytes() int {
	n := ghostFixed
	if g.Deadline != (vclock.Deadline{}) {
		n += 16
	}
	if g.Content != 0 {
		n += 4
	}
	return n
}

// hashAt is the hash of the key whose entry is at loc.
func (s *Store) hashAt(loc uint64) uint64 {
	_, b := s.of(loc)
	return s.hashOf(b)
}

// hashOf is that of the entry at b.
func (s *Store) hashOf(b []byte) uint64 {
	if b[0]&flagGhost != 0 {
		return binary.LittleEndian.Uint64(b[3:])
	}
	return s.hash(s.keyOf(b))
}

// isOf reports whether the entry at b is the record of key, and not a ghost or the record of another key.
func (s *Store) isOf(b, key []byte) bool {
	return b[0]&flagGhost == 0 && bytes.Equal(s.keyOf(b), key)
}

func loadActor(b []byte) vclock.Actor {
	return vclock.Actor{Node: binary.LittleEndian.Uint64(b), Boot: binary.LittleEndian.Uint64(b[8:])}
}

func storeActor(b []byte, a vclock.Actor) {
	binary.LittleEndian.PutUint64(b, a.Node)
	binary.LittleEndian.PutUint64(b[8:], a.Boot)
}
