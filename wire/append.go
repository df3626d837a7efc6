package wire

import "encoding/binary"

// MessagePack by hand: the few forms this protocol writes, each the shortest there is for its value, so
// that equal values are equal bytes. The constants are the format's own first bytes.
const (
	codeNil     = 0xc0
	codeBin8    = 0xc4
	codeBin16   = 0xc5
	codeBin32   = 0xc6
	codeUint8   = 0xcc
	codeUint16  = 0xcd
	codeUint32  = 0xce
	codeUint64  = 0xcf
	codeInt8    = 0xd0
	codeInt16   = 0xd1
	codeInt32   = 0xd2
	codeInt64   = 0xd3
	codeStr8    = 0xd9
	codeStr16   = 0xda
	codeStr32   = 0xdb
	codeArray16 = 0xdc
	codeArray32 = 0xdd

	fixInt   = 0x80 // below: the integer itself
	fixArray = 0x90 // …0x9f: an array of up to 15
	fixStr   = 0xa0 // …0xbf: a string of up to 31 bytes
	fixNeg   = 0xe0 // …0xff: -32…-1
)

func appendUint(dst []byte, v uint64) []byte {
	if v < fixInt {
		return append(dst, byte(v))
	}
	return appendWide(dst, v)
}

func appendWide(dst []byte, v uint64) []byte {
	switch {
	case v > 1<<32-1:
		return binary.BigEndian.AppendUint64(append(dst, codeUint64), v)
	case v > 1<<16-1:
		return binary.BigEndian.AppendUint32(append(dst, codeUint32), uint32(v))
	case v > 1<<8-1:
		return append(dst, codeUint16, byte(v>>8), byte(v))
	default:
		return append(dst, codeUint8, byte(v))
	}
}

func appendInt(dst []byte, v int64) []byte {
	switch {
	case v >= 0:
		return appendUint(dst, uint64(v))
	case v >= -32:
		return append(dst, byte(v))
	case v >= -1<<7:
		return append(dst, codeInt8, byte(v))
	case v >= -1<<15:
		return append(dst, codeInt16, byte(v>>8), byte(v))
	case v >= -1<<31:
		return binary.BigEndian.AppendUint32(append(dst, codeInt32), uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(dst, codeInt64), uint64(v))
	}
}

// appendBytes keeps nil and empty apart: nil is the format's nil.
func appendBytes(dst, b []byte) []byte {
	switch n := len(b); {
	case b == nil:
		return append(dst, codeNil)
	case n < 1<<8:
		dst = append(dst, codeBin8, byte(n))
	case n < 1<<16:
		dst = append(dst, codeBin16, byte(n>>8), byte(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, codeBin32), uint32(n))
	}
	return append(dst, b...)
}

func appendString(dst []byte, s string) []byte {
	switch n := len(s); {
	case n < 1<<5:
		dst = append(dst, fixStr|byte(n))
	case n < 1<<8:
		dst = append(dst, codeStr8, byte(n))
	case n < 1<<16:
		dst = append(dst, codeStr16, byte(n>>8), byte(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, codeStr32), uint32(n))
	}
	return append(dst, s...)
}

func appendArray(dst []byte, n int) []byte {
	switch {
	case n < 1<<4:
		return append(dst, fixArray|byte(n))
	case n < 1<<16:
		return append(dst, codeArray16, byte(n>>8), byte(n))
	default:
		return binary.BigEndian.AppendUint32(append(dst, codeArray32), uint32(n))
	}
}

// bit is 1<<at if set, else 0.
func bit(set bool, at uint) uint64 {
	if set {
		return 1 << at
	}
	return 0
}
