package server

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/shoalcache/shoal/coordinator"
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
	c := &respConn{n: n, reader: frameReader{conn: nc}, version: resp.RESP2}
	c.parser.Limits = resp.Limits{
		Args: resp.ArgsMax, Bulk: max(n.cfg.Limits.Value, n.cfg.Limits.Key), Bytes: n.cfg.Limits.Frame, Inline: resp.DefaultLimits().Inline,
	}
	c.line.ReplyMax = min(n.cfg.Limits.Frame, n.cfg.tuning.connBytes/2)
	c.news.L = &c.mu
	c.pipe = newPipe(nc, n.cfg.tuning.connBytes, n.cfg.tuning.connStall, func(err error) {
		if errors.Is(err, errFull) || errors.Is(err, os.ErrDeadlineExceeded) {
			n.counts.clientsCut.Add(1)
			n.log.Warn("Redis client cut off: it does not read its replies", zap.String("addr", nc.RemoteAddr().String()))
		}
		c.close()
	})
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
			if len(c.replies) > connBytesSoft { // small commands can have large replies
				c.flush()
				c.pipe.wait(connBytesSoft)
			}
		}
		c.flush()
		c.shrink()
		c.pipe.wait(connBytesSoft)
		if c.reader.fill(c.parser.Wants()) != nil {
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
		c.n.counts.crossProtocol.Add(1)
		c.n.log.Warn("HTTP on the Redis port: closed", zap.String("addr", c.reader.conn.RemoteAddr().String()))
		return
	}
	c.reply(resp.AppendError(nil, e.Reply()))
	c.finish()
}

// finish waits until every reply has been written.
func (c *respConn) finish() {
	c.mu.Lock()
	for c.line.Len() > 0 && c.pause() {
	}
	c.mu.Unlock()
	c.flush()
	c.pipe.wait(0)
}

// execute carries out one command; false ends the connection.
func (c *respConn) execute(args [][]byte) bool {
	command, err := resp.Lookup(args)
	var plan resp.Plan
	if err == nil {
		plan, err = resp.NewPlan(command, args, c.now.Wall)
	}
	switch refusal, refused := err.(resp.CommandError); {
	case refused:
		return c.reply(resp.AppendError(nil, string(refusal)))
	case plan.Keys == 0:
		return c.tell(command.ID, args)
	case plan.Single():
		return c.single(&plan, args)
	default:
		return c.several(&plan, args)
	}
}

