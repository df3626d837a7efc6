package coordinator

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Update writes a key by what it holds: it reads, works out the new version, and writes that where nobody was faster. It
// carries out what adds to a counter or a value, what has a condition, and whatever keeps siblings:
//
//	Start ─▶ read ─ R votes ─▶ work out, with what this node holds ─▶ write ─ W acks ─▶ answer
//	           ▲                     │ condition not met, no number        │
//	           │                     ▼ answer                              │ overtaken
//	           └───────────────────────────────────────────────────────────┘
//
// What is worked out and what this node stores of it are one step of the shard, so that of two updates that one node
// coordinates the second knows of the first. One that begins again asks of what it finds what has become of the version that
// it has sent before: what has happened must not happen twice.
type Update struct {
	read  read
	write write
	call  Call // without what it lends
	value []byte
	seen  []vclock.Dot // of call.Context

	own     vclock.Stamp // this node's floor when it began to read
	unread  bool         // nothing was read: this node has not forgotten anything
	tried   vclock.Dot   // the version sent last; zero: none
	base    vclock.Dot   // what that was added to
	stale   bool         // what was read is: read again
	anew    bool         // the owners had forgotten the key: what was there before does not count
	writing bool
	ended   bool
	told    []byte       // the counter, or how long the value is, in digits
	was     []wire.Item  // with call.Previous: what was there
	follows bool         // what is written is a later version, which has this one's in it
	covered vclock.Stamp // up to this the records that are known take all for seen
}

// packedActors is how many actors the context of several versions keeps when it is stamped. Merges may make it more.
const packedActors = 64

// seenBytes is what a store keeps of each of them.
const seenBytes = 24

// Start reads first where the new version depends on what is there, or this node may have forgotten some of it.
func (u *Update) Start(e *Env, c *Call) {
	*u = Update{read: u.read, write: u.write, call: *c, value: append(u.value[:0], c.Value...), seen: append(u.seen[:0], c.Context.Seen...)}
	u.call.Context.Seen = u.seen
	u.call.Key, u.call.Value, u.call.Known, u.call.Body, u.call.Peers = nil, nil, nil, nil, nil
	u.write.begin(c, wire.KindStore)
	u.write.make = u
	u.read.id, u.read.hedge, u.read.round = c.ID, c.Hedge, 0
	u.read.key = append(u.read.key[:0], c.Key...)
	_, u.own = e.Own.Holding(c.ID, c.Key)
	if u.unread = u.blind() && u.own == 0; u.unread {
		u.read.best, u.read.verdict, u.read.seats = vclock.Set{}, voted, u.read.seats[:0]
		u.begin(e)
		return
	}
	u.ask(e, c.Peers, 0)
}

// blind reports whether the new version is the same whatever is there, but for what it supersedes.
func (u *Update) blind() bool {
	return (u.call.Op == wire.OpSet || u.call.Op == wire.OpDelete) && u.call.Condition == wire.Always && !u.call.Previous
}

// ask begins the read, which is to hear the node first if that is not 0.
func (u *Update) ask(e *Env, peers []Peer, first uint64) {
	u.writing, u.stale, u.unread = false, false, false
	_, u.own = e.Own.Holding(u.call.ID, u.write.key)
	u.read.restart(e, &Call{Peers: peers, Quorum: u.call.Reads}, first)
	u.judged(e)
}

// again reads anew: the write was overtaken, or this node has forgotten something since. What overtook it may be known to
// that one owner only, which a read need not ask.
func (u *Update) again(e *Env) {
	peers := make([]Peer, len(u.write.seats))
	for i := range u.write.seats {
		peers[i] = u.write.seats[i].Peer
	}
	u.write.outcome = open
	u.ask(e, peers, u.write.overtaker)
}

// judged goes on once the read has a verdict.
func (u *Update) judged(e *Env) {
	switch u.read.verdict {
	case pending:
	case short:
		u.end(e, u.read.shortage(u.call.Op, wire.StatusQuorum))
	default:
		u.read.keep()
		u.begin(e)
	}
}

// begin stamps the write, or waits for the ceiling.
func (u *Update) begin(e *Env) {
	u.writing = true
	known, floor, _ := u.known(e)
	u.write.stamp(e, max(known.Greatest(), floor, u.call.Context.Greatest()))
	u.wrote(e)
}

