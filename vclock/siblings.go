package vclock

import (
	"bytes"
	"slices"
)

// This file is the modes that keep concurrent versions: a Set is then a causal store of versions with one context for
// all, a dotted version vector set (Preguiça et al., "Dotted Version Vectors", 2012) or, seen otherwise, an observed-remove
// set (Almeida, Shoker, Baquero, "Delta State Replicated Data Types", 2018, §7.2). A version is alive in a merge where both
// sides have it, or one has it and the other never heard of it; what the other has heard of and has not is superseded.
//
// A context says "everything of this actor up to here", so that it must be true: who stamps a version sends all that is
// alive with it, and has to know every earlier version that its actor stamped of the key, or to act as another actor.

// heard is the context with the dots of all versions: everything that is, or was, part of s.
func (s *Set) heard() Context {
	c := s.Context.CopyInto(make([]Dot, 0, len(s.Context.Seen)+1+len(s.Siblings)))
	if !s.IsZero() {
		c.Add(s.Dot)
	}
	for i := range s.Siblings {
		c.Add(s.Siblings[i].Dot)
	}
	return c
}

// Versions calls yield with each version that is alive, the greatest dot first, until it returns false.
func (s *Set) Versions(yield func(*Version) bool) {
	if s.IsZero() || !yield(&Version{Dot: s.Dot, Tombstone: s.Tombstone, Count: s.Count, Value: s.Value}) {
		return
	}
	for i := range s.Siblings {
		if !yield(&s.Siblings[i]) {
			return
		}
	}
}

// alive finds the version of that name.
func (s *Set) alive(d Dot) (v Version, ok bool) {
	s.Versions(func(x *Version) bool {
		if ok = x.Dot == d; ok {
			v = *x
		}
		return !ok
	})
	return v, ok
}

// MergeSiblings returns all that a and b know together, where concurrent versions are kept. It is commutative, associative
// and idempotent over sets that stem from writes. The deadline is one register for the key: the later wins. The order is
// a's to b's: Concurrent where each has heard of something that the other has not. The result may share memory with both.
func MergeSiblings(a, b *Set) (Set, Order) {
	switch {
	case a.IsZero():
		return *b, a.orderOfZero(b)
	case b.IsZero():
		return *a, Newer
	}
	heardA, heardB := a.heard(), b.heard()
	order := Forked
	switch above, below := heardA.Covers(&heardB), heardB.Covers(&heardA); {
	case above && below:
		order = Equal
	case above:
		order = Newer
	case below:
		order = Older
	default:
		order = Concurrent
	}
	alive := make([]Version, 0, 2+len(a.Siblings)+len(b.Siblings))
	a.Versions(func(v *Version) bool {
		if other, both := b.alive(v.Dot); both {
			if v.differs(&other) {
				order = Forked
			}
			alive = append(alive, v.greater(&other))
		} else if !heardB.Contains(v.Dot) {
			alive = append(alive, *v)
		}
		return true
	})
	b.Versions(func(v *Version) bool {
		if !heardA.Contains(v.Dot) {
			alive = append(alive, *v)
		}
		return true
	})
	m := assemble(alive, Join(&heardA, &heardB))
	if m.Deadline = a.Deadline; b.Deadline.Compare(a.Deadline) > 0 {
		m.Deadline = b.Deadline
	}
	return m, order
}

func (s *Set) orderOfZero(o *Set) Order {
	if o.IsZero() {
		return Equal
	}
	return Older
}

// assemble makes the set of the versions that are alive, whose dots heard has all. There is always one: the greatest
// dot that anybody has heard of cannot be superseded, since who saw it stamps above it. Only bytes that no writer made
// can say otherwise; of those nothing is left.
func assemble(alive []Version, heard Context) Set {
	if len(alive) == 0 {
		return Set{}
	}
	slices.SortFunc(alive, func(a, b Version) int { return b.Dot.Compare(a.Dot) })
	head := &alive[0]
	m := Set{Dot: head.Dot, Tombstone: head.Tombstone, Count: head.Count, Value: head.Value, Context: heard}
	if len(alive) > 1 {
		m.Siblings = alive[1:]
	}
	for i := range alive {
		m.Context.repeats(alive[i].Dot)
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
	return v.Tombstone != o.Tombstone || v.Count != o.Count || !bytes.Equal(v.Value, o.Value)
}

// greater is the one of two versions of one dot that all replicas keep, were they to differ.
func (v *Version) greater(o *Version) Version {
	switch {
	case v.Tombstone != o.Tombstone:
		if v.Tombstone {
			return *v
		}
	case v.Count != o.Count:
		if v.Count {
			return *v
		}
	case bytes.Compare(v.Value, o.Value) >= 0:
		return *v
	}
	return *o
}

// Supersede is the set after the write v, by somebody who had seen all that seen contains: the others stay beside it.
// With keep above 0 at most so many are left; the oldest give way, and dropped says how many. V's dot must be greater
// than all that s or seen contains.
func (s *Set) Supersede(v Version, seen *Context, keep int) (m Set, dropped int) {
	alive := []Version{v}
	s.Versions(func(x *Version) bool {
		switch {
		case seen.Contains(x.Dot):
		case keep > 0 && len(alive) >= keep:
			dropped++
		default:
			alive = append(alive, *x)
		}
		return true
	})
	heard := s.heard()
	heard = Join(&heard, seen)
	heard.Add(v.Dot)
	m = assemble(alive, heard)
	m.Deadline = s.Deadline
	return m, dropped
}

// Heard is everything that is, or was, part of s, at most so many actors of it: what a client has seen who was shown s.
func (s *Set) Heard(actors int) Context {
	c := s.heard()
	c.Cap(actors)
	return c
}

// Forget is s without all that lies at or below floor: who knows no more of a key than that everything of then may be
// forgotten begins anew with it.
func (s *Set) Forget(floor Stamp) Set {
	alive := make([]Version, 0, 1+len(s.Siblings))
	s.Versions(func(v *Version) bool {
		if v.Dot.Stamp > floor {
			alive = append(alive, *v)
		}
		return true
	})
	heard := s.heard()
	heard.Raise(floor)
	if len(alive) == 0 {
		return Set{Context: heard}
	}
	m := assemble(alive, heard)
	m.Deadline = s.Deadline
	return m
}
