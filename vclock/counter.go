package vclock

import (
	"errors"
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// This file is the counter: a base, which is what somebody has set or deleted, and of each node the sum of what it has added
// to that base since (a PN-counter, Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated Data
// Types", 2011, with one signed entry a node). A sum is named by its node alone, boot 0: a node's stamps grow through its
// boots, so that its last sum supersedes all earlier ones, those too that were never acknowledged and turn up late. One that
// was added to another base than the set has counts for nothing: the two were written at once, and the base stands.

// What is wrong with an addition; nothing changes by it.
var (
	ErrNotNumber = errors.New("vclock: the value is not an integer of 64 bits")
	ErrRange     = errors.New("vclock: the sum is not within 64 bits")
)

// counts reports whether v is a sum of what was added to base.
func (v *Version) counts(base Dot) bool { return v.Sum && v.Base == base }

// Reading is what one who asks for a single value is told: the sum of a counter, as decimal digits, or the latest value.
func (s *Set) Reading() (value []byte, ok bool) {
	if s.IsZero() || s.Tombstone {
		return nil, false
	}
	if !s.Packed {
		return s.Value, true
	}
	base := s.Base()
	for c := s.cursor(); c.next(); {
		if !c.counts(base) {
			continue
		}
		if n, _, err := s.Total(); err == nil {
			return strconv.AppendInt(nil, n, 10), true
		}
		break
	}
	for c := s.cursor(); c.next(); {
		if !c.Sum && !c.Tombstone {
			return c.Value, true
		}
	}
	return nil, false
}

// Total is what the counter stands at; false where there is none: nothing is known, or it was deleted. Of several siblings
// the latest is what was added to.
func (s *Set) Total() (n int64, ok bool, err error) {
	var high, low uint64 // a sum of 128 bits: that of all may fit where that of some does not
	add := func(x int64) {
		var carry uint64
		low, carry = bits.Add64(low, uint64(x), 0)
		high += uint64(x>>63) + carry
	}
	base, based := s.Base(), false
	for c := s.cursor(); c.next(); {
		switch {
		case c.counts(base):
			ok = true
			add(c.Added)
		case !c.Sum && !based:
			if based = true; c.Tombstone {
				continue
			}
			x, err := ParseNumber(c.Value)
			if err != nil {
				return 0, true, err
			}
			ok = true
			add(x)
		}
	}
	if !ok {
		return 0, false, nil
	}
	if n = int64(low); high != uint64(n>>63) {
		return 0, true, ErrRange
	}
	return n, true, nil
}

// ParseNumber reads a counter from a value: decimal digits, without a plus or leading zeros, as Redis has it.
func ParseNumber(value []byte) (int64, error) {
	const longest = 20 // of an int64
	if len(value) > longest {
		return 0, ErrNotNumber
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != string(value) {
		return 0, ErrNotNumber
	}
	return n, nil
}

// Add is the set after node has added by at stamp, which must be greater than all that s has heard of. Who adds has to know
// what its node has added before, and acknowledged: by its own memory, or from as many others as a read takes. A counter
// that begins has the deadline at, or none; one that is there keeps its own.
func (s *Set) Add(node uint64, stamp Stamp, by, at int64) (Set, error) {
	total, there, err := s.Total()
	if err != nil {
		return Set{}, err
	}
	if _, err := Plus(total, by); err != nil {
		return Set{}, err
	}
	versions := s.Versions()
	mine := Version{Dot: Dot{Actor: Actor{Node: node}, Stamp: stamp}, Sum: true, Base: baseOf(versions), Added: by}
	versions = slices.DeleteFunc(versions, func(v Version) bool {
		if v.Dot.Actor != mine.Dot.Actor {
			return false
		}
		if v.Base == mine.Base && err == nil {
			mine.Added, err = Plus(v.Added, by)
		}
		return true
	})
	if err != nil {
		return Set{}, err
	}
	heard := s.heard()
	if !mine.Base.IsZero() && !slices.ContainsFunc(versions, func(v Version) bool { return v.Sibling }) {
		heard.Raise(mine.Base.Stamp - 1) // all that lies below is outdone by the base, heard of or not
	}
	heard.Add(mine.Dot)
	deadline := s.Deadline
	if !there {
		deadline = Deadline{At: at, Stamp: stamp}
	}
	return assemble(append(versions, mine), heard, deadline), nil
}

// Added reports whether the sum d, or a later one of its node, still counts towards base.
func (s *Set) Added(d, base Dot) bool {
	if s.Base() != base {
		return false
	}
	for c := s.cursor(); c.next(); {
		if c.counts(base) && c.Dot.Actor == d.Actor && c.Dot.Stamp >= d.Stamp {
			return true
		}
	}
	return false
}

// Plus is a+b, or ErrRange.
func Plus(a, b int64) (int64, error) {
	if b > 0 && a > math.MaxInt64-b || b < 0 && a < math.MinInt64-b {
		return 0, ErrRange
	}
	return a + b, nil
}
