package wire

import "github.com/shoalcache/shoal/vclock"

// The bytes of a vclock.Set are nil for the zero Set, or one array. The dots of its context lie flat, three numbers
// each: an array for every dot would cost a byte and a call.
//
//	node, boot, stamp    numbers, 64 bits: the dot; the stamp is not 0
//	floor                number, 64 bits: the context's floor
//	seen                 array of node, boot, stamp, node, boot, stamp, …; by (node, boot), each once, above the floor
//	flags                bit 0: tombstone; bit 1: packed, the value is several versions as vclock packs them
//	value                bin or nil
//	deadline_at          number, milliseconds since 1970; 0: never
//	deadline_stamp       number, 64 bits
const (
	setFields = 9
	dotWidth  = 3

	versionsMax = 1024 // packed in one set: a counter has one of each node that ever added to it
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
	dst = append(dst, fixArray|setFields)
	dst = appendDot(dst, s.Dot)
	dst = appendUint(dst, uint64(s.Context.Floor))
	dst = appendArray(dst, len(s.Context.Seen)*dotWidth)
	for _, d := range s.Context.Seen {
		dst = appendDot(dst, d)
	}
	dst = appendUint(dst, bit(s.Tombstone, 0)|bit(s.Packed, 1))
	dst = appendBytes(dst, s.Value)
	return appendDeadline(dst, s.Deadline)
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

// set reads into s, which is zero but for the memory of s.Context.Seen, to be used again. Contexts that are not in canonical form are refused:
// searching them would find some of their dots and not others, and replicas would differ for ever.
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
	flags := r.small(3)
	s.Tombstone, s.Packed = flags&1 != 0, flags&2 != 0
	at, most := r.pos, l.Value
	if s.Packed {
		most = l.Frame // each of them is within the limit
	}
	s.Value = r.bytes("value", most)
	s.Deadline = r.deadline()
	if r.err == nil && s.Packed && !s.Sound(versionsMax) {
		r.pos = at
		r.fail("versions that nobody packed")
	}
	r.skip(extra)
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
