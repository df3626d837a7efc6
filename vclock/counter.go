package vclock

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"strconv"
)

// This file is the counter, a set of versions of which each node has at most one that counts: the sum of what it has added
// (a PN-counter, Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated Data Types", 2011, with one
// signed entry a node). An entry is named by its node alone, boot 0: a node's stamps grow through its boots, so that its last
// entry supersedes all earlier ones, those too that were never acknowledged and turn up late. A value that somebody set is what they add to; a set or a delete supersedes the sums it had seen,
// and what was added elsewhere meanwhile stays.

// What is wrong with an addition; nothing changes by it.
var (
	ErrNotNumber = errors.New("vclock: the value is not an integer of 64 bits")
	ErrRange     = errors.New("vclock: the sum is not within 64 bits")
)

// sumBytes is the length of a sum.
const sumBytes = 8

// sum is what a counting version has added; 0 for bytes that no writer made.
func (v *Version) sum() int64 {
	if len(v.Value) != sumBytes {
		return 0
	}
	return int64(binary.BigEndian.Uint64(v.Value))
}

// Total is what the counter stands at; false where there is none: nothing is known, or it was deleted.
func (s *Set) Total() (n int64, ok bool, err error) {
	var high, low uint64 // a sum of 128 bits: that of all may fit where that of some does not
	add := func(x int64) {
		var carry uint64
		low, carry = bits.Add64(low, uint64(x), 0)
		high += uint64(x>>63) + carry
	}
	based := false
	s.Versions(func(v *Version) bool {
		switch {
		case v.Tombstone:
		case v.Count:
			ok = true
			add(v.sum())
		case !based: // of several values set at once the latest counts
			ok, based = true, true
			var x int64
			if x, err = ParseNumber(v.Value); err != nil {
				return false
			}
			add(x)
		}
		return true
	})
	if err != nil || !ok {
		return 0, ok, err
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
// what its node has added before, and acknowledged: by its own memory, or from as many others as a read takes.
func (s *Set) Add(node uint64, stamp Stamp, by int64) (Set, error) {
	total, _, err := s.Total()
	if err != nil {
		return Set{}, err
	}
	if _, ok := plus(total, by); !ok {
		return Set{}, ErrRange
	}
	dot := Dot{Actor: Actor{Node: node}, Stamp: stamp}
	var mine int64
	alive := make([]Version, 1, 2+len(s.Siblings))
	based := false
	s.Versions(func(v *Version) bool {
		switch {
		case v.Tombstone: // counting begins anew
		case v.Count && v.Dot.Actor == dot.Actor:
			mine = v.sum()
		case v.Count || !based:
			based = based || !v.Count
			alive = append(alive, *v)
		}
		return true
	})
	mine, ok := plus(mine, by)
	if !ok {
		return Set{}, ErrRange
	}
	alive[0] = Version{Dot: dot, Count: true, Value: binary.BigEndian.AppendUint64(make([]byte, 0, sumBytes), uint64(mine))}
	heard := s.heard()
	heard.Add(dot)
	m := assemble(alive, heard)
	m.Deadline = s.Deadline
	return m, nil
}

// plus is a+b, and whether it is.
func plus(a, b int64) (int64, bool) {
	if b > 0 && a > math.MaxInt64-b || b < 0 && a < math.MinInt64-b {
		return 0, false
	}
	return a + b, true
}
