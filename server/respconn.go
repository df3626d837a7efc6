package server

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/server/resp"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// respKept is the largest buffer of its own that an idle connection of a Redis client keeps.
const respKept = 16 << 10

// respConn is the connection of a Redis client. One goroutine reads it: all that has come is parsed and carried
// out, and what could be answered is written at once. What waits for other nodes waits in line; replies leave
// in the order of the commands, by whoever brings the answer that they wait for.
type respConn struct {
	n      *Node
	id     uint64
	reader frameReader
	parser resp.Parser
	pipe   *pipe
	soft   int // bytes of replies that wait, and as many that may come, before no more commands are taken

	// The reader's own.
	now     vclock.Now
	out     replica.Outbox
	sent    bool   // the outbox has something in it
	inline  int    // answers that came with their requests, not counted yet
	replies []byte // of commands that waited for nothing; while the line has any, there are none
	frame   []byte
	request wire.Request
	own     wire.Response // memory for decoding
	version resp.Version
	name    string

	busy atomic.Bool // the line has commands, or had a moment ago

	mu      sync.Mutex
	news    sync.Cond // an answer came, or it is closed
	waits   bool      // the reader does
	line    resp.Line
	answers wire.Response // memory for decoding
	ready   []byte        // replies to send
	spare   []byte
	sending bool // somebody is, and comes back for more
	closed  bool
}

func (n *Node) acceptResp(nc net.Conn) {
	c := &respConn{n: n, reader: frameReader{conn: nc, ration: &n.unread, patience: n.cfg.tuning.connStall}, version: resp.RESP2}
	defer c.reader.reserve(0)
	c.parser.Limits = resp.Limits{
		Args: resp.ArgsMax, Bulk: max(n.cfg.Limits.Value, n.cfg.Limits.Key), Bytes: n.cfg.Limits.Frame, Inline: resp.DefaultLimits().Inline,
	}
	c.soft = min(connBytesSoft, n.cfg.tuning.connBytes/8)
	c.line.ReplyMax = min(n.cfg.Limits.Frame, n.cfg.tuning.connBytes/2)
	c.news.L = &c.mu
	c.pipe = newPipe(nc, n.cfg.tuning.connBytes, n.cfg.tuning.connStall, func(err error) {
		if errors.Is(err, errFull) || errors.Is(err, os.ErrDeadlineExceeded) {
			n.counts.clientsCut.Add(1)
			n.log.Warn("Redis client cut off: it does not read its replies", zap.String("addr", nc.RemoteAddr().String()))
		}
		c.close()
	})
	c.pipe.ration = &n.unread
	defer c.pipe.close()
	n.wg.Go(c.pipe.run)
	if c.id = n.register(c); c.id == 0 {
		c.pipe.push(resp.AppendError(nil, "ERR max number of clients reached"))
		return
	}
	defer n.forget(c.id)
	c.serve()
	c.close()
}

// serve reads until the connection ends, or what comes is no command.
func (c *respConn) serve() {
	for {
		c.now = c.n.clock.now()
		for {
			args, taken, err := c.parser.Next(c.reader.unread())
			if err != nil {
				c.refuse(err)
				return
			}
			if taken == 0 {
				break
			}
			c.reader.start += taken
			if len(args) > 0 && !c.execute(args) {
				return
			}
			if len(c.replies) > c.soft { // small commands can have large replies
				c.flush()
				c.await(c.soft)
			}
		}
		c.flush()
		c.shrink()
		c.await(c.soft)
		c.n.unread.drain(roomPatience)
		if err := c.reader.fill(c.parser.Wants()); err != nil {
			if errors.Is(err, io.EOF) { // it has nothing more to say, and may still listen
				c.finish()
			}
			c.n.unheard(c.reader.conn, err)
			return
		}
	}
}

// refuse ends a stream that cannot be cut any more, once everything before is answered. A browser that was
// made to send it learns nothing.
func (c *respConn) refuse(err error) {
	c.n.counts.badBytes.Add(1)
	e, ok := errors.AsType[*resp.ProtocolError](err)
	if !ok || e.HTTP {
		if k := c.n.counts.crossProtocol.Add(1); k&(k-1) == 0 { // whoever sends many gets few lines in the log
			c.n.log.Warn("HTTP on the Redis port: closed", zap.String("addr", c.reader.conn.RemoteAddr().String()), zap.Uint64("count", k))
		}
		return
	}
	c.reply(resp.AppendError(nil, e.Reply()))
	c.finish()
	c.linger()
}

