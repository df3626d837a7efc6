package coordinator

import (
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// RoundBits are the low bits of a machine's id that its messages use to number the rounds of a write: a
// reply to an earlier stamp must not count for the present one. Whoever gives ids leaves them 0.
const RoundBits = 8

const roundMask = 1<<RoundBits - 1

// write is the quorum write that put and touch share: one message to every owner, acknowledged at W, and
// again from the start under a greater stamp when an owner knows of something the write does not supersede.
type write struct {
	id        uint64
	round     uint64    // in messages, modulo 1<<RoundBits
	retries   int       // restamps so far
	kind      wire.Kind // KindStore, or KindRetime where only the deadline changes
	key       []byte
	set       vclock.Set // aliases value and seen
	value     []byte
	seen      []vclock.Dot
	quorum    Quorum
	seats     seats
	got       tally
	hinted    uint8
	until     time.Duration
	expires   int64
	above     vclock.Stamp // stamp above this
	overtaker uint64       // the node that said so last
	parked    bool         // until the ceiling allows that stamp
	held      bool         // an owner of before has what was sent last, or may have
	partial   bool         // set lacks the value: a retime that was aimed again
	make      maker        // works out set at a stamp, where it is more than what the client said
	outcome   writeOutcome
	settled   time.Duration // when the outcome was reached
}

type writeOutcome uint8

const (
	open     writeOutcome = iota
	acked                 // W owners have it
	unacked               // W owners cannot be reached any more
	timedOut              // nor did they answer in time
	passed                // an owner knows of something that the maker has to see first
)

// maker works out what is written at a stamp; false where it is not to be written.
type maker interface {
	make(e *Env, s vclock.Stamp) bool
}

// begin takes what put and touch have in common from the call; set is filled in by them.
func (w *write) begin(c *Call, kind wire.Kind) {
	w.id, w.round, w.retries, w.above, w.kind, w.quorum = c.ID, 0, 0, 0, kind, c.Quorum
	w.key = append(w.key[:0], c.Key...)
	w.seats = fill(w.seats, c.Peers)
	w.got, w.hinted, w.until, w.expires = tally{}, 0, c.Until, c.Expires
	w.outcome, w.parked, w.partial, w.held, w.make = open, false, false, false, nil
}

// restart sends the write, as it is stamped, to the owners of c; true when the outcome is new. Once it is
// answered nobody is asked again: owners that have not acknowledged it are owed it.
func (w *write) restart(e *Env, c *Call) bool {
	if w.outcome != open {
		old := w.seats
		w.seats = fill(nil, c.Peers)
		for i := range w.seats {
			if s := old.find(w.seats[i].Node); s != nil && s.Owner && s.state == served {
				w.seats[i].state = served
			}
		}
		return false
	}
	w.reseat(c)
	if w.parked {
		return false
	}
	w.send(e)
	return w.outcome != open
}

// reseat turns to the owners of c; those of before may have what was sent.
func (w *write) reseat(c *Call) {
	w.held = w.mayBeHeld()
	w.seats, w.quorum = fill(w.seats, c.Peers), c.Quorum
}

// stamp stamps the write above what is known, or waits until the ceiling allows it, and sends it out. A
// retime leaves the version's dot alone and stamps its register.
func (w *write) stamp(e *Env, above vclock.Stamp) {
	w.above = max(w.above, above) // while parked it may be overtaken again, by less
	s, ok := e.stamp(w.above)
	if w.parked = !ok; !ok {
		return
	}
	if w.make != nil {
		if w.make.make(e, s) {
			w.held = false
			w.send(e)
		}
		return
	}
	w.held = false
	if w.kind == wire.KindStore {
		w.set.Dot = vclock.Dot{Actor: e.Self, Stamp: s}
	}
	if w.kind == wire.KindRetime || w.set.Deadline.At != 0 {
		w.set.Deadline.Stamp = s
	}
	w.send(e)
}

// send asks every owner that is up, in a new round.
func (w *write) send(e *Env) {
	w.round = (w.round + 1) & roundMask
	w.got, w.hinted, w.overtaker = tally{}, 0, 0
	for i := range w.seats {
		switch s := &w.seats[i]; {
		case !s.Up:
			s.state, s.reason, s.sent = failed, wire.OutcomeDown, 0
		case !s.Owner:
			s.state, s.target = idle, 0
		default:
			w.ask(e, s, wire.Message{Kind: w.kind, Pass: wire.PassForeground, Expires: w.expires, Floor: s.vouch})
		}
	}
	w.judge(e)
}

// mayBeHeld reports whether an owner has what was sent last, or may have.
func (w *write) mayBeHeld() bool {
	if w.held {
		return true
	}
	for i := range w.seats {
		switch s := &w.seats[i]; {
		case s.sent != wire.KindStore:
		case s.state == served, s.state == asked, s.reason == wire.OutcomeDown, s.reason == wire.OutcomeSilent:
			return true
		}
	}
	return false
}

// ask completes m with the write's record and sends it to s.
func (w *write) ask(e *Env, s *seat, m wire.Message) {
	m.ID, m.Key, m.Set = w.id|w.round, w.key, w.set
	if m.Kind == wire.KindRetime {
		m.Set.Value, m.Set.Context = nil, vclock.Context{}
	}
	s.state, s.sent = asked, m.Kind
	e.Eff.Sends = append(e.Eff.Sends, Send{To: s.Node, Message: m})
}

// reply takes one node's reply; true when the outcome is new.
func (w *write) reply(e *Env, from uint64, m *wire.Message) bool {
	s := w.seats.find(from)
	if s == nil || s.state != asked || m.Kind != wire.KindStoreReply || m.ID != w.id|w.round {
		return false
	}
	if w.outcome == open && e.Now.Mono >= w.until {
		return w.settle(e, timedOut)
	}
	s.state, s.reason = failed, m.Outcome
	switch {
	case m.Outcome == wire.OutcomeHinted && s.sent == wire.KindOwe:
		s.state = served
		w.hinted++
		w.got.add(&w.quorum, w.seats.find(s.target).Datacenter)
	case s.sent == wire.KindOwe: // all else is no hint
	case m.Outcome == wire.OutcomeOK,
		m.Outcome == wire.OutcomeGone && s.sent == wire.KindRetime,
		m.Outcome == wire.OutcomeBehind && w.kind == wire.KindRetime: // given the record, it had forgotten it: as good as gone
		s.state = served
		w.got.add(&w.quorum, s.Datacenter)
	case m.Outcome == wire.OutcomeMissing && s.sent == wire.KindRetime && !w.partial:
		w.ask(e, s, wire.Message{Kind: wire.KindStore, Pass: wire.PassRepair})
	case m.Outcome == wire.OutcomeSuperseded, m.Outcome == wire.OutcomeBehind:
		if w.outcome == open && (m.Known.Stamp >= w.set.Dot.Stamp || w.make != nil) {
			if m.Outcome == wire.OutcomeSuperseded {
				w.overtaker = from
			}
			return w.overtaken(e, m)
		}
	}
	return w.judge(e)
}

// overtaken starts again above what an owner knows: a later write beats an earlier one, whatever the
// clocks say. A retime aims at the newer version instead.
func (w *write) overtaken(e *Env, m *wire.Message) bool {
	if w.retries == e.Config.RestampsMax {
		return w.settle(e, unacked)
	}
	w.retries++
	e.Eff.Restamps++
	if w.make != nil {
		w.above = max(w.above, m.Known.Stamp)
		return w.settle(e, passed)
	}
	if w.kind == wire.KindStore {
		w.set.Context.Raise(m.Known.Stamp)
	} else {
		w.set, w.partial = vclock.Set{Dot: m.Known, Deadline: w.set.Deadline}, true
	}
	w.stamp(e, m.Known.Stamp)
	return w.outcome != open
}

// lost counts a node as failed whose reply will not come; true when the outcome is new.
func (w *write) lost(e *Env, node uint64) bool {
	return w.seats.lose(node) && w.judge(e)
}

// tick lets a parked stamp try again, and the deadline pass; true when the outcome is new.
func (w *write) tick(e *Env) bool {
	switch {
	case w.outcome != open:
		return false
	case e.Now.Mono >= w.until:
		return w.settle(e, timedOut)
	case w.parked:
		w.stamp(e, w.above)
		return w.outcome != open
	}
	return false
}

// judge reaches an outcome where it can; true when it is new.
func (w *write) judge(e *Env) bool {
	if w.outcome != open || w.parked {
		return false
	}
	if w.got.met(&w.quorum) {
		return w.settle(e, acked)
	}
	if w.quorum.Sloppy {
		w.cover(e)
	}
	hope := w.got
	for i := range w.seats {
		s := &w.seats[i]
		if s.state != asked {
			continue
		}
		if s.sent == wire.KindOwe {
			s = w.seats.find(s.target)
		}
		hope.add(&w.quorum, s.Datacenter)
	}
	// That a value fits nowhere is worth waiting for: it is the one failure in which nothing was done.
	if hope.met(&w.quorum) || w.tooLarge() && w.seats.waiting() {
		return false
	}
	return w.settle(e, unacked)
}

func (w *write) settle(e *Env, o writeOutcome) bool {
	if w.outcome, w.settled = o, e.Now.Mono; o == timedOut {
		w.seats.silence()
	}
	return true
}

// response is the client's answer once the outcome is reached.
func (w *write) response(op wire.Op) wire.Response {
	switch {
	case w.outcome == acked:
		return wire.Response{Status: wire.StatusOK, Stamp: uint64(w.set.Dot.Stamp), Hinted: w.hinted}
	case !w.parked && w.wantsRoom():
		return shortage(op, wire.StatusOutOfMemory, &w.quorum, &w.got, w.seats)
	case w.outcome == timedOut:
		resp := shortage(op, wire.StatusTimeout, &w.quorum, &w.got, w.seats)
		if w.parked {
			resp.Err.Text = "this node waited for its disk to raise the ceiling of stamps"
		}
		return resp
	case w.tooLarge():
		return refusal(op, wire.StatusTooLarge, "key and value are larger than its owners take with their --memory")
	default:
		return shortage(op, wire.StatusQuorum, &w.quorum, &w.got, w.seats)
	}
}

// wantsRoom reports whether the write would be acknowledged if those owners had room for it that have not.
func (w *write) wantsRoom() bool {
	able, full := w.got, false
	for i := range w.seats {
		switch s := &w.seats[i]; {
		case !s.Owner:
		case s.state == failed && s.reason == wire.OutcomeFull:
			full = true
			able.add(&w.quorum, s.Datacenter)
		case s.state == asked:
			able.add(&w.quorum, s.Datacenter)
		}
	}
	return full && able.met(&w.quorum)
}

// tooLarge reports whether every node that has replied refused the value for its size.
func (w *write) tooLarge() bool {
	replied := false
	for i := range w.seats {
		switch s := &w.seats[i]; {
		case s.state == failed && s.reason == wire.OutcomeTooLarge:
			replied = true
		case s.state == served, s.state == failed:
			return false
		}
	}
	return replied
}

func (w *write) bytes() int { return cap(w.key) + cap(w.value) }
