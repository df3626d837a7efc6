package server

import (
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/server/resp"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Commands about keys, as the reader of a connection carries them out: most are answered at once and never wait; the
// others take their place in line.

// execute carries out one command; false ends the connection.
func (c *respConn) execute(args [][]byte) bool {
	command, err := resp.Lookup(args)
	var plan resp.Plan
	if err == nil {
		plan, err = resp.NewPlan(command, args, c.now.Wall)
	}
	if err == nil && !plan.Single() {
		err = resp.CheckKeys(&plan, args, c.n.cfg.Limits.Key)
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
	if op == wire.OpSet || op == wire.OpAppend {
		value = args[2]
	}
	if !c.busy.Load() && len(key)+len(value) < largeFrame {
		// Nothing is in its way: most likely the answer is there at once, and never has to wait in line.
		ticket := resp.Ticket(c.line.Next(), 0)
		c.ask(ticket, plan, op, key, value, plan.Life(c.now.Wall))
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
		c.ask(resp.Ticket(n, 0), plan, op, key, value, plan.Life(c.now.Wall))
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
		if plan.Until != 0 { // less is left of it than there was
			ttl = plan.Life(c.now.Wall)
		}
		c.mu.Unlock()
		c.ask(resp.Ticket(n, i), plan, op, key, value, ttl)
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
	for !c.closed {
		switch {
		case c.pipe.held() > c.soft:
			c.mu.Unlock()
			c.flush()
			c.await(c.soft)
			c.mu.Lock()
		case c.line.Len() >= connCallsMax, c.line.Held() > c.soft:
			c.pause()
		default:
			return true
		}
	}
	return false
}

// enter puts a key in line, as soon as nothing under way is against it and what is may not bring too much. Called
// with mu held.
func (c *respConn) enter(n uint64, i int, key []byte, op wire.Op) bool {
	h := hash(key)
	for c.line.Asked() >= connCallsMax || c.line.Flying() > c.soft || !c.line.Enter(n, i, h, op.Writes()) {
		if !c.pause() {
			return false
		}
	}
	return true
}

// ask sends a request for one key on its way.
func (c *respConn) ask(ticket uint64, plan *resp.Plan, op wire.Op, key, value []byte, ttl int64) {
	r := &c.request
	r.Op, r.Key, r.Value, r.TTL = op, key, value, ttl
	r.Condition, r.Previous, r.By = wire.Always, false, 0
	switch op {
	case wire.OpSet, wire.OpDelete:
		r.Condition, r.Previous = plan.Condition, plan.Previous
	case wire.OpIncr:
		r.By = plan.By
	}
	c.sent = true
	client := coordinator.Client{Conn: c.id, ID: ticket}
	frame := []byte(nil)
	if op.Writes() { // an owner may have to coordinate it, one that joins this moment among them
		c.frame = wire.AppendRequest(c.frame[:0], r)
		frame = c.frame[wire.FrameHeader:]
	}
	if size := len(key) + len(value); size >= largeFrame {
		c.n.makeRoom(key, size, func(now vclock.Now) {
			c.n.request(now, client, r, frame, &c.out)
			c.n.flush(&c.out, c, nil)
		})
		c.now = c.n.clock.now() // it may have waited
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
	if len(c.out.Conns) > 0 && len(c.out.Conns[0].Frames) > c.soft {
		c.n.flush(&c.out, c, nil)
	}
}