// linger throws away what a client goes on to send, for as long as one may stall: who is in the middle of a value that is too large
// reads nothing before it has sent all of it, and a socket that is closed with bytes unread takes back what was written.
func (c *respConn) linger() {
	conn, ok := c.reader.conn.(*net.TCPConn)
	if !ok || conn.CloseWrite() != nil {
		return
	}
	c.reader.buf = make([]byte, readLeast)
	c.reader.reserve(0)
	_ = conn.SetReadDeadline(time.Now().Add(c.n.cfg.tuning.connStall))
	for {
		if _, err := conn.Read(c.reader.buf); err != nil {
			return
		}
	}
}

// finish waits until every reply has been written.
func (c *respConn) finish() {
	c.mu.Lock()
	for c.line.Len() > 0 && c.pause() {
	}
	c.mu.Unlock()
	c.flush()
	c.await(0)
}

// await returns once no more than limit bytes are left to be read by the client, which takes its time: what
// follows happens later than what came before.
func (c *respConn) await(limit int) {
	c.pipe.wait(limit)
	c.now = c.n.clock.now()
}

// pause sends what there is to send, or waits for an answer; false when the connection is closed. Called with mu
// held, which it lets go of meanwhile.
func (c *respConn) pause() bool {
	if c.closed {
		return false
	}
	if c.sent || len(c.ready) > 0 && !c.sending {
		c.mu.Unlock()
		c.flush()
		c.mu.Lock()
		return true // much may have changed: look again
	}
	c.waits = true
	c.news.Wait()
	c.waits = false
	c.now = c.n.clock.now()
	return !c.closed
}

// flush sends what the batch brought, and the replies that are ready.
func (c *respConn) flush() {
	if c.sent {
		c.sent = false
		c.n.flush(&c.out, c, nil)
	}
	if c.inline > 0 {
		c.n.meter.inline(c.n.clock.now().Mono-c.now.Mono, c.inline)
		c.inline = 0
	}
	c.mu.Lock()
	if len(c.ready) == 0 {
		c.ready, c.replies = c.replies, c.ready
	} else {
		c.ready = append(c.ready, c.replies...)
		c.replies = c.replies[:0]
	}
	c.send()
}

// send pushes the replies that are ready, unless somebody is doing that, and wakes the reader. Called with mu
// held, which it lets go of.
func (c *respConn) send() {
	c.busy.Store(c.line.Len() > 0)
	if c.waits {
		c.news.Broadcast()
	}
	for !c.sending && len(c.ready) > 0 {
		out := c.ready
		c.ready, c.spare, c.sending = c.spare[:0], nil, true
		c.mu.Unlock()
		c.pipe.push(out)
		c.mu.Lock()
		if c.sending = false; cap(out) <= respKept {
			c.spare = out
		}
	}
	c.mu.Unlock()
}

func (c *respConn) number() uint64 { return c.id }

func (c *respConn) answer(frames []byte, count int) {
	if count == 0 {
		return
	}
	wall := c.n.clock.now().Wall
	unread := c.pipe.held()
	c.mu.Lock()
	for {
		frame, rest, err := wire.NextFrame(frames, &c.n.cfg.Limits)
		if err != nil || frame == nil {
			break
		}
		frames = rest
		if err := wire.DecodeResponse(frame, &c.answers, &c.n.cfg.Limits); err != nil {
			c.answers.Status, c.answers.Err = wire.StatusInternal, &wire.Error{Text: err.Error()}
		}
		c.fit(&c.answers, unread+len(c.ready)+c.line.Answers())
		c.ready = c.line.Answer(c.ready, c.answers.ID, &c.answers, wall)
	}
	c.answers.Value = nil
	c.send()
}

// fit leaves a value out that would have more wait for the client than may: they turned out larger than those before.
// A client that reads is not cut off for it, and can ask again.
func (c *respConn) fit(r *wire.Response, waiting int) {
	most := c.n.cfg.tuning.connBytes / 4 * 3 // the rest is for replies without values
	if len(r.Value) == 0 || waiting == 0 || waiting+len(r.Value) <= most {
		return
	}
	r.Status, r.Value = wire.StatusOverloaded, nil
	r.Err = &wire.Error{Op: wire.OpGet, Text: "more replies wait for this connection than may: ask for fewer at a time"}
}

func (c *respConn) cut() {
	c.pipe.close()
	c.close()
}

func (c *respConn) close() {
	c.mu.Lock()
	c.closed = true
	c.news.Broadcast()
	c.mu.Unlock()
}

// shrink lets go of what one large batch left, so that an idle connection holds little.
func (c *respConn) shrink() {
	if c.reader.large() {
		c.request = wire.Request{}
	}
	c.own.Value, c.own.Items = nil, nil
	if cap(c.frame) > respKept {
		c.frame = nil
	}
	if cap(c.replies) > respKept {
		c.replies = nil
	}
}