// wrote answers, or begins again, once the write came to something.
func (u *Update) wrote(e *Env) {
	switch {
	case u.ended:
	case u.stale || u.write.outcome == passed:
		u.again(e)
	case u.write.outcome != open:
		u.answer(e)
	}
}

// known is all that is known of the key, what was read and what this node holds, the greatest floor that matters, and this
// node's own. Where the owners could not vote, what lies at or below their floors counts as forgotten; what is past its
// deadline is not there.
func (u *Update) known(e *Env) (known vclock.Set, floor, own vclock.Stamp) {
	mine, own := e.Own.Holding(u.call.ID, u.write.key)
	known, _ = vclock.Merge(&u.read.best, &mine)
	u.covered = known.Context.Floor
	if floor = own; u.read.verdict == forgotten {
		u.anew = true
		floor = max(floor, u.read.floor())
		known = known.Forget(floor)
	}
	if known.Deadline.Passed(e.Now.Wall) {
		known = known.Forget(known.Dot.Stamp)
	}
	return known, floor, own
}

// make works out the version that is written at a stamp.
func (u *Update) make(e *Env, s vclock.Stamp) bool {
	known, floor, own := u.known(e)
	if s <= known.Greatest() || own > u.own {
		u.stale = true // while it waited for the ceiling, or read: what this node forgot in between nobody may know
		return false
	}
	w, c := &u.write, &u.call
	fate := u.happened(e, &known)
	if u.follows = fate == followed && u.read.verdict == voted; u.follows { // W owners must have what has it in it
		w.value, w.seen = append(w.value[:0], known.Value...), append(w.seen[:0], known.Context.Seen...)
		w.set = known
		w.set.Value, w.set.Context.Seen = w.value, w.seen
		u.vouch(e)
		return true
	}
	switch fate {
	case followed, lost:
		u.end(e, shortage(c.Op, wire.StatusQuorum, &w.quorum, &tally{}, w.seats))
		return false
	}
	value, there := known.Reading()
	if fate == unsent {
		switch {
		case u.met(&known, there):
		case u.tried.IsZero():
			u.end(e, u.notMet(&known, value, there))
			return false
		default: // it was when that was sent, which somebody may have met
			u.end(e, shortage(c.Op, wire.StatusQuorum, &w.quorum, &tally{}, w.seats))
			return false
		}
		if c.Previous {
			u.was = []wire.Item{previous(&known, value, there)}
		}
	}
	dot := vclock.Dot{Actor: e.Self, Stamp: s}
	next := vclock.Set{}
	switch {
	case c.Op == wire.OpIncr:
		by, err := u.by(&known, fate == standing)
		if err == nil {
			next, err = known.Add(e.Self.Node, s, by, c.At)
		}
		if err != nil {
			u.end(e, refusedSum(err))
			return false
		}
		dot.Actor.Boot = 0
		u.told, _ = next.Reading()
	case c.Siblings:
		next = u.sibling(e, &known, dot, u.content(value, false), u.deadline(&known, there))
	default:
		next = vclock.Set{
			Dot: dot, Tombstone: c.Op == wire.OpDelete, Value: u.content(value, fate == standing), Deadline: vclock.Deadline{At: u.deadline(&known, there)},
			Context: vclock.Succeed(w.seen, &known, e.Self, floor, e.Config.ContextActors),
		}
		if next.Tombstone {
			next.Deadline.At = e.Now.Wall + e.Config.TombstoneFor.Milliseconds()
		}
		if next.Deadline.At != 0 {
			next.Deadline.Stamp = s
		}
	}
	next.Context.Cap(packedActors) // as Succeed does; what was left out by then is taken for seen
	// With what its writers had seen: whatever this node works out it must be able to store, or it would not know of it.
	if n := len(next.Value) + len(next.Context.Seen)*seenBytes; n > c.ValueMax {
		u.end(e, refusal(c.Op, wire.StatusTooLarge, fmt.Sprintf("the value would have %d bytes, a node of this --memory holds at most %d under this key", n, c.ValueMax)))
		return false
	}
	u.tried, u.base = dot, next.Base()
	w.value = append(w.value[:0], next.Value...)
	w.seen = append(w.seen[:0], next.Context.Seen...)
	w.set = next
	w.set.Value, w.set.Context.Seen = w.value, w.seen
	u.vouch(e)
	return true
}

// fate is what has become of the version that was sent before.
type fate uint8

