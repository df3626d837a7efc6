package gossip

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/vmihailenco/msgpack/v5"
	"go.uber.org/zap"
)

// connsMax is how many incoming connections are read at once; others wait in the kernel's queue. It bounds
// what strangers can make a node hold at connsMax × streamMax.
const connsMax = 32

// drainMax is how much of a refused stream is read, so that its sender gets to read why.
const drainMax = streamMax

// guard stands between the sockets and memberlist, which accepts without bound, believes lengths, may
// wait for ever on a connection it opened, and leaves connections open when it shuts down.
//
//	socket → NetTransport → guard: check, limit, count → memberlist
type guard struct {
	*memberlist.NetTransport
	rules   rules
	log     *zap.Logger
	count   *counters
	packets chan *memberlist.Packet
	streams chan net.Conn
	slots   chan struct{} // one per incoming connection
	from    net.Addr      // that connections leave from, as packets do; nil: the system chooses

	ctx     context.Context // ends with Shutdown
	cancel  context.CancelFunc
	stopped chan struct{} // closed when the sockets are
	wg      sync.WaitGroup

	mu    sync.Mutex
	down  bool
	conns map[*guardedConn]struct{} // nil after Shutdown
}

func newGuard(inner *memberlist.NetTransport, from net.Addr, r rules, log *zap.Logger, count *counters) *guard {
	g := &guard{
		NetTransport: inner, from: from, rules: r, log: log, count: count,
		packets: make(chan *memberlist.Packet), streams: make(chan net.Conn), slots: make(chan struct{}, connsMax),
		stopped: make(chan struct{}), conns: map[*guardedConn]struct{}{},
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.wg.Go(g.passPackets)
	g.wg.Go(g.passStreams)
	return g
}

// PacketCh yields the packets that passed the check.
func (g *guard) PacketCh() <-chan *memberlist.Packet { return g.packets }

// StreamCh yields incoming connections, which check themselves when first read.
func (g *guard) StreamCh() <-chan net.Conn { return g.streams }

// The two that pass on keep taking from the sockets until those are closed: NetTransport's shutdown waits
// for readers that wait to hand over.
func (g *guard) passPackets() {
	for {
		select {
		case p := <-g.NetTransport.PacketCh():
			if err := g.rules.packet(p.Buf); err != nil {
				g.count.refusedBytes.Add(1)
				g.log.Warn("refused a packet", zap.Error(err), zap.Stringer("from", p.From))
				continue
			}
			p.Buf = bytes.Clone(p.Buf) // the buffer has 64 KiB, and memberlist queues parts of it
			select {
			case g.packets <- p:
			case <-g.ctx.Done():
			}
		case <-g.stopped:
			return
		}
	}
}

func (g *guard) passStreams() {
	for {
		select {
		case c := <-g.NetTransport.StreamCh():
			g.passStream(c)
		case <-g.stopped:
			return
		}
	}
}

func (g *guard) passStream(c net.Conn) {
	select {
	case g.slots <- struct{}{}:
	case <-g.ctx.Done():
		_ = c.Close()
		return
	}
	in := &guardedConn{Conn: c, guard: g, incoming: true}
	if !g.track(in) {
		return
	}
	select {
	case g.streams <- in:
	case <-g.ctx.Done():
		_ = in.Close()
	}
}

// DialTimeout opens a connection that ends after timeout.
func (g *guard) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return g.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout opens a connection that ends after timeout, or with Shutdown: memberlist sends user messages
// without a deadline, so that one node that does not read could stop all that wait behind it.
func (g *guard) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	deadline := time.Now().Add(timeout)
	dialer := net.Dialer{Deadline: deadline, LocalAddr: g.from}
	c, err := dialer.DialContext(g.ctx, "tcp", a.Addr)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(deadline); err != nil {
		_ = c.Close()
		return nil, err
	}
	out := &guardedConn{Conn: c, guard: g}
	if !g.track(out) {
		return nil, net.ErrClosed
	}
	return out, nil
}

// Shutdown closes the sockets and every connection, and returns when nothing of the guard runs any more.
// A second call does nothing: memberlist makes the first where it fails to start.
func (g *guard) Shutdown() error {
	g.mu.Lock()
	down := g.down
	g.down = true
	g.mu.Unlock()
	if down {
		return nil
	}
	g.cancel()
	err := g.NetTransport.Shutdown()
	g.mu.Lock()
	conns := g.conns
	g.conns = nil
	g.mu.Unlock()
	for c := range conns {
		_ = c.Close()
	}
	close(g.stopped)
	g.wg.Wait()
	return err
}

// track registers an open connection; after Shutdown it closes it and reports false.
func (g *guard) track(c *guardedConn) bool {
	g.mu.Lock()
	open := g.conns != nil
	if open {
		g.conns[c] = struct{}{}
	}
	g.mu.Unlock()
	if !open {
		_ = c.Close()
	}
	return open
}

// guardedConn is one connection of memberlist's, either way. One goroutine uses it, Shutdown may close it.
type guardedConn struct {
	net.Conn
	guard    *guard
	incoming bool
	reader   io.Reader // what was read for the check, then the connection; nil before the check
	once     sync.Once
}

// Read checks what an incoming stream begins with before it yields any of it. memberlist has set the deadline.
func (c *guardedConn) Read(p []byte) (int, error) {
	if !c.incoming {
		return c.Conn.Read(p)
	}
	if c.reader == nil {
		var seen bytes.Buffer
		if err := c.guard.rules.stream(bufio.NewReader(io.TeeReader(c.Conn, &seen))); err != nil {
			if seen.Len() == 0 { // a port scan, a health check: nothing was said
				return 0, io.EOF
			}
			c.guard.count.refusedBytes.Add(1)
			c.answer(err)
			return 0, err // memberlist logs it
		}
		c.reader = io.LimitReader(io.MultiReader(&seen, c.Conn), streamMax)
	}
	return c.reader.Read(p)
}

// answer tells a node of another cluster name so, in memberlist's words. With a key nothing is told to strangers.
func (c *guardedConn) answer(err error) {
	var label *labelError
	if c.guard.rules.keyed || !errors.As(err, &label) {
		return
	}
	text, err := msgpack.Marshal(map[string]string{"Error": label.Error()})
	if err != nil {
		return
	}
	if _, err := c.Conn.Write(append([]byte{typeError}, text...)); err == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, drainMax) // a close with bytes unread would take the answer back
	}
}

// Write closes the connection when it fails: memberlist loses one whose label could not be written.
func (c *guardedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		_ = c.Close()
	}
	return n, err
}

// Close closes the connection and gives back its slot, once.
func (c *guardedConn) Close() (err error) {
	c.once.Do(func() {
		err = c.Conn.Close()
		c.guard.mu.Lock()
		delete(c.guard.conns, c)
		c.guard.mu.Unlock()
		if c.incoming {
			<-c.guard.slots
		}
	})
	return err
}
