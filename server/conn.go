package server

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

const (
	connBytesSoft = 1 << 20 // answers unread before no more of its requests are read
	connCallsMax  = 4096    // requests of one connection under way before no more are read
)

// conn is one client connection. One goroutine reads it: all that has come is parsed, carried out, and
// answered with one write; answers that wait for other nodes are written by whoever brings them.
type conn struct {
	n      *Node
	id     uint64
	reader frameReader
	pipe   *pipe
	out    replica.Outbox

	mu      sync.Mutex
	room    sync.Cond // fewer calls under way, or closed
	calls   int
	closed  bool
	gathers map[uint64]*coordinator.Gather
	parts   uint64 // gather ids given
}

func (n *Node) acceptClient(nc net.Conn) {
	c := &conn{n: n, reader: frameReader{conn: nc, limits: n.cfg.Limits, ration: &n.unread, patience: n.cfg.tuning.connStall}}
	defer c.reader.reserve(0)
	c.room.L = &c.mu
	c.pipe = newPipe(nc, n.cfg.tuning.connBytes, n.cfg.tuning.connStall, func(err error) {
		if errors.Is(err, errFull) || errors.Is(err, os.ErrDeadlineExceeded) {
			n.counts.clientsCut.Add(1)
			n.log.Warn("client cut off: it does not read its answers", zap.String("addr", nc.RemoteAddr().String()))
		}
		c.close()
	})
	c.pipe.ration = &n.unread
	defer c.pipe.close()
	var h wire.Hello
	if !n.admit(&c.reader, &h) {
		return
	}
	refusal := ""
	switch {
	case h.Version != wire.ProtocolVersion:
		refusal = "this node speaks another version of the protocol: upgrade the older of client and node"
	case h.Role != wire.RoleClient:
		refusal = "this port is for clients: nodes use the peer port"
	case h.ClusterID != 0 && h.ClusterID != n.clusterID():
		refusal = "this node belongs to another cluster than the client was made for"
	default:
		if c.id = n.register(c); c.id != 0 {
			defer n.forget(c.id)
			break
		}
		refusal = "too many connections: use fewer, with more requests on each"
	}
	_ = nc.SetWriteDeadline(time.Now().Add(helloTimeout))
	if _, err := nc.Write(wire.AppendHello(nil, n.hello(wire.RoleNode, refusal))); err != nil || refusal != "" {
		return
	}
	_ = nc.SetWriteDeadline(time.Time{})
	n.wg.Go(c.pipe.run)
	c.serve()
	c.close()
}

// serve reads until the connection ends or its framing is lost.
func (c *conn) serve() {
	var r wire.Request
	for {
		now := c.n.clock.now()
		began := 0
		for {
			frame, err := c.reader.next()
			if err != nil { // the stream cannot be cut any more
				c.n.counts.badBytes.Add(1)
				c.n.flush(&c.out, c, nil)
				return
			}
			if frame == nil {
				break
			}
			began++
			c.handle(now, frame, &r)
			if len(frame) >= largeFrame { // it may have waited
				now = c.n.clock.now()
			}
			if c.answers() > connBytesSoft { // small requests can have large answers
				c.flush(now, began)
				began = 0
				c.pipe.wait(connBytesSoft)
				now = c.n.clock.now() // the client takes its time
			}
		}
		c.flush(now, began)
		c.pipe.wait(connBytesSoft)
		c.n.unread.drain(roomPatience)
		if c.reader.large() {
			r = wire.Request{}
		}
		if !c.wait() {
			return
		}
		if err := c.reader.read(); err != nil {
			c.n.unheard(c.reader.conn, err)
			return
		}
	}
}

// answers is how many bytes wait in the outbox for this connection.
func (c *conn) answers() int {
	if len(c.out.Conns) == 0 {
		return 0
	}
	return len(c.out.Conns[0].Frames)
}

// flush sends what the batch brought, and counts what was answered at once.
func (c *conn) flush(now vclock.Now, began int) {
	if began == 0 {
		return
	}
	c.mu.Lock()
	c.calls += began
	c.mu.Unlock()
	c.n.flushSince(now, &c.out, c)
}

