package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/shoalcache/shoal/vclock"
)

// ScanCursor is where a scan goes on: the Key of an OpScan request, and the Value of the response before it.
// To clients it is opaque, but for its first four bytes, by which they can route. The position is that of one
// node's memory in one boot: any other begins the partition again.
//
//	partition   4 bytes, big-endian like the rest
//	node, boot  8 bytes each
//	at          8 bytes
type ScanCursor struct {
	Partition uint32
	Actor     vclock.Actor // whose position At is
	At        uint64       // within the partition; 0: its beginning
}

const scanCursorBytes = 28

// Append appends the cursor's bytes.
func (c ScanCursor) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, c.Partition)
	dst = binary.BigEndian.AppendUint64(dst, c.Actor.Node)
	dst = binary.BigEndian.AppendUint64(dst, c.Actor.Boot)
	return binary.BigEndian.AppendUint64(dst, c.At)
}

// ParseScanCursor reads a cursor; empty is the beginning of everything. Errors are *FormatError.
func ParseScanCursor(b []byte) (ScanCursor, error) {
	switch len(b) {
	case 0:
		return ScanCursor{}, nil
	case scanCursorBytes:
		return ScanCursor{
			Partition: binary.BigEndian.Uint32(b),
			Actor:     vclock.Actor{Node: binary.BigEndian.Uint64(b[4:]), Boot: binary.BigEndian.Uint64(b[12:])},
			At:        binary.BigEndian.Uint64(b[20:]),
		}, nil
	}
	return ScanCursor{}, &FormatError{What: fmt.Sprintf("a scan cursor of %d bytes, want %d or none", len(b), scanCursorBytes)}
}
