package coordinator

import (
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Put writes one key: a value, or the tombstone of a delete (Dynamo §4.5).
type Put struct {
	write  write
	client Client
	op     wire.Op
	ended  bool
}

// Start stamps the write above what this node knows of the key, and sends it to every owner.
func (p *Put) Start(e *Env, c *Call) {
	w := &p.write
	p.client, p.op, p.ended = c.Client, c.Op, false
	w.begin(c, wire.KindStore)
	w.value = append(w.value[:0], c.Value...)
	w.set = vclock.Set{Value: w.value, Tombstone: c.Op == wire.OpDelete, Deadline: vclock.Deadline{At: c.At}}
	if w.set.Tombstone {
		w.set.Deadline.At = e.Now.Wall + e.Config.TombstoneFor.Milliseconds()
	}
	w.set.Context = vclock.Succeed(w.seen, c.Known, e.Self, c.Floor, e.Config.ContextActors)
	w.seen = w.set.Context.Seen
	w.stamp(e, max(c.Known.Dot.Stamp, c.Floor))
	if w.outcome != open {
		p.answer(e)
	}
}

// Restart writes to other owners, under the same stamp.
func (p *Put) Restart(e *Env, c *Call) {
	if !p.ended && p.write.restart(e, c) {
		p.answer(e)
	}
	p.wind(e)
}

// Reply takes an owner's ack or refusal, or a fallback's.
func (p *Put) Reply(e *Env, from uint64, m *wire.Message) {
	if !p.ended && p.write.reply(e, from, m) {
		p.answer(e)
	}
	p.wind(e)
}

// Lost counts a node as failed whose reply will not come.
func (p *Put) Lost(e *Env, node uint64) {
	if !p.ended && p.write.lost(e, node) {
		p.answer(e)
	}
	p.wind(e)
}

// Tick gives up at the deadline, and stops waiting for the last owners after a while.
func (p *Put) Tick(e *Env) {
	if !p.ended && p.write.tick(e) {
		p.answer(e)
	}
	p.wind(e)
}

// Answered reports whether the client has its answer.
func (p *Put) Answered() bool { return p.write.outcome != open }

// Finish turns what is still waited for into hints.
func (p *Put) Finish(e *Env) {
	if !p.ended {
		p.ended = true
		p.write.finish(e)
	}
}

// Done reports whether every owner has replied or is owed a hint.
func (p *Put) Done() bool { return p.ended }

func (p *Put) answer(e *Env) {
	e.Eff.Answers = append(e.Eff.Answers, Answer{p.client, p.write.response(p.op)})
	p.wind(e)
}

// wind ends the machine when nothing more is due, or it has lingered long enough.
func (p *Put) wind(e *Env) {
	w := &p.write
	if w.outcome != open && (!w.seats.waiting() || e.Now.Mono-w.settled >= e.Config.LingerMax) {
		p.Finish(e)
	}
}

// Bytes is the memory held for key and value.
func (p *Put) Bytes() int { return p.write.bytes() }