func (c *conn) number() uint64 { return c.id }

func (c *conn) answer(frames []byte, count int) {
	c.pipe.push(frames)
	c.answered(count)
}

func (c *conn) cut() {
	c.pipe.close()
	c.close()
}

// answered counts calls that are over.
func (c *conn) answered(n int) {
	c.mu.Lock()
	c.calls -= n
	c.room.Broadcast()
	c.mu.Unlock()
}

// wait returns once the connection has room for more calls; false when it is closed.
func (c *conn) wait() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.calls >= connCallsMax && !c.closed {
		c.room.Wait()
	}
	return !c.closed
}

func (c *conn) close() {
	c.mu.Lock()
	c.closed = true
	for id, g := range c.gathers {
		delete(c.gathers, id)
		c.n.unread.add(-g.Bytes())
	}
	c.room.Broadcast()
	c.mu.Unlock()
}

// handle carries out one request.
func (c *conn) handle(now vclock.Now, frame []byte, r *wire.Request) {
	client := coordinator.Client{Conn: c.id}
	if err := wire.DecodeRequest(frame, r, &c.n.cfg.Limits); err != nil {
		c.n.counts.badBytes.Add(1)
		client.ID = r.ID
		c.out.Answer(client, unreadable(r.Op, err))
		return
	}
	client.ID = r.ID
	if r.Op == wire.OpMGet {
		c.multiGet(now, client, r, frame)
		return
	}
	c.n.carryOut(now, client, r, frame, &c.out, c)
}

// multiGet reads every key on its own; the answers meet in a gather.
func (c *conn) multiGet(now vclock.Now, client coordinator.Client, r *wire.Request, frame []byte) {
	if len(r.Keys) == 0 {
		c.out.Answer(client, &wire.Response{Status: wire.StatusOK})
		return
	}
	c.mu.Lock()
	if c.closed { // nobody would let go of what comes
		c.mu.Unlock()
		return
	}
	if c.gathers == nil {
		c.gathers = map[uint64]*coordinator.Gather{}
	}
	c.parts++
	part := coordinator.Client{Conn: c.id, ID: c.parts}
	c.gathers[part.ID] = coordinator.NewGather(client.ID, len(r.Keys), c.n.cfg.Limits.Frame)
	c.mu.Unlock()
	keys := r.Keys
	one := *r
	one.Op, one.Keys = wire.OpGet, nil
	for i, k := range keys {
		part.Part = uint32(i + 1)
		one.Key = k
		c.n.request(now, part, &one, frame, &c.out)
		c.n.parts(&c.out, c) // thousands of values need not be held twice
	}
}

// gather adds one key's answer, and counts its value with those that clients leave unread: it waits for the others. True when it was
// the last.
func (c *conn) gather(g *coordinator.Gather, key int, r *wire.Response) bool {
	had := g.Bytes()
	if len(r.Value) > 0 && !c.n.unread.lets(len(r.Value), had) {
		r.Status, r.Value = wire.StatusOverloaded, nil
		r.Err = &wire.Error{Op: wire.OpMGet, Text: "more values wait for others of their multi-gets than may: ask for fewer keys at a time"}
	}
	last := g.Add(key, r)
	c.n.unread.add(g.Bytes() - had)
	return last
}

// part takes one key's answer to a multi-get; the last one answers it.
func (c *conn) part(p *replica.Part) {
	var r wire.Response
	if err := wire.DecodeResponse(p.Frame, &r, &c.n.cfg.Limits); err != nil {
		r = wire.Response{Status: wire.StatusInternal, Err: &wire.Error{Op: wire.OpGet, Text: err.Error()}}
	}
	c.mu.Lock()
	g := c.gathers[p.ID]
	whole := g != nil && c.gather(g, p.Key, &r)
	if whole {
		delete(c.gathers, p.ID)
		c.n.unread.add(-g.Bytes())
	}
	c.mu.Unlock()
	if whole {
		resp := g.Response()
		c.pipe.push(wire.AppendResponse(nil, &resp))
		c.answered(1)
	}
}
