package wire

import (
	"encoding/binary"
	"math"
)

// A frame is what travels: a length and then one MessagePack array of exactly that many bytes.
//
//	+--------------------+------------------------------+
//	| 4 bytes big-endian | one MessagePack array        |
//	+--------------------+------------------------------+
//
// The length stands in front so that a reader can cut a stream into frames without parsing it, and so that
// a frame that does not parse costs one call and not the connection.

// FrameHeader is the number of bytes in front of a frame's array.
const FrameHeader = 4

// NextFrame cuts the first frame off buf. The frame comes without its length and aliases buf; rest is what
// follows it. While buf holds less than a whole frame, frame is nil and rest is buf. A length above
// Limits.Frame is a *LimitError and a length of zero a *FormatError: after either the stream cannot be cut
// any more and the connection must close.
func NextFrame(buf []byte, l *Limits) (frame, rest []byte, err error) {
	if len(buf) < FrameHeader {
		return nil, buf, nil
	}
	n := uint64(binary.BigEndian.Uint32(buf))
	if n == 0 {
		return nil, buf, &FormatError{What: "a frame of no bytes", Offset: 0}
	}
	if n > uint64(max(l.Frame, 0)) {
		return nil, buf, &LimitError{What: "frame", Got: n, Max: uint64(max(l.Frame, 0))}
	}
	if uint64(len(buf)-FrameHeader) < n {
		return nil, buf, nil
	}
	end := FrameHeader + int(n)
	return buf[FrameHeader:end:end], buf[end:], nil
}

// openFrame reserves the length; closeFrame fills it in when the array that began at start is complete.
func openFrame(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

func closeFrame(dst []byte, start int) []byte {
	n := len(dst) - start - FrameHeader
	if n > math.MaxUint32 {
		panic("wire: a frame of more than 4 GiB: whoever made it ignored Limits")
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(n))
	return dst
}