const (
	unsent   fate = iota // or nobody has it: what is written is worked out anew
	standing             // it is the latest: what is written is the same, stamped again
	followed             // one who had seen it has written since: it has happened once that has
	lost                 // another was written at once, and who wrote that may have seen it or not
)

// happened says what has become of it, by what is known. Under lww a record does not tell what its writer had seen from what
// it has met since; but this node's own later versions are worked out from its earlier ones.
func (u *Update) happened(e *Env, known *vclock.Set) fate {
	switch {
	case u.tried.IsZero():
	case u.call.Op == wire.OpIncr:
		if known.Added(u.tried, u.base) {
			return standing
		}
	case u.call.Siblings && known.Alive(u.tried):
		*known = known.Without(u.tried)
		return standing
	case u.call.Siblings && known.Replaced(u.tried):
		return followed
	case u.call.Siblings && u.tried.Stamp <= u.covered && u.write.mayBeHeld():
		return lost // a floor has swallowed who had seen it: written anew it might come back to one who replaced it
	case u.call.Siblings:
	case known.Dot == u.tried:
		return standing
	case known.Dot.Actor == e.Self && known.Dot.Stamp > u.tried.Stamp:
		return followed
	case known.Dot.Stamp > u.tried.Stamp:
		return lost
	}
	return unsent
}

// met reports whether the condition is.
func (u *Update) met(known *vclock.Set, there bool) bool {
	switch u.call.Condition {
	case wire.Absent:
		return !there
	case wire.Present:
		return there
	case wire.Version:
		stamp := known.Dot.Stamp
		if !there {
			stamp = 0
		}
		return stamp == u.call.Than
	default:
		return true
	}
}

func (u *Update) notMet(known *vclock.Set, value []byte, there bool) wire.Response {
	r := wire.Response{Status: wire.StatusNotMet}
	if there {
		r.Stamp = uint64(known.Dot.Stamp)
	}
	if u.call.Previous {
		r.Items = []wire.Item{previous(known, value, there)}
	}
	return r
}

func previous(known *vclock.Set, value []byte, there bool) wire.Item {
	if !there {
		return wire.Item{Status: wire.StatusNotFound}
	}
	return wire.Item{Status: wire.StatusOK, Stamp: uint64(known.Dot.Stamp), Value: append([]byte(nil), value...), Deadline: known.Deadline.At}
}

// by is what is added to what is known: to a counter that is not there what it begins with, too.
func (u *Update) by(known *vclock.Set, happened bool) (int64, error) {
	_, there, err := known.Total()
	switch {
	case err != nil || happened:
		return 0, err
	case there || len(u.value) == 0:
		return u.call.By, nil
	}
	initial, err := vclock.ParseNumber(u.value)
	if err != nil {
		return 0, err
	}
	return vclock.Plus(initial, u.call.By)
}

// content is the value to be written. What has been worked out once and stands is written as it is.
func (u *Update) content(value []byte, happened bool) []byte {
	switch {
	case u.call.Op == wire.OpDelete:
		return nil
	case happened:
		return u.write.value
	case u.call.Op == wire.OpAppend:
		n := len(value) + len(u.value)
		u.told = strconv.AppendInt(nil, int64(n), 10)
		return append(append(make([]byte, 0, n), value...), u.value...)
	default:
		return u.value
	}
}

// deadline is that of what is written: a value that is added to keeps its own.
func (u *Update) deadline(known *vclock.Set, there bool) int64 {
	if u.call.Op == wire.OpAppend && there {
		return known.Deadline.At
	}
	return u.call.At
}

// sibling is the set with a new version beside those that its writer had not seen: without a context that is what its
// coordinator has.
func (u *Update) sibling(e *Env, known *vclock.Set, dot vclock.Dot, value []byte, at int64) vclock.Set {
	c := &u.call
	seen := c.Context
	if !c.HasContext {
		seen = known.Heard(math.MaxInt)
	}
	next, dropped := known.Supersede(vclock.Version{Dot: dot, Tombstone: c.Op == wire.OpDelete, Value: value}, &seen, e.Config.Siblings, at)
	e.Eff.Collapsed += dropped
	if next.Conflicting() {
		e.Eff.Conflicts++
	}
	return next
}

