package coordinator

import (
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Get reads one key (Dynamo §4.5): R votes, an answer, and repairs for the owners that were behind.
type Get struct {
	read     read
	client   Client
	op       wire.Op // OpGet, or OpHead, whose answer has no value
	all      bool    // with siblings, and a context
	salt     uint64
	until    time.Duration
	chosen   bool // to ask, once answered, the owners that it does not need
	answered bool
	settled  time.Duration // when it was
	done     bool
}

// Start begins the read that c describes; it may be done on return.
func (g *Get) Start(e *Env, c *Call) {
	g.client, g.op, g.all, g.salt, g.until, g.answered, g.done = c.Client, c.Op, c.All, c.Salt, c.Until, false, false
	g.chosen = c.Spare && e.Config.chosen(c.ID)
	g.read.start(e, c)
	if g.read.verdict != pending {
		g.answer(e)
	}
}

// Restart reads from other owners; those of before are repaired no more.
func (g *Get) Restart(e *Env, c *Call) {
	if g.answered {
		g.Finish(e)
		return
	}
	g.read.restart(e, c, 0)
	if g.read.verdict != pending {
		g.answer(e)
	}
}

// Reply takes an owner's reply to the fetch.
func (g *Get) Reply(e *Env, from uint64, m *wire.Message) {
	switch {
	case g.done:
	case g.answered:
		g.read.later(e, from, m)
		g.wind(e)
	case g.read.reply(e, from, m):
		g.answer(e)
	}
}

// Lost counts a node as failed whose reply will not come.
func (g *Get) Lost(e *Env, node uint64) {
	switch {
	case g.done:
	case g.answered:
		g.read.seats.lose(node)
		g.wind(e)
	case g.read.lost(e, node):
		g.answer(e)
	}
}

// Tick hedges, and gives up at the deadline; and listens no longer to who is late.
func (g *Get) Tick(e *Env) {
	if g.answered {
		g.wind(e)
		return
	}
	if e.Now.Mono >= g.until {
		g.answered = true
		g.Finish(e)
		e.Eff.Answers = append(e.Eff.Answers, Answer{g.client, g.read.timeout(e, g.op)})
		return
	}
	g.read.tick(e)
}

// Answered reports whether the client has its answer.
func (g *Get) Answered() bool { return g.answered }

// Finish waits for no more replies.
func (g *Get) Finish(*Env) {
	g.done = true
	g.read.best = vclock.Set{} // it may alias the store or a frame, and the machine is kept for the next read
}

// Done reports whether no reply is waited for, be it only to repair whom it comes from.
func (g *Get) Done() bool { return g.done }

// wind ends the machine when nothing more is due, or it has lingered long enough.
func (g *Get) wind(e *Env) {
	if !g.done && (!g.read.seats.waiting() || e.Now.Mono-g.settled >= e.Config.LingerMax) {
		g.Finish(e)
	}
}

func (g *Get) answer(e *Env) {
	g.answered, g.settled = true, e.Now.Mono
	r := &g.read
	var resp wire.Response
	if r.found(e.Now.Wall) {
		if resp.Stamp, resp.Deadline = uint64(r.best.Dot.Stamp), r.best.Deadline.At; g.op != wire.OpHead {
			resp.Value, _ = r.best.Reading()
		}
	} else {
		resp = r.miss(g.op)
	}
	if g.all && r.verdict != short {
		g.tell(e, &resp)
	}
	e.Eff.Answers = append(e.Eff.Answers, Answer{g.client, resp})
	if r.verdict == voted {
		r.repair(e)
		if g.chosen {
			r.check(e)
		}
	}
	if !r.linger() {
		g.Finish(e)
	}
}

// tell adds all siblings to an answer, and what whoever gets it has seen.
func (g *Get) tell(e *Env, resp *wire.Response) {
	r := &g.read
	seen := r.best.Heard(wire.ContextActors)
	resp.Context = wire.AppendContext(nil, &seen, g.salt, e.Config.Hash)
	if resp.Status != wire.StatusOK {
		return
	}
	for _, v := range r.best.Versions() {
		if !v.Tombstone && !v.Sum {
			resp.Items = append(resp.Items, wire.Item{Stamp: uint64(v.Dot.Stamp), Value: v.Value, Deadline: resp.Deadline})
		}
	}
	if len(resp.Items) == 0 { // a counter that nobody has set
		resp.Items = []wire.Item{{Stamp: resp.Stamp, Deadline: resp.Deadline}}
	}
	resp.Items[0].Value = resp.Value // what has been added to it is in it
	resp.Value = nil                 // twice the largest value would not fit a frame
}

// Bytes is the memory held for the key and the best reply.
func (g *Get) Bytes() int { return g.read.bytes() }
