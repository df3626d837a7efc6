package sim

import "time"

// what an event is.
type what uint8

const (
	deliver what = iota
	tick
	beat
	look // at who is alive
	ask
	turnAway // the client has waited long enough
	begin    // a fault
	end      // it is over
	calm     // all of them are
	audit    // of what the nodes hold
	rested   // whatever exchanges bring
	mended   // whatever reads repair
	boot
	renew  // a client asks once more for its session
	late   // a request comes out of a connection that has broken
	resend // a client sends a request again
)

// event is something that happens at a moment of true time. Those of one moment happen in the order in which they
// were made.
type event struct {
	at     time.Duration
	serial uint64
	what   what
	node   int32
	life   uint32 // of the node; an event of a life that is over does not happen
	index  int32  // of an ask, an op, a fault, a packet, a tick
}

// agenda is a heap of events, in which each has four below it: fewer levels, and those four stand together. Events
// hold no pointers, so that moving them costs the garbage collector nothing.
type agenda struct {
	heap   []event
	serial uint64
}

const fanout = 4

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.serial < o.serial
}

func (a *agenda) push(e event) {
	a.serial++
	e.serial = a.serial
	a.heap = append(a.heap, e)
	h := a.heap
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / fanout
		if !e.before(&h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
}

func (a *agenda) pop() event {
	h := a.heap
	first, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	a.heap = h
	i := 0
	for below := 1; below < len(h); below = fanout*i + 1 {
		least := below
		for child := below + 1; child < min(below+fanout, len(h)); child++ {
			if h[child].before(&h[least]) {
				least = child
			}
		}
		if !h[least].before(&last) {
			break
		}
		h[i] = h[least]
		i = least
	}
	if len(h) > 0 {
		h[i] = last
	}
	return first
}
