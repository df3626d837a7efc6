package replica

import (
	"fmt"
	"time"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/wire"
)

// onceMax is how many requests a shard remembers the answers of, pending ones included. More bridges longer losses of a
// connection at higher rates. An answer is a number or an error, so that all take some MiB at most.
const onceMax = 4096

const (
	// lingerMax is how long a request may be on its way, or lie unread in a connection that its client has given up.
	lingerMax = time.Minute
	// onceSweep is how often sessions are looked for of which nothing is remembered any more.
	onceSweep = time.Second
)

// once remembers the requests that a client may send again because its answer was lost, and what came of them, so that each
// is carried out at most once. A request names its session and its serial in there; sent again, also the boot of this node
// that it was sent to before.
//
//	                                                 sent again   for the first time
//	remembered, answered                             the same answer
//	remembered, under way                            that answer, once there is one
//	of another boot or node                          unsure
//	at or below what was forgotten of its session    unsure       not ready: nothing was done
//	its session is not known, and one was forgotten  unsure       carried out, and remembered
//	else                                             carried out, and remembered
//
// The first time may come after the second: it lay in a connection that broke. What was not done is not remembered. The
// oldest request is forgotten first, and a session lingerMax after its last one.
type once struct {
	boot     uint64
	most     int
	entries  []onceEntry // ring: entry number n is at (n-1) % most
	last     uint64      // number of the latest entry; they count from 1
	index    map[onceID]uint64
	sessions map[uint64]onceSession // at most twice as many as entries
	lost     bool                   // a session was forgotten
	swept    time.Duration
	orphans  []orphan // since the last call of disown
}

type onceID struct{ session, serial uint64 }

// onceSession is what is known of a client.
type onceSession struct {
	remembered int
	forgotten  uint64        // greatest serial that is not any more
	before     uint64        // greatest serial that may have been, before the session itself was forgotten
	idle       time.Duration // since when nothing is remembered
}

// orphan waited for what is not remembered any more.
type orphan struct {
	client coordinator.Client
	op     wire.Op
}

type onceEntry struct {
	onceID
	op       wire.Op
	number   uint64 // 0: there is nothing
	waiter   coordinator.Client
	waits    bool
	answered bool
	response wire.Response // its memory is the entry's
}

func (o *once) init(boot uint64, most int) {
	*o = once{boot: boot, most: most, index: map[onceID]uint64{}, sessions: map[uint64]onceSession{}}
}

func (o *once) at(number uint64) *onceEntry { return &o.entries[(number-1)%uint64(o.most)] }

// begin decides what becomes of a request: a response to give at once, or wait for one that is under way; neither where
// it is to be carried out, and then the client carries the number that its answer is to be remembered by.
func (o *once) begin(now time.Duration, client *coordinator.Client, r *wire.Request) (response *wire.Response, waits bool) {
	if now-o.swept >= onceSweep {
		o.sweep(now)
	}
	id := onceID{r.Session, r.Serial}
	if n, ok := o.index[id]; ok {
		e := o.at(n)
		if e.answered {
			again := e.response // the same answer as often as it is asked for, whatever becomes of this copy
			return &again, false
		}
		o.orphan(e) // who waited before has lost its connection, or it would not be asked again
		e.waiter, e.waits = *client, true
		return nil, true
	}
	s, known := o.sessions[id.session]
	again := r.Boot != 0
	switch {
	case again && r.Boot != o.boot:
		return refusal(r.Op, wire.StatusUnsure, "it was sent to another boot of a node, or another node"), false
	case again && (known && r.Serial <= max(s.forgotten, s.before) || !known && o.lost):
		return refusal(r.Op, wire.StatusUnsure, "what came of it was forgotten"), false
	case known && r.Serial <= s.forgotten:
		return refusal(r.Op, wire.StatusNotReady, "it came after many later ones of its client"), false
	case !known && len(o.sessions) == 2*o.most:
		return refusal(r.Op, wire.StatusOverloaded, "too many clients at once send what must not happen twice"), false
	}
	e := o.next(now)
	*e = onceEntry{onceID: id, op: r.Op, number: o.last}
	o.index[id] = e.number
	if s, known = o.sessions[id.session]; !known && o.lost { // what it had before was sent before this
		s.before = r.Serial - 1
	}
	s.remembered++
	o.sessions[id.session] = s
	client.Once = e.number
	return nil, false
}

