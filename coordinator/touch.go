package coordinator

import (
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Touch sets or clears a key's deadline without stamping its value again: a quorum read names the
// version, then its deadline register is written at the owners. A newer version met on the way is aimed
// at instead, so an EXPIRE never undoes a write (I8).
type Touch struct {
	read    read
	write   write
	client  Client
	at      int64
	writing bool
	ended   bool
}

// Start begins with the read of phase one.
func (t *Touch) Start(e *Env, c *Call) {
	t.client, t.at, t.writing, t.ended = c.Client, c.At, false, false
	t.write.begin(c, wire.KindRetime)
	r := *c
	r.Quorum = c.Reads
	t.read.start(e, &r)
	if t.read.verdict != pending {
		t.aim(e)
	}
}

// aim starts phase two at the version that was read, or answers that there is none.
func (t *Touch) aim(e *Env) {
	r, w := &t.read, &t.write
	if !r.found(e.Now.Wall) {
		if r.verdict == voted { // else the write that follows repairs
			r.repair(e)
		}
		t.end(e, r.miss(wire.OpTouch))
		return
	}
	r.keep()
	t.writing = true
	w.set = r.best
	w.set.Deadline.At = t.at
	w.stamp(e, max(r.best.Dot.Stamp, r.best.Deadline.Stamp))
	if w.outcome != open {
		t.answer(e)
	}
}

// Restart goes on with other owners, in whichever phase it is.
func (t *Touch) Restart(e *Env, c *Call) {
	switch {
	case t.ended:
	case t.writing:
		if t.write.restart(e, c) {
			t.answer(e)
		}
	default:
		t.write.seats, t.write.quorum = fill(t.write.seats, c.Peers), c.Quorum
		r := *c
		r.Quorum = c.Reads
		t.read.restart(e, &r, 0)
		if t.read.verdict != pending {
			t.aim(e)
		}
	}
	t.wind(e)
}

// Reply takes a reply of either phase.
func (t *Touch) Reply(e *Env, from uint64, m *wire.Message) {
	switch {
	case t.ended:
	case !t.writing:
		if t.read.reply(e, from, m) {
			t.aim(e)
		}
	case t.write.reply(e, from, m):
		t.answer(e)
	}
	t.wind(e)
}

// Lost counts a node as failed whose reply will not come.
func (t *Touch) Lost(e *Env, node uint64) {
	switch {
	case t.ended:
	case !t.writing:
		t.write.seats.lose(node)
		if t.read.lost(e, node) {
			t.aim(e)
		}
	case t.write.lost(e, node):
		t.answer(e)
	}
	t.wind(e)
}

// Tick hedges the read, and gives up at the deadline.
func (t *Touch) Tick(e *Env) {
	switch {
	case t.ended:
	case !t.writing && e.Now.Mono >= t.write.until:
		t.end(e, t.read.timeout(e, wire.OpTouch))
	case !t.writing:
		t.read.tick(e)
	case t.write.tick(e):
		t.answer(e)
	}
	t.wind(e)
}

// Answered reports whether the client has its answer.
func (t *Touch) Answered() bool { return t.ended || t.writing && t.write.outcome != open }

// Finish turns what is still waited for into hints.
func (t *Touch) Finish(e *Env) {
	if !t.ended && t.writing {
		t.write.finish(e)
	}
	t.ended = true
}

// Done reports whether every owner has replied or is owed a hint.
func (t *Touch) Done() bool { return t.ended }

func (t *Touch) end(e *Env, resp wire.Response) {
	t.ended = true
	t.read.best = vclock.Set{} // as Get does: it may alias what is not this machine's to hold
	e.Eff.Answers = append(e.Eff.Answers, Answer{t.client, resp})
}

func (t *Touch) answer(e *Env) {
	e.Eff.Answers = append(e.Eff.Answers, Answer{t.client, t.write.response(wire.OpTouch)})
}

func (t *Touch) wind(e *Env) {
	w := &t.write
	if !t.ended && t.writing && w.outcome != open && (!w.seats.waiting() || e.Now.Mono-w.settled >= e.Config.LingerMax) {
		t.Finish(e)
	}
}

// Bytes is the memory held for the key and the version read.
func (t *Touch) Bytes() int { return t.read.bytes() + t.write.bytes() }
