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
	boot
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

// agenda is a binary heap of events. They hold no pointers, so that moving them costs the garbage collector nothing.
type agenda struct {
	heap   []event
	serial uint64
}

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.serial < o.serial
}

func (a *agenda) push(e event) {
	a.serial++
	e.serial = a.serial
	a.heap = append(a.heap, e)
	h := a.heap
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].before(&h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

func (a *agenda) pop() event {
	h := a.heap
	first, last := h[0], len(h)-1
	h[0], h[last] = h[last], event{}
	h = h[:last]
	a.heap = h
	for i := 0; ; {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < last && h[child].before(&h[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
