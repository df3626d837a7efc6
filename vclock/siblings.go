package vclock

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
)

// This file is the sets that hold more than one version. Such a set is a causal store with one context for all, a dotted
// version vector set (Preguiça et al., "Dotted Version Vectors", 2012) or, seen otherwise, an observed-remove set (Almeida,
// Shoker, Baquero, "Delta State Replicated Data Types", 2018, §7.2): a version is alive in a merge where both sides have it,
// or one has it and the other never heard of it; what the other has heard of and has not is superseded.
//
// Three kinds of version share that one join. A sibling stays beside whatever its writer had not seen. A value or tombstone
// of lww outdoes all that has a lesser dot: there is one at most, the base. A sum (counter.go) is what one node has added to
// the base. A set that is one version of lww and nothing else is not packed: Merge of two such is the same join, made fast.
//
// A context says "everything of this actor up to here", so that it must be true: who stamps a version sends all that is
// alive with it, and has to know every earlier version that its actor stamped of the key.

// Version is one write of a key, and what it wrote.
type Version struct {
	Dot       Dot
	Sibling   bool // stays beside concurrent ones; else, where it is no sum, the greater dot stands
	Tombstone bool
	Sum       bool  // what Dot's node has added to Base, whose dot is zero where there was none
	Base      Dot   // of a sum
	Added     int64 // of a sum
	Value     []byte
}

// The bytes of Packed sets: versions one after another, the greatest dot first, each
//
//	flags 1 │ dot 24, but of the first, which is the set's │ of a sum: base 24, added 8; else: length 4, value
const (
	flagSibling = 1 << iota
	flagTombstone
	flagSum
)

const dotBytes = 24

func packDot(b []byte, d Dot) []byte {
	b = binary.LittleEndian.AppendUint64(b, d.Actor.Node)
	b = binary.LittleEndian.AppendUint64(b, d.Actor.Boot)
	return binary.LittleEndian.AppendUint64(b, uint64(d.Stamp))
}

func loadDot(b []byte) Dot {
	return Dot{
		Actor: Actor{Node: binary.LittleEndian.Uint64(b), Boot: binary.LittleEndian.Uint64(b[8:])},
		Stamp: Stamp(binary.LittleEndian.Uint64(b[16:])),
	}
}

func (v *Version) append(b []byte, first bool) []byte {
	flags := byte(0)
	for _, f := range [...]struct {
		set  bool
		flag byte
	}{{v.Sibling, flagSibling}, {v.Tombstone, flagTombstone}, {v.Sum, flagSum}} {
		if f.set {
			flags |= f.flag
		}
	}
	b = append(b, flags)
	if !first {
		b = packDot(b, v.Dot)
	}
	if v.Sum {
		return binary.LittleEndian.AppendUint64(packDot(b, v.Base), uint64(v.Added))
	}
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(v.Value))), v.Value...)
}

