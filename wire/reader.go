package wire

import (
	"encoding/binary"
	"math"
)

const (
	extraMax  = 16 // fields that a newer peer may have added to an array we know
	skipDepth = 8  // how deep the values in them may nest
)

// reader walks the MessagePack of one frame. It takes every width the format allows for a number and
// either of bin and str for bytes, since encoders in other languages choose differently. The first failure
// sticks: what follows yields zero values, and err is read once at the end. It allocates only for an error
// and for strings; bytes alias the frame.
type reader struct {
	b   []byte // the frame; nil after a failure, so that no fast path is taken any more
	pos int
	err error
}

// fail records what is wrong at the present position, unless something was before.
func (r *reader) fail(what string) {
	if r.err == nil {
		r.stop(&FormatError{What: what, Offset: r.pos})
	}
}

func (r *reader) stop(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b, r.pos = nil, 0
}

// limit records that something is larger than allowed.
func (r *reader) limit(what string, got, most int) {
	r.stop(&LimitError{What: what, Got: uint64(got), Max: uint64(max(most, 0))})
}

// uint reads a number that is not negative. Here as below the shortest forms, which almost all numbers
// have, and the 64 bits of stamps and node ids are taken in line.
func (r *reader) uint() uint64 {
	if p := r.pos; p < len(r.b) {
		if c := r.b[p]; c < fixInt {
			r.pos = p + 1
			return uint64(c)
		} else if c == codeUint64 && len(r.b)-p > 8 {
			r.pos = p + 9
			return binary.BigEndian.Uint64(r.b[p+1:])
		}
	}
	at := r.pos
	v, negative := r.number()
	if negative {
		r.pos = at
		r.fail("a number below 0")
		return 0
	}
	return v
}

// int reads a signed number.
func (r *reader) int() int64 {
	if p := r.pos; p < len(r.b) && r.b[p] < fixInt {
		r.pos = p + 1
		return int64(r.b[p])
	}
	at := r.pos
	v, negative := r.number()
	if !negative && v > math.MaxInt64 {
		r.pos = at
		r.fail("a number above 63 bits")
		return 0
	}
	return int64(v)
}

// small reads a number up to most.
func (r *reader) small(most uint64) uint64 {
	if p := r.pos; p < len(r.b) && r.b[p] < fixInt && uint64(r.b[p]) <= most {
		r.pos = p + 1
		return uint64(r.b[p])
	}
	at := r.pos
	v := r.uint()
	if v > most {
		r.pos = at
		r.fail("a number too large for its field")
		return 0
	}
	return v
}

func (r *reader) uint8() uint8   { return uint8(r.small(math.MaxUint8)) }
func (r *reader) uint32() uint32 { return uint32(r.small(math.MaxUint32)) }

// number reads an integer of any width but the shortest, which its callers have taken in line; a negative
// one comes as its two's complement.
func (r *reader) number() (v uint64, negative bool) {
	c, ok := r.code()
	if !ok {
		return 0, false
	}
	var signed int64
	switch {
	case c >= fixNeg:
		return uint64(int64(int8(c))), true
	case c == codeUint8:
		return r.big(1), false
	case c == codeUint16:
		return r.big(2), false
	case c == codeUint32:
		return r.big(4), false
	case c == codeUint64:
		return r.big(8), false
	case c == codeInt8:
		signed = int64(int8(r.big(1)))
	case c == codeInt16:
		signed = int64(int16(r.big(2)))
	case c == codeInt32:
		signed = int64(int32(r.big(4)))
	case c == codeInt64:
		signed = int64(r.big(8))
	default:
		r.pos--
		r.fail("no number where one belongs")
		return 0, false
	}
	return uint64(signed), signed < 0
}

// code takes the first byte of a value.
func (r *reader) code() (byte, bool) {
	if r.pos >= len(r.b) {
		r.fail("it ends too early")
		return 0, false
	}
	r.pos++
	return r.b[r.pos-1], true
}

