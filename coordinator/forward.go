package coordinator

import (
	"time"

	"github.com/shoalcache/shoal/wire"
)

// anyOne is what a forwarded call needs: one node that carries it out.
func anyOne() *Quorum { return &Quorum{need: [datacentersMax]uint8{1}} }

// Forward hands a write to an owner, which coordinates it: who stores a key can stamp above what it
// knows (Dynamo §6.4). It tries the next node only while it is certain that the last one did nothing; a
// request that may have been carried out is never sent twice, or the late copy could undo a later write.
type Forward struct {
	id     uint64
	round  uint64 // of asking, modulo 1<<RoundBits
	body   []byte // the request's frame payload
	op     wire.Op
	seats  seats
	client Client
	until  time.Duration
	expire int64
	force  bool
	done   bool
}

// Start hands c.Body to the first node of c.Peers that is up.
func (f *Forward) Start(e *Env, c *Call) {
	f.id, f.op, f.client, f.until, f.expire = c.ID, c.Op, c.Client, c.Until, c.Expires
	f.round, f.force, f.done = 0, false, false
	f.body = append(f.body[:0], c.Body...)
	f.seats = fill(f.seats, c.Peers)
	f.next(e)
}

// next sends to the next node that is up, or gives up.
func (f *Forward) next(e *Env) {
	if f.send(e) || f.insist() && f.send(e) {
		return
	}
	resp := shortage(f.op, wire.StatusNotReady, anyOne(), &tally{}, f.seats)
	if resp.Err.Text = "no owner of the key took the write: " + resp.Err.Text; len(resp.Err.Failed) == 0 {
		resp.Err.Text = "no other node owns the key"
	}
	f.answer(e, resp)
}

// send sends to the next node that was not asked yet; false when there is none.
func (f *Forward) send(e *Env) bool {
	for i := range f.seats {
		s := &f.seats[i]
		if s.state != idle || s.Node == e.Self.Node {
			continue
		}
		s.state = asked
		f.round = (f.round + 1) & roundMask
		e.Eff.Sends = append(e.Eff.Sends, Send{To: s.Node, Message: wire.Message{
			Kind: wire.KindForward, ID: f.id | f.round, Expires: f.expire, Body: f.body, Force: f.force,
		}})
		return true
	}
	return false
}

// insist lets those who declined for their clocks be asked once more, now to do it all the same: a clock that is
// better than theirs does not own the key.
func (f *Forward) insist() bool {
	if f.force {
		return false
	}
	f.force = true
	for i := range f.seats {
		if s := &f.seats[i]; s.state == failed && s.reason == wire.OutcomeSkewed && s.Up {
			s.state = idle
		}
	}
	return true
}

// Restart leaves the request where it was handed: its coordinator restarts it.
func (f *Forward) Restart(*Env, *Call) {}

// Reply relays the owner's response, or goes on to the next node when the owner refused to start. A node is asked twice
// when it is asked to insist, and what it answered before must not count as its answer then: it may have begun since.
func (f *Forward) Reply(e *Env, from uint64, m *wire.Message) {
	s := f.seats.find(from)
	if f.done || s == nil || s.state != asked || m.Kind != wire.KindForwardReply || m.ID != f.id|f.round {
		return
	}
	s.state, s.reason = failed, m.Outcome
	switch m.Outcome {
	case wire.OutcomeNotOwner, wire.OutcomeSkewed, wire.OutcomeLate, wire.OutcomeNotReady:
		f.next(e)
		return
	case wire.OutcomeOK:
	default: // not how a node declines: it may have begun
		f.indeterminate(e, wire.StatusQuorum)
		return
	}
	var resp wire.Response
	if err := wire.DecodeResponse(m.Body, &resp, &e.Config.Limits); err != nil {
		resp = refusal(f.op, wire.StatusInternal, "node "+s.Name+" answered a forwarded call with a malformed response: "+err.Error())
	}
	if resp.Status == wire.StatusNotReady {
		s.reason = wire.OutcomeNotReady
		f.next(e)
		return
	}
	s.state = served
	f.answer(e, resp)
}

// Lost ends the call when the node that was asked is lost: it may have carried the request out.
func (f *Forward) Lost(e *Env, node uint64) {
	if !f.done && f.seats.lose(node) && !f.seats.waiting() {
		f.indeterminate(e, wire.StatusQuorum)
	}
}

// Tick gives up at the deadline.
func (f *Forward) Tick(e *Env) {
	if !f.done && e.Now.Mono >= f.until {
		f.seats.silence()
		f.indeterminate(e, wire.StatusTimeout)
	}
}

// Answered reports whether the client has its answer.
func (f *Forward) Answered() bool { return f.done }

// Finish has nothing to wind up.
func (f *Forward) Finish(*Env) { f.done = true }

// Done reports whether the client has its answer.
func (f *Forward) Done() bool { return f.done }

// indeterminate ends a call of which nobody knows whether it was carried out; both statuses say so.
func (f *Forward) indeterminate(e *Env, status wire.Status) {
	f.answer(e, shortage(f.op, status, anyOne(), &tally{}, f.seats))
}

func (f *Forward) answer(e *Env, resp wire.Response) {
	f.done = true
	e.Eff.Answers = append(e.Eff.Answers, Answer{f.client, resp})
}

// Bytes is the memory held for the request.
func (f *Forward) Bytes() int { return cap(f.body) }