// next cuts the first version off the bytes of a packed set; false where they are none.
func (v *Version) next(b []byte, first bool) (rest []byte, ok bool) {
	*v = Version{Dot: v.Dot}
	if len(b) == 0 {
		return nil, false
	}
	flags := b[0]
	v.Sibling, v.Tombstone, v.Sum = flags&flagSibling != 0, flags&flagTombstone != 0, flags&flagSum != 0
	if b = b[1:]; !first {
		if len(b) < dotBytes {
			return nil, false
		}
		v.Dot, b = loadDot(b), b[dotBytes:]
	}
	if v.Sum {
		if len(b) < dotBytes+8 || flags != flagSum {
			return nil, false
		}
		v.Base, v.Added = loadDot(b), int64(binary.LittleEndian.Uint64(b[dotBytes:]))
		return b[dotBytes+8:], true
	}
	if len(b) < 4 || flags >= flagSum {
		return nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	if b = b[4:]; uint64(len(b)) < n {
		return nil, false
	}
	v.Value = b[:n:n]
	return b[n:], !v.Tombstone || n == 0
}

// cursor goes through the versions of a set, the greatest dot first, without a list of them.
type cursor struct {
	Version
	rest   []byte
	packed bool
	begun  bool
}

func (s *Set) cursor() cursor {
	c := cursor{Version: Version{Dot: s.Dot, Tombstone: s.Tombstone, Value: s.Value}, packed: s.Packed, rest: s.Value}
	if s.IsZero() {
		c.packed, c.rest = true, nil
	}
	return c
}

// next moves on to the next version; false at the end, or where the bytes are none.
func (c *cursor) next() bool {
	first := !c.begun
	c.begun = true
	if !c.packed {
		return first
	}
	rest, ok := c.Version.next(c.rest, first)
	if ok {
		c.rest = rest // else what is left is no version
	}
	return ok
}

// Versions lists all that is alive, the greatest dot first. Values alias s.
func (s *Set) Versions() []Version {
	n := 0
	for c := s.cursor(); c.next(); n++ {
	}
	if n == 0 {
		return nil
	}
	list := make([]Version, 0, n+1) // an addition makes one more
	for c := s.cursor(); c.next(); {
		list = append(list, c.Version)
	}
	return list
}

// Sound reports whether a packed set that came from outside, its context canonical, is what Merge could have made: its bytes
// are those of at most most versions, in order, and nothing in it says the same twice or otherwise than it would have to.
func (s *Set) Sound(most int) bool {
	c, last := s.cursor(), Dot{}
	n, lww, base, live := 0, 0, Dot{}, false
	for ; c.next(); n++ {
		outdone := n > 0 && c.Dot.Compare(last) >= 0 || lww > 0 && !c.Sibling
		i, known := s.Context.find(c.Dot.Actor)
		if n == most || outdone || known && s.Context.Seen[i].Stamp <= c.Dot.Stamp || c.Dot.IsZero() || c.Sum && c.Dot.Actor.Boot != 0 {
			return false
		}
		last = c.Dot
		if !c.Sibling && !c.Sum {
			lww, base = lww+1, c.Dot
		}
		live = live || !c.Sum && !c.Tombstone
	}
	if len(c.rest) > 0 || n == 0 || n == 1 && lww == 1 {
		return false
	}
	for c := s.cursor(); c.next(); {
		live = live || c.counts(base)
	}
	return s.Tombstone != live
}

// heard is the context with the dots of all versions: everything that is, or was, part of s.
func (s *Set) heard() Context {
	n := 0
	for c := s.cursor(); c.next(); n++ {
	}
	all := s.Context.CopyInto(make([]Dot, 0, len(s.Context.Seen)+n+1))
	for c := s.cursor(); c.next(); {
		all.Add(c.Dot)
	}
	return all
}

// Heard is everything that is, or was, part of s, at most so many actors of it: what a client has seen who was shown s.
func (s *Set) Heard(actors int) Context {
	c := s.heard()
	c.Cap(actors)
	return c
}

// Base is the version of lww in s, zero where there is none: what has a lesser dot counts no more.
func (s *Set) Base() Dot {
	for c := s.cursor(); c.next(); {
		if !c.Sibling && !c.Sum {
			return c.Dot
		}
	}
	return Dot{}
}

func baseOf(versions []Version) Dot {
	for i := range versions {
		if v := &versions[i]; !v.Sibling && !v.Sum {
			return v.Dot
		}
	}
	return Dot{}
}

// Covers is the stamp at or below which nothing was forgotten that would still count beside s: an owner whose floor that
// reaches can vote for it.
func (s *Set) Covers() Stamp { return s.covers().Stamp }

// covers is the dot up to which everything is known, which only grows: the deadline belongs to it. A floor counts all of its
// stamp as seen, whoever made it.
func (s *Set) covers() Dot {
	base, floor := s.Base(), Dot{Actor: Actor{Node: math.MaxUint64, Boot: math.MaxUint64}, Stamp: s.Context.Floor}
	if base.Compare(floor) < 0 {
		return floor
	}
	return base
}

// Conflicting reports whether there are siblings that a reader has to choose from.
func (s *Set) Conflicting() bool {
	n := 0
	for c := s.cursor(); c.next(); {
		if c.Sibling && !c.Tombstone {
			n++
		}
	}
	return n > 1
}

// Alive reports whether s has that very version.
func (s *Set) Alive(d Dot) bool {
	for c := s.cursor(); c.next(); {
		if c.Dot == d {
			return true
		}
	}
	return false
}

// Replaced reports whether s has heard of that very version, and no longer has it. A floor does not tell: what lies below one
// may be forgotten, or never heard of.
func (s *Set) Replaced(d Dot) bool {
	heard := s.heard()
	i, ok := heard.find(d.Actor)
	return ok && heard.Seen[i].Stamp >= d.Stamp && !s.Alive(d)
}

func find(versions []Version, d Dot) *Version {
	i, ok := slices.BinarySearchFunc(versions, d, func(v Version, d Dot) int { return d.Compare(v.Dot) })
	if !ok {
		return nil
	}
	return &versions[i]
}

// join is Merge where a or b is packed.
func join(a, b *Set) (Set, Order) {
	heardA, heardB := a.heard(), b.heard()
	order := stand(&heardA, &heardB)
	ofA, ofB := a.Versions(), b.Versions()
	alive := make([]Version, 0, len(ofA)+len(ofB))
	for i := range ofA {
		v := &ofA[i]
		if other := find(ofB, v.Dot); other != nil {
			if v.differs(other) {
				order = Forked
			}
			alive = append(alive, v.greater(other))
		} else if !heardB.Contains(v.Dot) {
			alive = append(alive, *v)
		}
	}
	for i := range ofB {
		if v := &ofB[i]; !heardA.Contains(v.Dot) {
			alive = append(alive, *v)
		}
	}
	deadline := a.Deadline
	if c := a.covers().Compare(b.covers()); c < 0 || c == 0 && b.Deadline.Compare(a.Deadline) > 0 {
		deadline = b.Deadline
	}
	m := assemble(alive, Join(&heardA, &heardB), deadline)
	for _, side := range [...]*Set{a, b} { // what changes nothing is told by its very memory, as under lww
		if m.Same(side) {
			return *side, order
		}
	}
	return m, order
}

func stand(a, b *Context) Order {
	switch above, below := a.Covers(b), b.Covers(a); {
	case above && below:
		return Equal
	case above:
		return Newer
	case below:
		return Older
	default:
		return Concurrent
	}
}

// Same reports whether s and o are equal to the last byte.
func (s *Set) Same(o *Set) bool {
	return s.Dot == o.Dot && s.Packed == o.Packed && s.Tombstone == o.Tombstone && s.Deadline == o.Deadline &&
		bytes.Equal(s.Value, o.Value) && s.Context.Equal(&o.Context)
}

// assemble makes the set of the versions that are alive and not outdone by the base; heard has the dots of them all. The
// greatest dot that anybody has heard of is always among them, since who saw it stamps above it: a set's dot only grows.
func assemble(alive []Version, heard Context, deadline Deadline) Set {
	slices.SortFunc(alive, func(a, b Version) int { return b.Dot.Compare(a.Dot) })
	base := baseOf(alive)
	kept := alive[:0]
	for i := range alive {
		if v := alive[i]; v.Sibling || v.Dot.Compare(base) >= 0 {
			kept = append(kept, v)
		}
	}
	if len(kept) == 0 {
		return Set{Context: heard}
	}
	head := &kept[0]
	if len(kept) == 1 && head.Dot == base {
		m := Set{Dot: base, Context: heard, Tombstone: head.Tombstone, Value: head.Value, Deadline: deadline}
		m.Context.without(base)
		return m
	}
	m := Set{Dot: head.Dot, Context: heard, Packed: true, Tombstone: true, Deadline: deadline}
	n := 0
	for i := range kept {
		n += 1 + dotBytes + dotBytes + 8 + len(kept[i].Value)
	}
	m.Value = make([]byte, 0, n)
	for i := range kept {
		v := &kept[i]
		m.Value = v.append(m.Value, i == 0)
		m.Context.repeats(v.Dot)
		if v.counts(base) || !v.Sum && !v.Tombstone {
			m.Tombstone = false
		}
	}
	return m
}

// repeats drops d itself, which a version says already.
func (c *Context) repeats(d Dot) {
	if i, ok := c.find(d.Actor); ok && c.Seen[i].Stamp == d.Stamp {
		c.Seen = slices.Delete(c.Seen, i, i+1)
	}
}

func (v *Version) differs(o *Version) bool {
	return !bytes.Equal(v.append(nil, false), o.append(nil, false))
}

// greater is the one of two versions of one dot that all replicas keep, were they to differ.
func (v *Version) greater(o *Version) Version {
	if bytes.Compare(v.append(nil, false), o.append(nil, false)) < 0 {
		return *o
	}
	return *v
}

// Supersede is the set after the sibling v, by somebody who had seen all that seen contains: the others stay beside it.
// With keep above 0 at most so many are left; the oldest give way, and dropped says how many. V's dot must be greater
// than all that s or seen contains. The key's deadline is the new one, at, or none.
func (s *Set) Supersede(v Version, seen *Context, keep int, at int64) (m Set, dropped int) {
	v.Sibling = true
	alive := []Version{v}
	for _, x := range s.Versions() {
		switch {
		case seen.Contains(x.Dot):
		case keep > 0 && len(alive) >= keep:
			dropped++
		default:
			alive = append(alive, x)
		}
	}
	heard := s.heard()
	heard = Join(&heard, seen)
	heard.Add(v.Dot)
	return assemble(alive, heard, Deadline{At: at, Stamp: v.Dot.Stamp}), dropped
}

// Greatest is the latest stamp that s has heard of.
func (s *Set) Greatest() Stamp { return max(s.Dot.Stamp, s.Context.Greatest()) }

// Without is s as if that version had been superseded.
func (s *Set) Without(d Dot) Set {
	alive := slices.DeleteFunc(s.Versions(), func(v Version) bool { return v.Dot == d })
	return assemble(alive, s.heard(), s.Deadline)
}

// Forget is s without all that lies at or below floor: who knows no more of a key than that everything of then may be
// forgotten begins anew with it.
func (s *Set) Forget(floor Stamp) Set {
	alive := slices.DeleteFunc(s.Versions(), func(v Version) bool { return v.Dot.Stamp <= floor })
	heard := s.heard()
	heard.Raise(floor)
	return assemble(alive, heard, s.Deadline)
}
