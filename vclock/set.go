package vclock

import (
	"bytes"
	"cmp"
)

// Deadline is a key's expiry, a register of its own: EXPIRE and PERSIST write it without stamping the
// value again. Of two registers for one dot the greater stamp wins.
type Deadline struct {
	At    int64 // milliseconds since 1970, never negative; 0 means never
	Stamp Stamp // when the register was written; 0 in a value that never had one
}

// Passed reports whether the deadline lies at or before wall, in milliseconds since 1970.
func (d Deadline) Passed(wall int64) bool { return d.At != 0 && d.At <= wall }

// Compare orders registers by stamp, ties by the later deadline; never (0) is the latest of all.
func (d Deadline) Compare(o Deadline) int {
	if c := cmp.Compare(d.Stamp, o.Stamp); c != 0 {
		return c
	}
	return cmp.Compare(uint64(d.At-1), uint64(o.At-1))
}

// Set is what one replica knows of one key: under lww a single version, a value or a tombstone, and what
// its writer had seen; siblings and counters are several versions, Packed. The zero Set knows nothing. Value and
// Context.Seen belong to whoever made the Set.
type Set struct {
	Dot       Dot     // of the version, or the greatest of several
	Context   Context // seen by the writers; does not repeat Dot, nor what is packed
	Tombstone bool    // there is nothing for a reader
	Packed    bool    // Value is several versions: see Versions
	Value     []byte
	Deadline  Deadline // of several versions: a register for all, tied to what they cover
}

// Order is how two sets of one key stand to each other.
type Order int8

// The first four are causal; Forked means one dot with two contents, which only a broken node can make.
const (
	Equal Order = iota
	Newer
	Older
	Concurrent
	Forked
)

var orderNames = [...]string{"equal", "newer", "older", "concurrent", "forked"}

// String names the order.
func (o Order) String() string { return orderNames[o] }

// IsZero reports whether nothing is known.
func (s *Set) IsZero() bool { return s.Dot.IsZero() }

// Saw reports whether the write d is this version or was seen by its writer.
func (s *Set) Saw(d Dot) bool {
	return s.Dot.Actor == d.Actor && s.Dot.Stamp >= d.Stamp || s.Context.Contains(d)
}

// Compare tells whether s is newer than o by causality. Deadlines do not enter: see Deadline.Compare.
func (s *Set) Compare(o *Set) Order {
	if s.Packed || o.Packed {
		a, b := s.heard(), o.heard()
		return stand(&a, &b)
	}
	if s.Dot == o.Dot {
		if s.Tombstone != o.Tombstone || !bytes.Equal(s.Value, o.Value) {
			return Forked
		}
		return Equal
	}
	switch a, b := o.IsZero() || s.Saw(o.Dot), s.IsZero() || o.Saw(s.Dot); {
	case a && !b:
		return Newer
	case b && !a:
		return Older
	default: // both having seen the other cannot come from clocks that only grow; the stamps decide
		return Concurrent
	}
}

// Merge returns all that a and b know together, under lww: the greater dot's value, with everything
// either had seen; of equal dots the later deadline, and were their bytes to differ, the greater bytes. What is packed
// is joined (siblings.go). It is commutative, associative and idempotent over what one mode writes. The order is a's to
// b's. The result may share memory with a and b; under lww it allocates only where neither had seen all that both had.
func Merge(a, b *Set) (Set, Order) {
	if (a.Packed || b.Packed) && !a.IsZero() && !b.IsZero() {
		return join(a, b)
	}
	order := a.Compare(b)
	win, lose := a, b
	if c := a.Dot.Compare(b.Dot); c < 0 || c == 0 && contentLess(a, b) {
		win, lose = b, a
	}
	m := *win
	if win.Dot == lose.Dot && lose.Deadline.Compare(win.Deadline) > 0 {
		m.Deadline = lose.Deadline
	}
	switch {
	case covers(win, lose): // the winner's context can stand
	case win.Dot == lose.Dot && covers(lose, win): // a side of a conflict meets the conflict settled
		m.Context = lose.Context
	default:
		m.Context = Join(&win.Context, &lose.Context)
		if !lose.IsZero() {
			m.Context.Add(lose.Dot)
		}
		m.Context.without(m.Dot)
	}
	return m, order
}

// covers reports whether win has seen lose and all that lose had seen, so that its context can stand.
func covers(win, lose *Set) bool {
	if lose.Context.Floor > win.Context.Floor || !lose.IsZero() && !win.Saw(lose.Dot) {
		return false
	}
	for _, d := range lose.Context.Seen {
		if !win.Saw(d) {
			return false
		}
	}
	return true
}

func contentLess(a, b *Set) bool {
	if a.Tombstone != b.Tombstone {
		return b.Tombstone
	}
	return bytes.Compare(a.Value, b.Value) < 0
}

// Succeed is the context of a new write by me that has seen known and every stamp up to above: built in
// dst[:0], capped at most actors. The new write's dot must carry a stamp greater than both.
func Succeed(dst []Dot, known *Set, me Actor, above Stamp, most int) Context {
	c := known.Context.CopyInto(dst)
	if !known.IsZero() && known.Dot.Actor != me {
		c.Add(known.Dot)
	}
	if i, ok := c.find(me); ok { // the new dot implies its author's older ones
		c.Seen = append(c.Seen[:i], c.Seen[i+1:]...)
	}
	c.Raise(above)
	c.Cap(most)
	return c
}
