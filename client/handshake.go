package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// nudgeWait is how long a node that said nothing gets to answer an end of line: protocols made of lines, as
// HTTP and Redis', wait for one before they complain, and their complaint shows what they are.
const nudgeWait = 250 * time.Millisecond

// connect dials the link's address and exchanges hellos. Errors are *ConnectError, or ErrClosed.
func (c *Client) connect(l *link) (*conn, error) {
	if c.options.hooks.Dial != nil {
		if end := c.options.hooks.Dial(c.life, l.addr); end != nil {
			cn, err := c.attempt(l)
			end(err)
			return cn, err
		}
	}
	return c.attempt(l)
}

func (c *Client) attempt(l *link) (*conn, error) {
	cn, err := c.handshake(l)
	switch {
	case err == nil:
		return cn, nil
	case c.life.Err() != nil:
		return nil, ErrClosed
	}
	return nil, err
}

func (c *Client) handshake(l *link) (*conn, error) {
	addr := l.addr
	ctx, cancel := context.WithTimeout(c.life, c.options.dialTimeout)
	defer cancel()
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, &ConnectError{Addr: addr, Reason: whyNot(err), Err: err}
	}
	stop := context.AfterFunc(c.life, func() { _ = nc.Close() })
	deadline, _ := ctx.Deadline()
	_ = nc.SetDeadline(deadline)
	hello, early, err := c.greet(nc)
	if err != nil {
		stop()
		_ = nc.Close()
		return nil, &ConnectError{Addr: addr, Reason: err.Error(), Err: errors.Unwrap(err)}
	}
	_ = nc.SetDeadline(time.Time{})
	cn := newConn(nc, l, hello)
	started := c.spawn(func() { defer stop(); cn.read(early) }) && c.spawn(cn.write)
	if !started {
		stop()
		cn.fail(ErrClosed)
		return nil, ErrClosed
	}
	return cn, nil
}

// greet sends a hello and reads the node's. early is what came behind it.
func (c *Client) greet(nc net.Conn) (hello wire.Hello, early []byte, err error) {
	mine := wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleClient, ClusterID: c.cluster.Load(), Wall: time.Now().UnixMilli()}
	if _, err := nc.Write(wire.AppendHello(nil, &mine)); err != nil {
		return hello, nil, fmt.Errorf("it closed the connection at once: %w", err)
	}
	limits := wire.Limits{Frame: wire.HelloMax}
	buf := make([]byte, wire.FrameHeader+wire.HelloMax)
	filled, nudged := 0, false
	for {
		n, err := nc.Read(buf[filled:])
		filled += n
		frame, rest, bad := wire.NextFrame(buf[:filled], &limits)
		if frame != nil && bad == nil {
			bad = wire.DecodeHello(frame, &hello)
			switch known := bad == nil || hello.Version > wire.ProtocolVersion; {
			case known && nudged: // which spoilt the connection
				return hello, nil, errors.New("it was slow to say hello: it is starting, or has too much to do: try again")
			case known:
				return hello, bytes.Clone(rest), c.judge(&hello)
			}
		}
		switch {
		case bad != nil || nudged && n > 0:
			return hello, nil, errors.New(looksLike(buf[:filled]))
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && filled == 0 && !nudged:
			nudged = true
			_ = nc.SetDeadline(time.Now().Add(c.options.nudge))
			if _, err := nc.Write([]byte("\r\n")); err != nil {
				return hello, nil, fmt.Errorf("it takes connections but says nothing: %w", err)
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			return hello, nil, fmt.Errorf("it takes connections but says nothing: a node that hangs, or not a Shoal node: %w", err)
		default:
			return hello, nil, fmt.Errorf("it closed the connection without a word: "+
				"another kind of server, one that expects TLS, or a node's gossip port (clients use 7400 by default): %w", err)
		}
	}
}

// judge decides whether to stay, from what the node says of itself.
func (c *Client) judge(h *wire.Hello) error {
	switch {
	case h.Version != wire.ProtocolVersion:
		return fmt.Errorf("it speaks version %d of the protocol and this client %d: use a client of the cluster's version", h.Version, wire.ProtocolVersion)
	case h.Error != "":
		return fmt.Errorf("the node refused: %s", h.Error)
	case h.Role != wire.RoleNode:
		return errors.New("it says that it is not a node: is this a proxy to another client?")
	case h.ClusterID == 0:
		return nil
	}
	if !c.cluster.CompareAndSwap(0, h.ClusterID) && c.cluster.Load() != h.ClusterID {
		return fmt.Errorf("it is a node of another cluster (%q, %016x) than the addresses before it (%016x): name nodes of one cluster only",
			h.Cluster, h.ClusterID, c.cluster.Load())
	}
	return nil
}

// whyNot says what a failed dial means.
func whyNot(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: no node is listening there"
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %q is not known: check the address", dns.Name)
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time: the address is wrong, the machine is down, or something drops the packets"
	}
	return strings.TrimPrefix(err.Error(), "dial tcp ")
}

// looksLike guesses from its first bytes what kind of server answered, that was not a Shoal node.
func looksLike(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("HTTP/")):
		return "it looks like an HTTP server, not a Shoal node: use the node's client port (7400 by default)"
	case len(b) > 2 && (b[0] == 0x15 || b[0] == 0x16) && b[1] == 3:
		return "it looks like a TLS server: Shoal's client port (7400 by default) does not speak TLS"
	case bytes.HasPrefix(b, []byte("SSH-")):
		return "it looks like an SSH server, not a Shoal node"
	case len(b) > 0 && (b[0] == '-' || b[0] == '+'):
		return "it looks like a Redis server, not a Shoal node"
	}
	return fmt.Sprintf("it does not speak Shoal's protocol; its first bytes are %q", b[:min(len(b), 16)])
}
