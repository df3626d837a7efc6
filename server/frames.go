package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// errFull closes a connection whose other end does not read.
var errFull = errors.New("server: it does not read what it is sent: cut off")

// frameReader cuts a connection's bytes into frames. Its buffer grows to the frame that is coming and
// shrinks again, so that an idle connection holds little.
type frameReader struct {
	conn   net.Conn
	limits wire.Limits
	buf    []byte
	start  int // of what has not been handed out
	end    int // of what has been read
}

const (
	readLeast = 16 << 10 // the buffer of an idle connection
	readMost  = 256 << 10
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

// read blocks for more bytes.
func (r *frameReader) read() error {
	left := r.end - r.start
	need := readLeast
	if left >= wire.FrameHeader { // a frame has begun: make room for all of it
		need = wire.FrameHeader + int(binary.BigEndian.Uint32(r.buf[r.start:]))
	}
	switch {
	case len(r.buf) < need: // never more than the limit, which next has checked
		b := make([]byte, max(need, min(2*len(r.buf), readMost)))
		copy(b, r.buf[r.start:r.end])
		r.buf = b
	case left == 0 && len(r.buf) > readMost:
		r.buf = make([]byte, readLeast)
	default:
		copy(r.buf, r.buf[r.start:r.end])
	}
	r.start, r.end = 0, left
	if r.end == len(r.buf) {
		return fmt.Errorf("server: a frame that fills its buffer of %d bytes and does not end", len(r.buf))
	}
	n, err := r.conn.Read(r.buf[r.end:])
	if r.end += n; r.end == len(r.buf) && len(r.buf) < readMost { // it came faster than it was read
		b := make([]byte, 2*len(r.buf))
		copy(b, r.buf[:r.end])
		r.buf = b
	}
	if n > 0 {
		return nil
	}
	return err
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
