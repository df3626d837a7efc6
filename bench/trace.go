package bench

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// TraceMax is how many requests a trace may have: it is held in memory, eight bytes each.
const TraceMax = 100_000_000

// TraceError is a file that is no trace.
type TraceError struct {
	Path   string
	Reason string // what is wrong with it, and what it should be
	Err    error  // what reading it said; may be nil
}

// Error says which file, and what is wrong with it.
func (e *TraceError) Error() string { return fmt.Sprintf("bench: trace %s: %s", e.Path, e.Reason) }

// Unwrap returns what reading it said.
func (e *TraceError) Unwrap() error { return e.Err }

// ReadTrace reads the first most requests of a file, or all if most is 0: gzip of one little-endian 64-bit number for
// each request, the key that is looked up. A file that is none is a *TraceError.
func ReadTrace(path string, most int) ([]uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &TraceError{Path: path, Reason: err.Error(), Err: err}
	}
	defer f.Close()
	keys, reason, err := decodeTrace(f, most)
	if reason != "" {
		return nil, &TraceError{Path: path, Reason: reason, Err: err}
	}
	return keys, nil
}

// decodeTrace reads keys; a reason says why it could not.
func decodeTrace(r io.Reader, most int) (keys []uint64, reason string, err error) {
	z, err := gzip.NewReader(r)
	switch {
	case errors.Is(err, io.EOF):
		return nil, "it is empty", err
	case err != nil:
		return nil, "it is not gzip: a trace is gzip of little-endian 64-bit numbers, one a request", err
	}
	in := bufio.NewReaderSize(z, 1<<16)
	var b [8]byte
	for most == 0 || len(keys) < most {
		n, err := io.ReadFull(in, b[:])
		switch {
		case errors.Is(err, io.EOF) && len(keys) == 0:
			return nil, "it holds no requests", err
		case errors.Is(err, io.EOF):
			return keys, "", nil
		case errors.Is(err, gzip.ErrChecksum):
			return nil, fmt.Sprintf("its checksum is wrong, after %d requests: it is damaged, get it again", len(keys)), err
		case err != nil && whole(z):
			return nil, fmt.Sprintf("%d bytes follow its %d requests: it should hold 8 bytes for each", n, len(keys)), err
		case err != nil:
			return nil, fmt.Sprintf("it is cut off or damaged after %d requests: get it again", len(keys)), err
		case len(keys) == TraceMax:
			return nil, fmt.Sprintf("it holds more than %d requests: replay a part of it, with a number of requests", TraceMax), nil
		}
		keys = append(keys, binary.LittleEndian.Uint64(b[:]))
	}
	return keys, "", nil
}

// whole reports whether the compressed stream ended where it should.
func whole(z *gzip.Reader) bool {
	_, err := z.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

// Unique counts the different keys of a trace.
func Unique(trace []uint64) int {
	seen := make(map[uint64]struct{})
	for _, k := range trace {
		seen[k] = struct{}{}
	}
	return len(seen)
}
