package server

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// errFull closes a connection whose other end does not read.
var errFull = errors.New("server: it does not read what it is sent: cut off")

// errCrowded closes a connection with a large request for which there is no room.
var errCrowded = errors.New("server: too many large requests at once: cut off")

// errStalled closes a connection with a large request that does not come.
var errStalled = errors.New("server: a large request has begun and does not come: cut off")

// frameReader cuts a connection's bytes into frames. Its buffer grows with what has come, never with what
// was announced: a header alone costs its sender four bytes. It shrinks again, so that an idle connection
// holds little.
type frameReader struct {
	conn   net.Conn
	limits wire.Limits
	buf    []byte
	start  int // of what has not been handed out
	end    int // of what has been read

	ration   *ration       // of all readers that have more than readMost; nil: none
	patience time.Duration // longest that it waits for the ration, and then for each pieceMax bytes of the request
	counted  int           // bytes of the ration that are this reader's
	piece    int           // bytes to come before the other end has patience anew
	left     time.Duration // of it
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
		return r.fill(wire.FrameHeader+int(binary.BigEndian.Uint32(left)), true)
	}
	return r.fill(0, false)
}

// fill blocks for more bytes, wanted in all with those that are unread: so many were announced, or will not be more.
func (r *frameReader) fill(wanted int, announced bool) error {
	left := r.end - r.start
	if r.start > 0 { // whatever is unread now has only begun to come
		r.piece = 0
	}
	if size := r.size(left, wanted, announced); size != len(r.buf) || r.start > 0 {
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
	n, err := r.bring(r.buf[left:])
	r.end += n
	if n > 0 {
		return nil
	}
	return err
}

// bring reads. Who holds a part of the ration keeps it from others, and so has to send pieceMax bytes within patience, of which
// only the time counts that it is waited for.
func (r *frameReader) bring(b []byte) (int, error) {
	if r.counted == 0 {
		r.piece = 0
		return r.conn.Read(b)
	}
	if r.piece <= 0 {
		r.piece, r.left = pieceMax, r.patience
	}
	began := time.Now()
	_ = r.conn.SetReadDeadline(began.Add(r.left))
	n, err := r.conn.Read(b)
	_ = r.conn.SetReadDeadline(time.Time{})
	r.piece -= n
	r.left -= time.Since(began)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errStalled
	}
	return n, err
}

// reserve has a buffer of so many bytes counted with those of other connections; false when they have too much for too long.
func (r *frameReader) reserve(size int) bool {
	if r.ration == nil {
		return true
	}
	if size <= readMost {
		size = 0
	}
	switch more := size - r.counted; {
	case more > 0 && !r.ration.take(more, r.counted, r.patience):
		return false
	case more < 0:
		r.ration.give(-more)
	}
	r.counted = size
	return true
}

// large reports whether the buffer is one that read lets go of when there is nothing in it: what was decoded
// from it has to be forgotten, or an idle connection would hold the largest frame it ever brought.
func (r *frameReader) large() bool { return len(r.buf) > readMost }

// size is how large the buffer should be for the next read: twice as large when the last one filled it,
// with the beginning of a frame or with more frames than were read at once.
func (r *frameReader) size(left, wanted int, announced bool) int {
	size := len(r.buf)
	switch {
	case size == 0 || left == 0 && size > readMost:
		return readLeast
	case r.counted > 0 && r.start > 0 && left <= readMost/2: // the large request is done, and what follows is small so far
		return max(readLeast, 2*left)
	case r.end < size || left <= size/2 && size >= readMost: // there is room, or will be
		return size
	case size >= readMost && r.ration != nil && announced && wanted > size: // all that it will have: who holds a part and waits for more, waits for another who does
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
