package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
)

const (
	dialTimeout = 5 * time.Second // for all connections together
	dialsMax    = 64              // at a time, so that no node's backlog overflows
	secondLook  = time.Second     // at what did not answer as a node does
)

// connect dials so many connections, dealt to addrs in turn, and exchanges hellos; all of them, or none and the first
// failure. Each may take as long as a request, if timeout is not 0.
func connect(ctx context.Context, addrs []string, conns int, timeout time.Duration) ([]*link, error) {
	each := dialTimeout
	if timeout > 0 {
		each = min(each, timeout)
	}
	whole := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, fmt.Errorf("bench: no %d connections within %v", conns, dialTimeout))
	defer cancel()
	links := make([]*link, conns)
	failures := make([]error, conns)
	gate := make(chan struct{}, dialsMax)
	var wg sync.WaitGroup
	for i := range links {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			addr := addrs[i%len(addrs)]
			one, cancel := context.WithTimeout(ctx, each)
			defer cancel()
			conn, err := dial(one, addr)
			if err != nil {
				failures[i] = err
				return
			}
			links[i] = newLink(conn, addr)
		})
	}
	wg.Wait()
	for _, err := range failures {
		if err != nil {
			closeAll(links)
			return nil, identify(whole, err, min(each, secondLook))
		}
	}
	return links, nil
}

// identify has the client library connect where this failed: it finds out what a server is that is no node, and says it
// in the words of every other command.
func identify(ctx context.Context, err error, timeout time.Duration) error {
	failed, ok := errors.AsType[*client.ConnectError](err)
	if !ok || ctx.Err() != nil {
		return err
	}
	cl, again := client.Dial(ctx, []string{failed.Addr}, client.WithDialTimeout(timeout), client.WithoutRouting())
	if again == nil {
		cl.Close()
		return err
	}
	if said, ok := errors.AsType[*client.ConnectError](again); ok {
		return said
	}
	return err
}

// dial connects to a node and says hello. The node sends nothing after its own hello until it is asked, so what was
// read ends there.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, lost(addr, err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	if err := greet(conn); err != nil {
		_ = conn.Close()
		return nil, lost(addr, err)
	}
	return conn, nil
}

func greet(conn net.Conn) error {
	mine := wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleClient, Wall: time.Now().UnixMilli()}
	if _, err := conn.Write(wire.AppendHello(nil, &mine)); err != nil {
		return err
	}
	limits := wire.Limits{Frame: wire.HelloMax}
	buf := make([]byte, wire.FrameHeader+wire.HelloMax)
	for filled := 0; ; {
		n, err := conn.Read(buf[filled:])
		filled += n
		frame, rest, bad := wire.NextFrame(buf[:filled], &limits)
		switch {
		case bad != nil:
			return fmt.Errorf("it does not answer as a node does: %w", bad)
		case frame != nil:
			var theirs wire.Hello
			if err := wire.DecodeHello(frame, &theirs); err != nil {
				return err
			}
			if theirs.Error != "" {
				return errors.New(theirs.Error)
			}
			if len(rest) > 0 {
				return errors.New("it said more than its hello before it was asked")
			}
			return nil
		case err != nil:
			return err
		}
	}
}

// lost is the failure of a connection, while it is made or later.
func lost(addr string, err error) error {
	return &client.ConnectError{Addr: addr, Reason: err.Error(), Err: err}
}

func closeAll(links []*link) {
	for _, l := range links {
		if l != nil {
			_ = l.conn.Close()
		}
	}
}
