package hints

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// This file owns the bytes of a segment: a file of hints for one target, written from the front to the end and never changed.
//
//	header   magic "SHOALHNT" │ version, 4 bytes │ cluster, 8 │ node, 8 │ target, 8 │ CRC-32C of these, 4
//	record   CRC-32C of the rest, 4 │ length, 4 │ an owe message, as nodes send it to each other (package wire)
//	record   …
//
// All numbers are big-endian. A record is a version that was owed when it was written: nothing says when it is owed no more.
// It may be delivered twice, and then changes nothing: the target merges it, and refuses it at its floor.

const (
	segmentMagic   = "SHOALHNT"
	segmentVersion = 1

	// HeaderBytes is the length of what a segment begins with.
	HeaderBytes = 40
	// recordHeader is what stands before a record's message.
	recordHeader = 4 + wire.FrameHeader
)

// What can be wrong with the bytes of a segment.
var (
	// ErrForeign: it is of another cluster, node or target, or of a version that this release does not know.
	ErrForeign = errors.New("hints: a segment that is not this node's")
	// ErrDamaged: what is there was not written.
	ErrDamaged = errors.New("hints: a damaged segment")
)

// castagnoli is the polynomial of all check sums.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Whose says what a segment belongs to.
type Whose struct{ Cluster, Node, Target uint64 }

// AppendHeader appends what a segment begins with.
func AppendHeader(dst []byte, w Whose) []byte {
	start := len(dst)
	dst = append(dst, segmentMagic...)
	dst = binary.BigEndian.AppendUint32(dst, segmentVersion)
	for _, id := range [...]uint64{w.Cluster, w.Node, w.Target} {
		dst = binary.BigEndian.AppendUint64(dst, id)
	}
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// CheckHeader says whether b begins as a segment of w does: ErrDamaged or ErrForeign is wrapped by what is wrong.
func CheckHeader(b []byte, w Whose) error {
	const end = HeaderBytes - 4
	switch {
	case len(b) < HeaderBytes || string(b[:8]) != segmentMagic:
		return fmt.Errorf("%w: it does not begin as one", ErrDamaged)
	case binary.BigEndian.Uint32(b[8:]) > segmentVersion:
		return fmt.Errorf("%w: it is of version %d", ErrForeign, binary.BigEndian.Uint32(b[8:]))
	case binary.BigEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli):
		return fmt.Errorf("%w: its header is not what was written", ErrDamaged)
	}
	if string(b[:HeaderBytes]) != string(AppendHeader(nil, w)) {
		return fmt.Errorf("%w: cluster %016x, node %016x, target %016x", ErrForeign,
			binary.BigEndian.Uint64(b[12:]), binary.BigEndian.Uint64(b[20:]), binary.BigEndian.Uint64(b[28:]))
	}
	return nil
}

// AppendRecord appends a hint as a segment has it.
func AppendRecord(dst []byte, target uint64, key []byte, set *vclock.Set) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = wire.AppendMessage(dst, &wire.Message{Kind: wire.KindOwe, Target: target, Key: key, Set: *set})
	seal(dst[start:])
	return dst
}

// seal puts the check sum of a record in front of it.
func seal(record []byte) {
	binary.BigEndian.PutUint32(record, crc32.Checksum(record[4:], castagnoli))
}

// NextRecord reads the first record of b into m, whose slices alias b, and returns its length. While b holds less than a
// whole record, that is 0, and want is how much of it there must be. An error wraps ErrDamaged: neither this record nor what
// follows it can be believed.
func NextRecord(b []byte, m *wire.Message, l *wire.Limits) (n, want int, err error) {
	if len(b) < recordHeader {
		return 0, recordHeader, nil
	}
	length := binary.BigEndian.Uint32(b[4:])
	if length == 0 || uint64(length) > uint64(l.Frame) {
		return 0, 0, fmt.Errorf("%w: a record of %d bytes", ErrDamaged, length)
	}
	n = recordHeader + int(length)
	if len(b) < n {
		return 0, n, nil
	}
	if binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:n], castagnoli) {
		return 0, 0, fmt.Errorf("%w: a record is not what was written", ErrDamaged)
	}
	err = wire.DecodeMessage(b[recordHeader:n], m, l)
	if err == nil && (m.Kind != wire.KindOwe || len(m.Key) == 0) {
		err = errors.New("it is no hint")
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return n, n, nil
}

// Unwritten reports whether nothing was ever written to b: a file system may give a file its length before its bytes.
func Unwritten(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
