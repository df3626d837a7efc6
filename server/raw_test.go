package server

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// rawConn is a connection whose bytes the test chooses.
type rawConn struct {
	net.Conn
	t      *testing.T
	reader frameReader
}

func dialRaw(t *testing.T, addr string) *rawConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute)) // a test that hangs should say where
	return &rawConn{Conn: c, t: t, reader: frameReader{conn: c, limits: wire.DefaultLimits()}}
}

// dialHello is dialRaw that has said hello as a client and was taken.
func dialHello(t *testing.T, addr string) *rawConn {
	t.Helper()
	c := dialRaw(t, addr)
	if h := c.hello(&wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleClient}); h.Error != "" {
		t.Fatal(h.Error)
	}
	return c
}

func (c *rawConn) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// hello says h and returns the answer.
func (c *rawConn) hello(h *wire.Hello) wire.Hello {
	c.t.Helper()
	c.send(wire.AppendHello(nil, h))
	var theirs wire.Hello
	if err := c.reader.hello(time.Minute, &theirs); err != nil {
		c.t.Fatal(err)
	}
	return theirs
}

func (c *rawConn) ask(r *wire.Request) wire.Response {
	c.t.Helper()
	c.send(wire.AppendRequest(nil, r))
	return c.response()
}

// response reads the next response; its memory is the caller's.
func (c *rawConn) response() wire.Response {
	c.t.Helper()
	for {
		f, err := c.reader.next()
		if err != nil {
			c.t.Fatal(err)
		}
		if f != nil {
			var r wire.Response
			limits := wire.DefaultLimits()
			if err := wire.DecodeResponse(append([]byte(nil), f...), &r, &limits); err != nil {
				c.t.Fatal(err)
			}
			return r
		}
		if err := c.reader.read(); err != nil {
			c.t.Fatal(err)
		}
	}
}

// closed waits until the other end closes, and fails if anything but a hello that refuses comes before that.
func (c *rawConn) closed() {
	c.t.Helper()
	b, err := io.ReadAll(c)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		c.t.Fatal("it stays open")
	}
	if len(b) > 0 {
		c.t.Fatalf("it says %q first", b)
	}
}
