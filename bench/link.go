package bench

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/shoalcache/shoal/wire"
)

const (
	stall      = 30 * time.Second // without one byte from a node before the run is given up
	readBuffer = 16 << 10         // bytes; grows to the largest answer
)

// link is one connection: what is written goes straight into the socket, and what is read is cut into responses.
type link struct {
	conn     net.Conn
	addr     string
	limits   wire.Limits
	in       []byte // what was read; in[:filled] is not parsed yet
	filled   int
	response wire.Response
	reads    patience
	writes   patience
	silent   time.Duration // that reads have waited since the last byte came
}

// grace is how much later than its timeout an answer may come: a node that gives up says so at that time, and what it
// says takes its way.
const grace = 100 * time.Millisecond

// patience is a deadline that moves on while there is something to wait for. To move it costs more than a small batch
// does, so it moves only now and then.
type patience struct {
	set  func(time.Time) error
	wait time.Duration
	last time.Time
}

func (p *patience) renew() {
	if now := time.Now(); now.Sub(p.last) > p.wait/16 {
		p.last = now
		_ = p.set(now.Add(p.wait))
	}
}

func newLink(conn net.Conn, addr string) *link {
	return &link{
		conn: conn, addr: addr, limits: wire.DefaultLimits(), in: make([]byte, readBuffer),
		reads: patience{set: conn.SetReadDeadline, wait: stall}, writes: patience{set: conn.SetWriteDeadline, wait: stall},
	}
}

func (l *link) write(b []byte) error {
	l.writes.renew()
	_, err := l.conn.Write(b)
	return err
}

// read waits for bytes, no longer than its patience; each hands out what is complete in them.
func (l *link) read() error {
	if l.filled == len(l.in) { // one answer fills it
		l.in = append(l.in, make([]byte, len(l.in))...)
	}
	l.reads.renew()
	n, err := l.conn.Read(l.in[l.filled:])
	l.filled += n
	if n > 0 {
		l.silent = 0
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		l.reads.last = time.Time{} // the next read gets another
		if l.silent += l.reads.wait; l.silent < stall {
			return nil
		}
	}
	return err
}

// each calls take with every response that has come whole; the response and its value are valid until it returns.
func (l *link) each(take func(*wire.Response) error) error {
	rest := l.in[:l.filled]
	for {
		frame, after, err := wire.NextFrame(rest, &l.limits)
		if err != nil {
			return err
		}
		if frame == nil {
			break
		}
		if err := wire.DecodeResponse(frame, &l.response, &l.limits); err != nil {
			return err
		}
		if err := take(&l.response); err != nil {
			return err
		}
		rest = after
	}
	l.filled = copy(l.in, rest)
	return nil
}

// broken is the failure of a connection while it was used.
func (l *link) broken(err error) error {
	return lost(l.addr, fmt.Errorf("the connection broke during the run: %w", err))
}
