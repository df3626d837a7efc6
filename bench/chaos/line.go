package main

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// line is a connection on which one request after the other is answered by the node itself: the client's calls tell no stamps of a scan.
type line struct {
	net.Conn
	limits wire.Limits
	buf    []byte
}

func dial(ctx context.Context, addr string) (*line, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &line{Conn: conn, limits: wire.DefaultLimits()}
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	frame, err := c.exchange(wire.AppendHello(nil, &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleClient, Wall: time.Now().UnixMilli()}))
	var theirs wire.Hello
	if err == nil {
		err = wire.DecodeHello(frame, &theirs)
	}
	if err == nil && theirs.Error != "" {
		err = errors.New(theirs.Error)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *line) ask(q *wire.Request) (*wire.Response, error) {
	frame, err := c.exchange(wire.AppendRequest(nil, q))
	if err != nil {
		return nil, err
	}
	var answer wire.Response
	if err := wire.DecodeResponse(frame, &answer, &c.limits); err != nil {
		return nil, err
	}
	return &answer, answer.AsError()
}

// exchange sends a frame and returns the next one that comes, until the next call.
func (c *line) exchange(frame []byte) ([]byte, error) {
	if _, err := c.Write(frame); err != nil {
		return nil, err
	}
	c.buf = c.buf[:0]
	for {
		c.buf = slices.Grow(c.buf, 32<<10)
		n, err := c.Read(c.buf[len(c.buf):cap(c.buf)])
		c.buf = c.buf[:len(c.buf)+n]
		if frame, _, bad := wire.NextFrame(c.buf, &c.limits); frame != nil || bad != nil {
			return frame, bad
		}
		if err != nil {
			return nil, err
		}
	}
}
