package bench

import (
	"fmt"
	"net"
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
}

// patience is a deadline that moves on while there is something to wait for. To move it costs more than a small batch
// does, so it moves only now and then.
type patience struct {
	set  func(time.Time) error
	last time.Time
}

func (p *patience) renew() {
	if now := time.Now(); now.Sub(p.last) > stall/16 {
		p.last = now
		_ = p.set(now.Add(stall))
	}
}

func newLink(conn net.Conn, addr string) *link {
	return &link{
		conn: conn, addr: addr, limits: wire.DefaultLimits(), in: make([]byte, readBuffer),
		reads: patience{set: conn.SetReadDeadline}, writes: patience{set: conn.SetWriteDeadline},
	}
}

func (l *link) write(b []byte) error {
	l.writes.renew()
	_, err := l.conn.Write(b)
	return err
}

// read waits for bytes; next hands out what is complete in them.
func (l *link) read() error {
	if l.filled == len(l.in) { // one answer fills it
		l.in = append(l.in, make([]byte, len(l.in))...)
	}
	l.reads.renew()
	n, err := l.conn.Read(l.in[l.filled:])
	l.filled += n
	if n > 0 {
		return nil
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
