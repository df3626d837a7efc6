package coordinator

import (
	"math"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// read is the quorum read that get and touch share: it asks owners until enough of them can vote for the
// merged answer, or none is left to ask.
//
// An owner votes when the merged version reaches its floor: then nothing it may have forgotten was newer.
type read struct {
	id     uint64
	round  uint64
	key    []byte
	quorum Quorum
	seats  seats
	hedge  time.Duration // wait before one more owner is asked; 0: never
	asked  time.Duration // when owners were last asked
	began  int64         // the wall time when the first were
	first  uint64        // a node that is waited for whatever the others tell: it knows something that is wanted; 0: none

	best  vclock.Set // the merge of all replies; aliases value and seen, or the last reply until keep
	value []byte
	seen  []vclock.Dot

	verdict verdict
}

type verdict uint8

const (
	pending   verdict = iota
	voted             // R owners vote for best, which may be nothing
	forgotten         // R owners answered and too few can vote: a miss
	short             // fewer than R owners are left that answered or may
)

func (r *read) start(e *Env, c *Call) {
	r.id, r.hedge, r.round = c.ID, c.Hedge, 0
	r.key = append(r.key[:0], c.Key...)
	r.restart(e, c, 0)
}

// restart begins anew with the owners and the quorum of c, and asks the node first, if that is not 0, too.
func (r *read) restart(e *Env, c *Call, first uint64) {
	owners := 0
	for owners < len(c.Peers) && c.Peers[owners].Owner {
		owners++
	}
	r.quorum, r.verdict, r.best, r.first = c.Quorum, pending, vclock.Set{}, first
	r.round, r.began = (r.round+1)&roundMask, e.Now.Wall
	r.seats = fill(r.seats, c.Peers[:owners])
	if s := r.seats.find(first); s != nil && s.state == idle {
		r.send(e, s)
	}
	r.judge(e)
}

// reply takes one owner's reply. It returns true when the verdict is new: then best may alias m.
func (r *read) reply(e *Env, from uint64, m *wire.Message) bool {
	if !r.hear(from, m) {
		return false
	}
	if r.judge(e) {
		return true
	}
	r.keep()
	return false
}

// hear notes what an owner replies; false where it was not asked. Afterwards best may alias m.
func (r *read) hear(from uint64, m *wire.Message) bool {
	s := r.seats.find(from)
	if s == nil || s.state != asked || m.Kind != wire.KindFetchReply || m.ID != r.id|r.round {
		return false
	}
	if s.chance && m.Outcome == wire.OutcomeSame {
		s.state, s.floor = served, m.Floor
		return true
	}
	if m.Outcome != wire.OutcomeOK {
		s.state, s.reason = failed, m.Outcome
		return true
	}
	s.state, s.floor, s.dot, s.until, s.digest = served, m.Floor, m.Set.Dot, m.Gone, m.Digest
	if !m.Set.IsZero() {
		s.until = m.Set.Deadline
		r.best, _ = vclock.Merge(&r.best, &m.Set)
		if r.best.Packed {
			s.heard = m.Set.Heard(math.MaxInt)
		}
	}
	return true
}

// keep copies best into the read's own memory. Where best already lives there this copies onto itself.
func (r *read) keep() {
	r.value = append(r.value[:0], r.best.Value...)
	r.seen = append(r.seen[:0], r.best.Context.Seen...)
	r.best.Value, r.best.Context.Seen = r.value, r.seen
}

// lost counts a node as failed; true when the verdict is new.
func (r *read) lost(e *Env, node uint64) bool { return r.seats.lose(node) && r.judge(e) }

// judge reaches a verdict or asks on. It returns true when the verdict is new.
func (r *read) judge(e *Env) bool {
	if r.verdict != pending {
		return false
	}
	var votes, due, hope tally
	covered, waits := r.best.Covers(), false
	for i := range r.seats {
		s := &r.seats[i]
		if s.state != failed {
			hope.add(&r.quorum, s.Datacenter)
		}
		switch {
		case s.state == asked && s.Node == r.first: // beside those that the quorum takes
			waits = true
		case s.state == asked:
			due.add(&r.quorum, s.Datacenter)
		case s.state == served && covered >= s.floor:
			votes.add(&r.quorum, s.Datacenter)
		}
	}
	switch {
	case waits:
	case votes.met(&r.quorum):
		r.verdict = voted
		r.date()
		return true
	case !hope.met(&r.quorum): // what is still due cannot change that
		r.verdict = short
		return true
	}
	for g, need := range r.quorum.need {
		for votes[g]+due[g] < need && r.ask(e, g) {
			due[g]++
		}
	}
	if waits || due != (tally{}) {
		return false
	}
	r.verdict = forgotten // nobody is left to ask and there was hope, so all it takes have replied
	e.Eff.Forgotten++
	return true
}

// date gives best the latest deadline that any owner knows of it, those that hold it no longer included: a
// copy that missed a change of its deadline does not outlive those that did not. What they hold no longer must be this
// very version: another may be stamped alike.
func (r *read) date() {
	for i := range r.seats {
		s := &r.seats[i]
		if s.state == served && s.dot.IsZero() && s.until.Compare(r.best.Deadline) > 0 && (s.digest == r.best.Ghost(s.until) ||
			s.digest == vclock.Digest(r.best.Dot, s.until)) { // of several versions a touch names the greatest
			r.best.Deadline = s.until
		}
	}
}

// ask sends to the group's next owner not asked yet, the slow ones last; false when there is none.
func (r *read) ask(e *Env, group int) bool {
	var next *seat
	for i := range r.seats {
		s := &r.seats[i]
		if g, ok := r.quorum.group(s.Datacenter); !ok || g != group || s.state != idle {
			continue
		}
		if next == nil || next.Slow && !s.Slow {
			next = s
		}
	}
	if next == nil {
		return false
	}
	r.send(e, next)
	return true
}

func (r *read) send(e *Env, s *seat) {
	s.state = asked
	r.asked = e.Now.Mono
	e.Eff.Sends = append(e.Eff.Sends, Send{To: s.Node, Message: wire.Message{Kind: wire.KindFetch, ID: r.id | r.round, Key: r.key}})
}

// firstWait is how long the others' replies wait for that of the node which is to be heard.
const firstWait = 100 * time.Millisecond

// tick asks one more owner in every group whose replies are overdue; true when the verdict is new.
func (r *read) tick(e *Env) bool {
	if r.verdict == pending && r.first != 0 && e.Now.Mono-r.asked >= firstWait {
		r.first = 0
		if r.judge(e) {
			return true
		}
	}
	if r.verdict != pending || r.hedge == 0 || e.Now.Mono-r.asked < r.hedge {
		return false
	}
	var overdue tally
	for i := range r.seats {
		if s := &r.seats[i]; s.state == asked {
			overdue.add(&r.quorum, s.Datacenter)
		}
	}
	for g, n := range overdue {
		if n > 0 && r.ask(e, g) {
			e.Eff.Hedges++
		}
	}
	return false
}

// floor is the greatest that an owner has told.
func (r *read) floor() (greatest vclock.Stamp) {
	for i := range r.seats {
		if s := &r.seats[i]; s.state == served {
			greatest = max(greatest, s.floor)
		}
	}
	return greatest
}

// found reports whether the read's answer is a live value.
func (r *read) found(wall int64) bool {
	return r.verdict == voted && !r.best.IsZero() && !r.best.Tombstone && !r.best.Deadline.Passed(wall)
}

// miss is the answer of a read that found nothing, or could not tell.
func (r *read) miss(op wire.Op) wire.Response {
	if r.verdict == short {
		return r.shortage(op, wire.StatusQuorum)
	}
	resp := wire.Response{Status: wire.StatusNotFound, Forgotten: r.verdict == forgotten}
	if r.best.Tombstone && r.verdict == voted {
		resp.Stamp = uint64(r.best.Dot.Stamp)
	}
	return resp
}

// timeout is the answer of a read whose deadline passed. Where R owners have replied and cannot vote, and one more was
// asked that stays silent, it is the miss that it would be if that one were known to be down.
func (r *read) timeout(e *Env, op wire.Op) wire.Response {
	if got := r.served(); got.met(&r.quorum) {
		r.verdict = forgotten
		e.Eff.Forgotten++
		return r.miss(op)
	}
	r.seats.silence()
	return r.shortage(op, wire.StatusTimeout)
}

func (r *read) shortage(op wire.Op, status wire.Status) wire.Response {
	got := r.served()
	return shortage(op, status, &r.quorum, &got, r.seats)
}

// served counts the owners that have replied.
func (r *read) served() (got tally) {
	for i := range r.seats {
		if r.seats[i].state == served {
			got.add(&r.quorum, r.seats[i].Datacenter)
		}
	}
	return got
}

func (r *read) bytes() int { return cap(r.key) + cap(r.value) }
