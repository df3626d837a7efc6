package server

import (
	"encoding/binary"
	"errors"
	"net"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// errFull closes a connection whose other end does not read.
var errFull = errors.New("server: it does not read what it is sent: cut off")

// errCrowded closes a connection with a large request for which there is no room.
var errCrowded = errors.New("server: too many large requests at once: cut off")

// frameReader cuts a connection's bytes into frames. Its buffer grows with what has come, never with what
// was announced: a header alone costs its sender four bytes. It shrinks again, so that an idle connection
// holds little.
type frameReader struct {
	conn   net.Conn
	limits wire.Limits
	buf    []byte
	start  int // of what has not been handed out
	end    int // of what has been read

	ration   *ration // of all readers that have more than readMost; nil: none
	patience time.Duration
	counted  int // bytes of it that are this reader's
}

const (
	readLeast = 16 << 10  // the buffer of a new connection
	readMost  = 256 << 10 // what it keeps between frames
)

// next returns a whole frame that is in the buffer already, nil when there is none. The frame is valid
// until read.
func (r *frameReader) next() ([]byte, error) {
	frame, rest, err := wire.NextFrame(r.buf[r.start:r.end], &r.limits)
	if err != nil || frame == nil {
		return nil, err
	}
	r.start = r.end - len(rest)
	return frame, nil
}

// unread is what has come and was not handed out.
func (r *frameReader) unread() []byte { return r.buf[r.start:r.end] }

// read blocks for more bytes. Next has found no whole frame in the buffer, and no length over the limit.
func (r *frameReader) read() error {
	if left := r.unread(); len(left) >= wire.FrameHeader {
		return r.fill(wire.FrameHeader + int(binary.BigEndian.Uint32(left)))
	}
	return r.fill(0)
}

// fill blocks for more bytes, wanted in all with those that are unread; 0 where nobody knows.
func (r *frameReader) fill(wanted int) error {
	left := r.end - r.start
	if size := r.size(left, wanted); size != len(r.buf) || r.start > 0 {
		buf := r.buf
		if size != len(buf) {
			if !r.reserve(size) {
				return errCrowded
			}
			buf = make([]byte, size)
		}
		copy(buf, r.buf[r.start:r.end])
		r.buf, r.start, r.end = buf, 0, left
	}
	n, err := r.conn.Read(r.buf[left:])
	r.end += n
	if n > 0 {
		return nil
	}
	return err
}

// reserve has a buffer of so many bytes counted with those of other connections; false when they have too much for too long.
func (r *frameReader) reserve(size int) bool {
	if size <= readMost {
		size = 0
	}
	if size > r.counted && r.ration != nil && !r.ration.wait(size-r.counted, r.counted, r.patience) {
		return false
	}
	r.ration.add(size - r.counted)
	r.counted = size
	return true
}

// large reports whether the buffer is one that read lets go of when there is nothing in it: what was decoded
// from it has to be forgotten, or an idle connection would hold the largest frame it ever brought.
func (r *frameReader) large() bool { return len(r.buf) > readMost }

// size is how large the buffer should be for the next read: twice as large when the last one filled it,
// with the beginning of a frame or with more frames than were read at once.
func (r *frameReader) size(left, wanted int) int {
	size := len(r.buf)
	switch {
	case size == 0 || left == 0 && size > readMost:
		return readLeast
	case r.end < size || left <= size/2 && size >= readMost: // there is room, or will be
		return size
	case size >= readMost && r.ration != nil && wanted > size: // all that it will have: who holds a part and waits for more, waits for another who does
		return wanted
	}
	return min(2*size, max(readMost, wanted))
}

// hello reads the first frame of a connection.
func (r *frameReader) hello(within time.Duration, h *wire.Hello) error {
	limits := r.limits
	r.limits.Frame = wire.HelloMax
	defer func() { r.limits = limits }()
	_ = r.conn.SetReadDeadline(time.Now().Add(within))
	defer func() { _ = r.conn.SetReadDeadline(time.Time{}) }()
	for {
		frame, err := r.next()
		if err != nil {
			return err
		}
		if frame != nil {
			return wire.DecodeHello(frame, h)
		}
		if err := r.read(); err != nil {
			return err
		}
	}
}