func refusedSum(err error) wire.Response {
	status := wire.StatusNotNumber
	if errors.Is(err, vclock.ErrRange) {
		status = wire.StatusRange
	}
	return refusal(wire.OpIncr, status, "")
}

// vouch tells every owner how much of what it has forgotten is in what is written.
func (u *Update) vouch(e *Env) {
	for i := range u.write.seats {
		s := &u.write.seats[i]
		s.vouch = 0
		if r := u.read.seats.find(s.Node); r == nil || u.unread || !u.write.set.Packed {
			continue
		} else if u.read.verdict == forgotten {
			s.vouch = u.read.floor()
		} else if r.state == served {
			s.vouch = u.read.vouch(e, r)
		}
	}
}

// Restart goes on with other owners, in whichever phase it is.
func (u *Update) Restart(e *Env, c *Call) {
	switch {
	case u.ended:
	case u.writing:
		u.call.Reads = c.Reads
		if u.write.restart(e, c) {
			u.wrote(e)
		}
	default:
		u.write.reseat(c)
		u.call.Reads = c.Reads
		u.ask(e, c.Peers, 0)
	}
	u.wind(e)
}

// Reply takes a reply of either phase.
func (u *Update) Reply(e *Env, from uint64, m *wire.Message) {
	switch {
	case u.ended:
	case !u.writing:
		if u.read.reply(e, from, m) {
			u.judged(e)
		}
	case u.write.reply(e, from, m):
		u.wrote(e)
	}
	u.wind(e)
}

// Lost counts a node as failed whose reply will not come.
func (u *Update) Lost(e *Env, node uint64) {
	switch {
	case u.ended:
	case !u.writing:
		u.write.seats.lose(node)
		if u.read.lost(e, node) {
			u.judged(e)
		}
	case u.write.lost(e, node):
		u.wrote(e)
	}
	u.wind(e)
}

// Tick hedges the read, and gives up at the deadline. A read that waits at the deadline, after a version was sent, leaves
// that one where it is.
func (u *Update) Tick(e *Env) {
	switch {
	case u.ended:
	case !u.writing && e.Now.Mono >= u.write.until:
		u.read.seats.silence()
		u.end(e, u.read.shortage(u.call.Op, wire.StatusTimeout))
	case !u.writing:
		if u.read.tick(e) {
			u.judged(e)
		}
	case u.write.tick(e) || u.stale:
		u.wrote(e)
	}
	u.wind(e)
}

// Answered reports whether the client has its answer.
func (u *Update) Answered() bool { return u.ended || u.writing && u.write.outcome != open }

// Finish turns what is still waited for into hints.
func (u *Update) Finish(e *Env) {
	if !u.ended && u.writing {
		u.write.finish(e)
	}
	u.ended = true
}

// Done reports whether every owner has replied or is owed a hint.
func (u *Update) Done() bool { return u.ended }

// Sent is the version under way, for whoever writes the key next; false where none is.
func (u *Update) Sent() (*vclock.Set, bool) {
	return &u.write.set, !u.ended && !u.tried.IsZero()
}

func (u *Update) end(e *Env, r wire.Response) {
	u.ended = true
	r.Forgotten = u.anew
	e.Eff.Answers = append(e.Eff.Answers, Answer{u.call.Client, r})
	if u.read.verdict == voted && u.tried.IsZero() { // what was written, and sent to all, repairs more
		u.read.repair(e)
	}
	u.read.best = vclock.Set{} // as Get does: it may alias what is not this machine's to hold
	u.was = nil
}

func (u *Update) answer(e *Env) {
	r := u.write.response(u.call.Op)
	r.Forgotten = u.anew
	if r.Status == wire.StatusOK {
		r.Value, r.Items = u.told, u.was
		if u.follows {
			r.Stamp = uint64(u.tried.Stamp)
		}
	}
	e.Eff.Answers = append(e.Eff.Answers, Answer{u.call.Client, r})
	u.was = nil // the effects have it; a machine that waits for the next call keeps no value
}

func (u *Update) wind(e *Env) {
	w := &u.write
	if !u.ended && u.writing && w.outcome != open && w.outcome != passed && (!w.seats.waiting() || e.Now.Mono-w.settled >= e.Config.LingerMax) {
		u.Finish(e)
	}
}

// Bytes is the memory held for the key, the version read and the one written.
func (u *Update) Bytes() int { return u.read.bytes() + u.write.bytes() + cap(u.value) }