// reply is what answers a command that asks nobody.
func (c *respConn) reply(b []byte) bool {
	if !c.busy.Load() {
		c.replies = append(c.replies, b...)
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.room() {
		return false
	}
	c.line.Reply(b)
	c.ready = c.line.Advance(c.ready)
	return true
}

// single carries out a command of one key and one step.
func (c *respConn) single(plan *resp.Plan, args [][]byte) bool {
	op, key, value := plan.Read|plan.Write, args[1], []byte(nil)
	if op == wire.OpSet {
		value = args[2]
	}
	if !c.busy.Load() && len(key)+len(value) < largeFrame {
		// Nothing is in its way: most likely the answer is there at once, and never has to wait in line.
		ticket := resp.Ticket(c.line.Next(), 0)
		c.ask(ticket, op, key, value, plan.TTL)
		if r := c.answered(ticket); r != nil {
			c.replies = resp.AppendAnswer(c.replies, c.version, plan.Shape, r, c.now.Wall)
			return true
		}
		c.mu.Lock()
		c.queue()
		n := c.line.Single(c.version, plan.Shape)
		c.line.Enter(n, 0, hash(key), op.Writes())
		c.ready = c.line.Early(c.ready, n, c.now.Wall)
		c.mu.Unlock()
		return true
	}
	c.mu.Lock()
	c.queue()
	if !c.room() {
		c.mu.Unlock()
		return false
	}
	n := c.line.Single(c.version, plan.Shape)
	entered := c.enter(n, 0, key, op)
	c.mu.Unlock()
	if entered {
		c.ask(resp.Ticket(n, 0), op, key, value, plan.TTL)
		c.relieve()
	}
	return entered
}

// several carries out a command of several keys, or of two steps. The keys are asked for at once, the steps
// one after the other.
func (c *respConn) several(plan *resp.Plan, args [][]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue()
	if !c.room() {
		return false
	}
	n := c.line.Open(c.version, plan.Shape, plan.Keys)
	step := func(op wire.Op, i int, ttl int64) bool {
		key, value := args[1+i*plan.Step], []byte(nil)
		if op == wire.OpSet {
			value = args[2+i*plan.Step]
		}
		if !c.enter(n, i, key, op) {
			return false
		}
		c.mu.Unlock()
		c.ask(resp.Ticket(n, i), op, key, value, ttl)
		c.relieve()
		c.mu.Lock()
		return true
	}
	first := plan.Read
	if first == 0 {
		first = plan.Write
	}
	for i := range plan.Keys {
		if !step(first, i, plan.TTL) {
			return false
		}
	}
	if first != plan.Write && plan.Write != 0 {
		for c.line.Waiting(n) {
			if !c.pause() {
				return false
			}
		}
		for i := range plan.Keys {
			if ttl, write := c.line.Then(n, i, plan, c.now.Wall); write && !step(plan.Write, i, ttl) {
				return false
			}
		}
	}
	c.ready = c.line.Close(c.ready, n, c.now.Wall)
	return true
}

// queue puts the replies that wait for nothing before what is to wait. Called with mu held.
func (c *respConn) queue() {
	c.busy.Store(true)
	c.ready = append(c.ready, c.replies...)
	c.replies = c.replies[:0]
}

// room waits until there is some for another command and its reply; false when the connection is closed. Called
// with mu held.
func (c *respConn) room() bool {
	for {
		switch {
		case c.pipe.held() > connBytesSoft:
			c.mu.Unlock()
			c.flush()
			c.pipe.wait(connBytesSoft)
			c.mu.Lock()
		case c.line.Len() >= connCallsMax, c.line.Held() > connBytesSoft:
			if !c.pause() {
				return false
			}
		default:
			return !c.closed
		}
	}
}

// enter puts a key in line, as soon as nothing under way is against it and what is may not bring too much. Called
// with mu held.
func (c *respConn) enter(n uint64, i int, key []byte, op wire.Op) bool {
	h := hash(key)
	for c.line.Asked() >= connCallsMax || c.line.Flying() > connBytesSoft || !c.line.Enter(n, i, h, op.Writes()) {
		if !c.pause() {
			return false
		}
	}
	return true
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

// ask sends a request for one key on its way.
func (c *respConn) ask(ticket uint64, op wire.Op, key, value []byte, ttl int64) {
	r := &c.request
	r.Op, r.Key, r.Value, r.TTL = op, key, value, ttl
	c.sent = true
	client := coordinator.Client{Conn: c.id, ID: ticket}
	frame := []byte(nil)
	if op.Writes() && len(c.n.view.Load().Table.Nodes()) > 1 { // an owner may have to coordinate it
		c.frame = wire.AppendRequest(c.frame[:0], r)
		frame = c.frame[wire.FrameHeader:]
	}
	if size := len(key) + len(value); size >= largeFrame {
		c.n.makeRoom(key, size, func(now vclock.Now) {
			c.n.request(now, client, r, frame, &c.out)
			c.n.flush(&c.out, c, nil)
		})
		return
	}
	c.n.request(c.now, client, r, frame, &c.out)
}

// answered takes the answer to the only request under way out of the outbox, nil when it is not there. It is
// valid until the next request.
func (c *respConn) answered(ticket uint64) *wire.Response {
	for i := range c.out.Conns {
		p := &c.out.Conns[i]
		if p.To != c.id || p.Count != 1 {
			continue
		}
		frame, _, err := wire.NextFrame(p.Frames, &c.n.cfg.Limits)
		if err != nil || wire.DecodeResponse(frame, &c.own, &c.n.cfg.Limits) != nil || c.own.ID != ticket {
			return nil
		}
		p.Frames, p.Count = p.Frames[:0], 0
		c.inline++
		return &c.own
	}
	return nil
}

// relieve sends a batch that has grown large before it is whole.
func (c *respConn) relieve() {
	if len(c.out.Conns) > 0 && len(c.out.Conns[0].Frames) > connBytesSoft {
		c.n.flush(&c.out, c, nil)
	}
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
	full := c.line.Held() > c.n.cfg.tuning.connBytes
	c.mu.Unlock()
	if full {
		c.pipe.fail(errFull)
	}
}

func (c *respConn) number() uint64 { return c.id }

func (c *respConn) answer(frames []byte, count int) {
	if count == 0 {
		return
	}
	wall := c.n.clock.now().Wall
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
		c.ready = c.line.Answer(c.ready, c.answers.ID, &c.answers, wall)
	}
	c.answers.Value = nil
	c.send()
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
	c.own.Value = nil
	if cap(c.frame) > respKept {
		c.frame = nil
	}
	if cap(c.replies) > respKept {
		c.replies = nil
	}
}