// big takes n bytes as one big-endian number; n is 1, 2, 4 or 8.
func (r *reader) big(n int) uint64 {
	if len(r.b)-r.pos < n {
		r.fail("it ends too early")
		return 0
	}
	b := r.b[r.pos:]
	r.pos += n
	switch n {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	default:
		return binary.BigEndian.Uint64(b)
	}
}

// bytes reads at most most bytes, named what in a *LimitError. nil reads as nil. The slice aliases the frame
// and ends where it ends, so that appending to it copies.
func (r *reader) bytes(what string, most int) []byte {
	n := 0
	if len(r.b)-r.pos > 1 && r.b[r.pos] == codeBin8 {
		n = int(r.b[r.pos+1])
		r.pos += 2
	} else {
		var ok bool
		if n, ok = r.length(); !ok {
			return nil
		}
	}
	switch {
	case n > len(r.b)-r.pos:
		r.fail("it ends too early")
		return nil
	case n > most:
		r.limit(what, n, most)
		return nil
	}
	at := r.pos
	r.pos += n
	return r.b[at:r.pos:r.pos]
}

// string reads at most most bytes and copies them.
func (r *reader) string(what string, most int) string { return string(r.bytes(what, most)) }

// length reads the head of a bin or str; false for nil and for failures.
func (r *reader) length() (int, bool) {
	c, ok := r.code()
	if !ok {
		return 0, false
	}
	var n uint64
	switch {
	case c == codeNil:
		return 0, false
	case c >= fixStr && c < codeNil:
		n = uint64(c - fixStr)
	case c == codeBin8 || c == codeStr8:
		n = r.big(1)
	case c == codeBin16 || c == codeStr16:
		n = r.big(2)
	case c == codeBin32 || c == codeStr32:
		n = r.big(4)
	default:
		r.pos--
		r.fail("no bytes where some belong")
	}
	return int(n), r.err == nil
}

// array reads the head of an array whose every element needs at least one byte; nil is an array of none.
func (r *reader) array() int {
	c, ok := r.code()
	if !ok {
		return 0
	}
	var n uint64
	switch {
	case c&^0xf == fixArray:
		n = uint64(c & 0xf)
	case c == codeNil:
	case c == codeArray16:
		n = r.big(2)
	case c == codeArray32:
		n = r.big(4)
	default:
		r.pos--
		r.fail("no array where one belongs")
		return 0
	}
	if n > uint64(len(r.b)-r.pos) {
		r.fail("an array longer than what is left")
		return 0
	}
	return int(n)
}

// null takes a nil, if that is what comes next.
func (r *reader) null() bool {
	if r.pos < len(r.b) && r.b[r.pos] == codeNil {
		r.pos++
		return true
	}
	return false
}

// list reads the head of an array of at most most elements, named what in a *LimitError.
func (r *reader) list(what string, most int) int {
	n := r.array()
	if n > most {
		r.limit(what, n, most)
		return 0
	}
	return n
}

// fields reads the head of an array of want fields; extra is how many more a newer peer wrote, to be skipped.
func (r *reader) fields(want int) (extra int) {
	at := r.pos
	extra = r.array() - want
	if extra < 0 {
		r.pos = at
		r.fail("too few fields")
		return 0
	}
	return extra
}

// skip passes over the fields that a newer peer added at an array's end.
func (r *reader) skip(extra int) {
	if extra == 0 {
		return
	}
	if extra > extraMax {
		r.limit("fields unknown here", extra, extraMax)
		return
	}
	for range extra {
		w := walker{b: r.b, pos: r.pos, most: len(r.b)}
		if err := w.value(skipDepth); err != nil {
			r.stop(err)
			return
		}
		r.pos = w.pos
	}
}

// done reports the first failure, or what is left over at the end of the frame.
func (r *reader) done() error {
	if r.err == nil && r.pos != len(r.b) {
		r.fail("bytes after the end")
	}
	return r.err
}
