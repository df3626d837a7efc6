package storage

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/shoalcache/shoal/vclock"
)

const (
	// entryBytes is what an entry costs beside its body: the struct (96), its place in the index (up to
	// 39 just after the map doubled) and in the partition's list of entries (up to 16).
	entryBytes = 152

	headerBytes = 24 // node, boot, context floor
	dotBytes    = 24 // node, boot, stamp
	belowBytes  = 8

	// A body this much larger than its version needs is given back, or deleting a large value would free
	// nothing until the tombstone went.
	wasteFactor   = 4
	wasteBytesMin = 256
)

// entry is what is known of one hash: a record while it has a body, a ghost once it has none.
//
//	body: node 8 │ boot 8 │ context floor 8 │ key │ value │ seen × (node 8, boot 8, stamp 8) │ below 8, of several versions
type entry struct {
	newer, older *entry // neighbours in the list of records or of ghosts
	body         []byte
	hash         uint64
	stamp        vclock.Stamp    // of the version held, or of the greatest one forgotten
	deadline     vclock.Deadline // its register
	partition    uint32          // number within the shard
	slot         uint32          // place in its partition's entries
	digest       uint32          // of a ghost's version
	keyBytes     uint32
	seen         uint32 // dots in the context
	tombstone    bool
	packed       bool // the value is several versions
}

func (e *entry) isRecord() bool { return e.body != nil }

func (e *entry) key() []byte { return e.body[headerBytes : headerBytes+e.keyBytes] }

// holds reports whether e is the record of key, and not a ghost or the record of a key with the same hash.
func (e *entry) holds(key []byte) bool { return e.isRecord() && bytes.Equal(e.key(), key) }

// expired reports whether e is a record past its deadline.
func (e *entry) expired(wall int64) bool { return e.isRecord() && e.deadline.Passed(wall) }

func (e *entry) dot() vclock.Dot {
	return vclock.Dot{Actor: loadActor(e.body), Stamp: e.stamp}
}

// below is the floor of the key that the record came under: of several versions one that had been forgotten may be missing.
func (e *entry) below() vclock.Stamp {
	if !e.packed {
		return 0
	}
	return vclock.Stamp(binary.LittleEndian.Uint64(e.body[len(e.body)-belowBytes:]))
}

// setBelow says what below is from now on; of one version there is none.
func (e *entry) setBelow(below vclock.Stamp) {
	if !e.packed {
		return
	}
	binary.LittleEndian.PutUint64(e.body[len(e.body)-belowBytes:], uint64(below))
}

// tail is where the context of the body ends.
func (e *entry) tail() int {
	if e.packed {
		return len(e.body) - belowBytes
	}
	return len(e.body)
}

// bytes is what e counts against BytesMax.
func (e *entry) bytes() int64 { return entryBytes + int64(cap(e.body)) }

// load returns the version held; its value lies in e's body and its context in seen, grown where needed.
func (e *entry) load(seen *[]vclock.Dot) vclock.Set {
	value := headerBytes + int(e.keyBytes)
	tail := e.tail()
	dots := tail - dotBytes*int(e.seen)
	*seen = (*seen)[:0]
	for at := dots; at < tail; at += dotBytes {
		*seen = append(*seen, vclock.Dot{
			Actor: loadActor(e.body[at:]),
			Stamp: vclock.Stamp(binary.LittleEndian.Uint64(e.body[at+16:])),
		})
	}
	return vclock.Set{
		Dot:       e.dot(),
		Context:   vclock.Context{Floor: vclock.Stamp(binary.LittleEndian.Uint64(e.body[16:])), Seen: *seen},
		Tombstone: e.tombstone,
		Packed:    e.packed,
		Value:     e.body[value:dots:dots],
		Deadline:  e.deadline,
	}
}

// fill makes e the record of key in version set, in the old body where it fits. The set's value may lie
// in that very body: it stands where it will stand again. Below is kept of several versions only.
func (e *entry) fill(key []byte, set *vclock.Set, below vclock.Stamp) {
	n := bodyBytes(key, set)
	body := e.body
	if n > cap(body) || cap(body) > wasteBytesMin && n < cap(body)/wasteFactor {
		body = slices.Grow([]byte(nil), n) // to the allocator's size class: what it takes anyway is ours to use
	}
	body = body[:n]
	storeActor(body, set.Dot.Actor)
	binary.LittleEndian.PutUint64(body[16:], uint64(set.Context.Floor))
	at := headerBytes
	at += copy(body[at:], key)
	at += copy(body[at:], set.Value)
	for _, d := range set.Context.Seen {
		storeActor(body[at:], d.Actor)
		binary.LittleEndian.PutUint64(body[at+16:], uint64(d.Stamp))
		at += dotBytes
	}
	e.body = body
	e.stamp, e.deadline, e.tombstone, e.packed = set.Dot.Stamp, set.Deadline, set.Tombstone, set.Packed
	e.setBelow(below)
	e.keyBytes, e.seen = uint32(len(key)), uint32(len(set.Context.Seen))
}

// bodyBytes is the length of the body that holds key in version set.
func bodyBytes(key []byte, set *vclock.Set) int {
	n := headerBytes + len(key) + len(set.Value) + dotBytes*len(set.Context.Seen)
	if set.Packed {
		n += belowBytes
	}
	return n
}

func loadActor(b []byte) vclock.Actor {
	return vclock.Actor{Node: binary.LittleEndian.Uint64(b), Boot: binary.LittleEndian.Uint64(b[8:])}
}

func storeActor(b []byte, a vclock.Actor) {
	binary.LittleEndian.PutUint64(b, a.Node)
	binary.LittleEndian.PutUint64(b[8:], a.Boot)
}

// list is a ring of entries around an empty one, in the order in which they were pushed.
type list struct{ root entry }

func (l *list) init() { l.root.newer, l.root.older = &l.root, &l.root }

// push makes e the newest.
func (l *list) push(e *entry) {
	e.older, e.newer = l.root.older, &l.root
	e.older.newer, l.root.older = e, e
}

func (l *list) remove(e *entry) {
	e.older.newer, e.newer.older = e.newer, e.older
	e.older, e.newer = nil, nil
}

// oldest is the first pushed of those still there; there must be one.
func (l *list) oldest() *entry { return l.root.newer }