// sweep forgets sessions of which no copy can come any more.
func (o *once) sweep(now time.Duration) {
	o.swept = now
	for session, s := range o.sessions {
		if s.remembered == 0 && now-s.idle >= lingerMax {
			delete(o.sessions, session)
			o.lost = true
		}
	}
}

// next makes room for an entry.
func (o *once) next(now time.Duration) *onceEntry {
	o.last++
	if len(o.entries) < o.most {
		o.entries = append(o.entries, onceEntry{})
	} else if e := o.at(o.last); e.number != 0 {
		o.forget(now, e, e.serial)
	}
	return o.at(o.last)
}

// forget empties an entry; what is not done of its session up to forgotten is not carried out any more.
func (o *once) forget(now time.Duration, e *onceEntry, forgotten uint64) {
	o.orphan(e)
	delete(o.index, e.onceID)
	s := o.sessions[e.session]
	s.forgotten = max(s.forgotten, forgotten)
	if s.remembered--; s.remembered == 0 {
		s.idle = now
	}
	o.sessions[e.session] = s
	*e = onceEntry{}
}

// orphan lets go of who waits for an entry that will not be there, or for another to wait.
func (o *once) orphan(e *onceEntry) {
	if e.waits {
		e.waits = false
		o.orphans = append(o.orphans, orphan{e.waiter, e.op})
	}
}

// done remembers the answer of a request, and returns who else waits for it.
func (o *once) done(now time.Duration, number uint64, r *wire.Response) (waiter coordinator.Client, waits bool) {
	e := o.at(number)
	if e.number != number {
		return waiter, false
	}
	waiter, waits = e.waiter, e.waits
	e.waits = false
	if r.Status.Undone() {
		o.forget(now, e, 0)
		return waiter, waits
	}
	e.answered = true
	e.response = wire.Response{Status: r.Status, Stamp: r.Stamp, Forgotten: r.Forgotten, Hinted: r.Hinted, Value: append([]byte(nil), r.Value...)}
	if r.Err != nil {
		err := *r.Err
		err.Failed = append([]wire.Failure(nil), err.Failed...)
		e.response.Err = &err
	}
	return waiter, waits
}

// misplaced says why a request cannot be told apart from others: what is not a write of one key may be sent as often as one
// likes, and answers with values are too large to be remembered.
func misplaced(r *wire.Request) string {
	switch {
	case r.Op != wire.OpSet && r.Op != wire.OpDelete && r.Op != wire.OpIncr && r.Op != wire.OpAppend:
		return fmt.Sprintf("a session with %v: only sets, deletes, increments and appends are told apart", r.Op)
	case r.Previous:
		return "a session with a request for the previous value: that is not remembered"
	case r.Serial == 0:
		return "a session without a serial: count requests from 1"
	}
	return ""
}

// disown answers those whose request is not remembered any more.
func (s *Shard) disown() {
	for _, x := range s.once.orphans {
		s.out.Answer(x.client, refusal(x.op, wire.StatusUnsure, "what came of it was forgotten, or it was asked again by another connection"))
	}
	s.once.orphans = s.once.orphans[:0]
}

func refusal(op wire.Op, status wire.Status, why string) *wire.Response {
	return &wire.Response{Status: status, Err: &wire.Error{Op: op, Text: why}}
}

// answer gives a client its answer, and whoever has sent the same request again.
func (s *Shard) answer(client coordinator.Client, r *wire.Response) {
	if client.Once != 0 {
		if waiter, waits := s.once.done(s.now.Mono, client.Once, r); waits {
			again := *r
			s.out.Answer(waiter, &again)
		}
	}
	s.out.Answer(client, r)
}
