package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
)

// widths are all the forms in which the format can write v, whatever its sign.
func widths(v int64) [][]byte {
	var list [][]byte
	add := func(ok bool, code byte, bytes int) {
		if ok {
			var b [8]byte
			binary.BigEndian.PutUint64(b[:], uint64(v))
			list = append(list, append([]byte{code}, b[8-bytes:]...))
		}
	}
	add(v >= -32 && v < 128, byte(v), 0)
	add(v >= 0 && v <= math.MaxUint8, 0xcc, 1)
	add(v >= 0 && v <= math.MaxUint16, 0xcd, 2)
	add(v >= 0 && v <= math.MaxUint32, 0xce, 4)
	add(v >= 0, 0xcf, 8)
	add(v >= math.MinInt8 && v <= math.MaxInt8, 0xd0, 1)
	add(v >= math.MinInt16 && v <= math.MaxInt16, 0xd1, 2)
	add(v >= math.MinInt32 && v <= math.MaxInt32, 0xd2, 4)
	add(true, 0xd3, 8)
	return list
}

var edges = []int64{
	0, 1, 31, 32, 127, 128, 255, 256, 1<<15 - 1, 1 << 15, 1<<16 - 1, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, math.MaxInt64,
	-1, -32, -33, -128, -129, -1 << 15, -1<<15 - 1, -1 << 31, -1<<31 - 1, math.MinInt64,
}

func TestNumbersOfEveryWidthAreRead(t *testing.T) {
	for _, v := range edges {
		for _, b := range widths(v) {
			r := reader{b: b}
			if got := r.int(); got != v || r.done() != nil {
				t.Errorf("int %x: got %d, %v, want %d", b, got, r.err, v)
			}
			r = reader{b: b}
			if got := r.uint(); v >= 0 && (got != uint64(v) || r.done() != nil) {
				t.Errorf("uint %x: got %d, %v, want %d", b, got, r.err, v)
			} else if v < 0 && r.err == nil {
				t.Errorf("uint %x: accepted %d as %d", b, v, got)
			}
			r = reader{b: b}
			if got := r.uint8(); (r.done() == nil) != (v >= 0 && v <= 255) || r.err == nil && got != uint8(v) {
				t.Errorf("uint8 %x: got %d, %v, want %d", b, got, r.err, v)
			}
		}
	}
	r := reader{b: []byte{0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0}}
	if v := r.int(); r.err == nil {
		t.Errorf("int accepted 2^63 as %d", v)
	}
}

// Invariant 3.
func TestNumbersAreWrittenAsShortAsTheyGo(t *testing.T) {
	for _, v := range edges {
		shortest := widths(v)[0]
		for _, b := range widths(v) {
			if len(b) < len(shortest) {
				shortest = b
			}
		}
		if got := appendInt(nil, v); string(got) != string(shortest) {
			t.Errorf("%d: got %x, want %x", v, got, shortest)
		}
	}
}

func TestBytesOfEveryWidthAreRead(t *testing.T) {
	for _, n := range []int{0, 1, 31, 32, 255, 256, 65_535, 65_536} {
		body := make([]byte, n)
		for code, width := range map[byte]int{0xc4: 1, 0xc5: 2, 0xc6: 4, 0xd9: 1, 0xda: 2, 0xdb: 4, 0xa0: 0} {
			head := []byte{code}
			switch {
			case width == 0 && n < 32:
				head[0] |= byte(n)
			case width == 1 && n < 1<<8:
				head = append(head, byte(n))
			case width == 2 && n < 1<<16:
				head = binary.BigEndian.AppendUint16(head, uint16(n))
			case width == 4:
				head = binary.BigEndian.AppendUint32(head, uint32(n))
			default:
				continue
			}
			r := reader{b: append(head, body...)}
			if got := r.bytes("value", n); len(got) != n || cap(got) != n || got == nil || r.done() != nil {
				t.Errorf("%x, %d bytes: got %d, capacity %d, %v", code, n, len(got), cap(got), r.err)
			}
			var limit *LimitError
			r = reader{b: append(head, body...)}
			if r.bytes("value", n-1); !errors.As(r.done(), &limit) || limit.Got != uint64(n) {
				t.Errorf("%x, %d bytes with one less allowed: %v", code, n, r.err)
			}
		}
	}
}

func TestListsOfEveryWidthAreRead(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 1<<16 - 1, 1 << 16} {
		heads := [][]byte{appendArray(nil, n), binary.BigEndian.AppendUint32([]byte{0xdd}, uint32(n))}
		if n < 1<<16 {
			heads = append(heads, binary.BigEndian.AppendUint16([]byte{0xdc}, uint16(n)))
		}
		for _, head := range heads {
			r := reader{b: append(head, make([]byte, n)...)}
			if got := r.list("keys", n); got != n || r.err != nil {
				t.Errorf("%x: got %d, %v, want %d", head, got, r.err, n)
			}
			if n > 0 {
				r = reader{b: append(head, make([]byte, n-1)...)}
				if got := r.list("keys", n); r.err == nil {
					t.Errorf("%x: accepted %d elements in %d bytes", head, got, n-1)
				}
			}
		}
	}
}

// Invariant 3.
func TestBytesAndStringsAreWrittenAsShortAsTheyGo(t *testing.T) {
	for n, want := range map[int]struct{ bin, str string }{
		0: {"\xc4\x00", "\xa0"}, 31: {"\xc4\x1f", "\xbf"}, 32: {"\xc4\x20", "\xd9\x20"}, 255: {"\xc4\xff", "\xd9\xff"},
		256: {"\xc5\x01\x00", "\xda\x01\x00"}, 65_535: {"\xc5\xff\xff", "\xda\xff\xff"},
		65_536: {"\xc6\x00\x01\x00\x00", "\xdb\x00\x01\x00\x00"},
	} {
		body := make([]byte, n)
		if got := appendBytes(nil, body); string(got) != want.bin+string(body) {
			t.Errorf("%d bytes begin with %x, want %x", n, got[:min(len(got), 5)], want.bin)
		}
		if got := appendString(nil, string(body)); string(got) != want.str+string(body) {
			t.Errorf("a string of %d bytes begins with %x, want %x", n, got[:min(len(got), 5)], want.str)
		}
	}
}
