package wire

import "github.com/shoalcache/shoal/vclock"

// The bytes of a vclock.Set are nil for the zero Set, or one array. The dots of its context lie flat, three numbers
// each: an array for every dot would cost a byte and a call.
//
//	node, boot, stamp    numbers, 64 bits: the dot; the stamp is not 0
//	floor                number, 64 bits: the context's floor
//	seen                 array of node, boot, stamp, node, boot, stamp, …; by (node, boot), each once, above the floor
//	flags                bit 0: tombstone; bit 1: a sum of a counter
//	value                bin or nil
//	deadline_at          number, milliseconds since 1970; 0: never
//	deadline_stamp       number, 64 bits
//	siblings             array of node, boot, stamp, flags, value, node, …; each less than the one before. Left out where there are none
const (
	setFields    = 9
	dotWidth     = 3
	siblingWidth = 5
)

func appendDot(dst []byte, d vclock.Dot) []byte {
	dst = appendUint(dst, d.Actor.Node)
	dst = appendUint(dst, d.Actor.Boot)
	return appendUint(dst, uint64(d.Stamp))
}

func appendSet(dst []byte, s *vclock.Set) []byte {
	if s.IsZero() {
		return append(dst, codeNil)
	}
	fields := byte(setFields)
	if len(s.Siblings) > 0 {
		fields++
	}
	dst = append(dst, fixArray|fields)
	dst = appendDot(dst, s.Dot)
	dst = appendUint(dst, uint64(s.Context.Floor))
	dst = appendArray(dst, len(s.Context.Seen)*dotWidth)
	for _, d := range s.Context.Seen {
		dst = appendDot(dst, d)
	}
	dst = appendUint(dst, bit(s.Tombstone, 0)|bit(s.Count, 1))
	dst = appendBytes(dst, s.Value)
	dst = appendDeadline(dst, s.Deadline)
	if len(s.Siblings) == 0 {
		return dst
	}
	dst = appendArray(dst, len(s.Siblings)*siblingWidth)
	for i := range s.Siblings {
		v := &s.Siblings[i]
		dst = appendDot(dst, v.Dot)
		dst = appendUint(dst, bit(v.Tombstone, 0)|bit(v.Count, 1))
		dst = appendBytes(dst, v.Value)
	}
	return dst
}

func appendDeadline(dst []byte, d vclock.Deadline) []byte {
	dst = appendInt(dst, d.At)
	return appendUint(dst, uint64(d.Stamp))
}

func (r *reader) dot() (d vclock.Dot) {
	d.Actor.Node = r.uint()
	d.Actor.Boot = r.uint()
	d.Stamp = vclock.Stamp(r.uint())
	return d
}

// set reads into s, which is zero but for the memory of s.Context.Seen and s.Siblings, to be used again. What is not in canonical
// form is refused: searching it would find some dots and not others, and replicas would differ for ever.
func (r *reader) set(s *vclock.Set, l *Limits) {
	if r.null() {
		return
	}
	extra := r.fields(setFields)
	s.Dot = r.dot()
	if s.Dot.IsZero() {
		r.fail("a version without a stamp")
	}
	s.Context.Floor = vclock.Stamp(r.uint())
	s.Context.Seen = r.seen(s.Context.Seen, s.Context.Floor, l.Actors)
	s.Tombstone, s.Count = r.kind()
	s.Value = r.bytes("value", l.Value)
	s.Deadline = r.deadline()
	if extra > 0 {
		s.Siblings = r.siblings(s.Siblings, s.Dot, l)
		extra--
	}
	r.skip(extra)
}

// kind is what a version is beside a value.
func (r *reader) kind() (tombstone, count bool) {
	flags := r.small(3)
	return flags&1 != 0, flags&2 != 0
}

func (r *reader) siblings(dst []vclock.Version, least vclock.Dot, l *Limits) []vclock.Version {
	n := r.array()
	if n%siblingWidth != 0 {
		r.fail("siblings that are not made of versions")
		return dst
	}
	if n /= siblingWidth; n > l.Siblings {
		r.limit("siblings", n, l.Siblings)
		return dst
	}
	for range n {
		v := vclock.Version{Dot: r.dot()}
		v.Tombstone, v.Count = r.kind()
		v.Value = r.bytes("value", l.Value)
		if r.err != nil {
			return dst
		}
		if v.Dot.IsZero() || v.Dot.Compare(least) >= 0 {
			r.fail("siblings without a stamp or out of order")
			return dst
		}
		least = v.Dot
		dst = append(dst, v)
	}
	return dst
}

// version reads a set that must not be zero.
func (r *reader) version(s *vclock.Set, l *Limits) {
	if r.set(s, l); s.IsZero() {
		r.fail("no version where one belongs")
	}
}

func (r *reader) seen(dst []vclock.Dot, floor vclock.Stamp, most int) []vclock.Dot {
	n := r.array()
	if n == 0 {
		return dst
	}
	if n%dotWidth != 0 {
		r.fail("a context that is not made of dots")
		return dst
	}
	if n /= dotWidth; n > most {
		r.limit("actors in a context", n, most)
		return dst
	}
	for i := range n {
		d := r.dot()
		if r.err != nil {
			return dst
		}
		if d.Stamp <= floor || i > 0 && dst[i-1].Actor.Compare(d.Actor) >= 0 {
			r.fail("a context out of order or below its floor")
			return dst
		}
		dst = append(dst, d)
	}
	return dst
}

func (r *reader) deadline() (d vclock.Deadline) {
	at := r.pos
	d.At = r.int()
	if d.At < 0 {
		r.pos = at
		r.fail("a deadline before 1970")
	}
	d.Stamp = vclock.Stamp(r.uint())
	return d
}
