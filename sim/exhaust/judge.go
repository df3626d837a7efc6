package exhaust

import (
	"fmt"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// This file owns what is right. It sees what clients see, and what a node would tell another of the key.

// outcome is how far an operation is.
type outcome uint8

const (
	idle     outcome = iota // not asked yet
	asked                   // and not answered
	answered                // well or badly
	hungUp                  // its node lost its memory, and the client its connection
)

// record is what a client knows of its operation.
type record struct {
	kind    Kind
	outcome outcome
	before  uint8 // bits of the writes acknowledged before it was asked
	acked   bool  // a write, and it took place for certain
	stamp   vclock.Stamp
}

// history is what all clients know, by the number of the operation.
type history []record

// ask notes that an operation begins.
func (h history) ask(number int) {
	h[number].outcome, h[number].before = asked, h.acked()
}

// acked are the bits of the writes that were acknowledged.
func (h history) acked() (bits uint8) {
	for i := range h {
		if h[i].acked {
			bits |= 1 << i
		}
	}
	return bits
}

// answer notes what a client was told, and returns what is wrong with it.
func (h history) answer(number int, r *wire.Response) string {
	if number < 0 || number >= len(h) || h[number].outcome == idle {
		return fmt.Sprintf("op %d is answered, which nobody asked", number+1)
	}
	o := &h[number]
	if o.outcome != asked {
		return fmt.Sprintf("op %d is answered again", number+1)
	}
	o.outcome, o.stamp = answered, vclock.Stamp(r.Stamp)
	switch {
	case o.kind != Get && r.Status == wire.StatusOK:
		o.acked = true
		return h.written(number)
	case o.kind == Get && r.Status == wire.StatusOK:
		return h.read(number, string(r.Value))
	case o.kind == Get && r.Status == wire.StatusNotFound && !r.Forgotten:
		if u := h.newest(o.before); u >= 0 && o.stamp < h[u].stamp {
			return fmt.Sprintf("lost: op %d finds nothing newer than %v and is sure of it, though op %d was acknowledged before as %v",
				number+1, o.stamp, u+1, h[u].stamp)
		}
	}
	return ""
}

// newest is the write of the greatest stamp among those; -1 if there is none.
func (h history) newest(bits uint8) int {
	u := -1
	for i := range h {
		if bits>>i&1 != 0 && (u < 0 || h[i].stamp > h[u].stamp) {
			u = i
		}
	}
	return u
}

// written judges a write that was acknowledged.
func (h history) written(number int) string {
	o := &h[number]
	if u := h.newest(o.before); u >= 0 && o.stamp <= h[u].stamp {
		return fmt.Sprintf("op %d is acknowledged as %v, though op %d had been as %v before it began", number+1, o.stamp, u+1, h[u].stamp)
	}
	for i := range h {
		if i != number && h[i].acked && h[i].stamp == o.stamp {
			return fmt.Sprintf("ops %d and %d have one stamp, %v", i+1, number+1, o.stamp)
		}
	}
	return ""
}

// read judges a value that was returned.
func (h history) read(number int, value string) string {
	o := &h[number]
	v := valueOf(value)
	if v < 0 || v >= len(h) || h[v].kind != Set || h[v].outcome == idle {
		return fmt.Sprintf("op %d reads %q, which nobody wrote", number+1, value)
	}
	if u := h.newest(o.before); u >= 0 && o.stamp < h[u].stamp {
		return fmt.Sprintf("stale: op %d reads op %d as %v, though op %d, a %v, was acknowledged before as %v",
			number+1, v+1, o.stamp, u+1, h[u].kind, h[u].stamp)
	}
	if o.before>>v&1 != 0 && h[v].stamp != o.stamp { // until then it may be stamped again
		return fmt.Sprintf("op %d reads op %d as %v, which was acknowledged as %v", number+1, v+1, o.stamp, h[v].stamp)
	}
	return ""
}

// knowledge is what a node would tell another of the key.
type knowledge struct {
	hash   uint64       // of all of it
	record vclock.Stamp // held; 0: none
	ghost  vclock.Stamp // of what was forgotten; 0: none
	mark   vclock.Stamp
	floor  vclock.Stamp // while it recovers
}

// follows judges what a node knows after what it knew, in one life. Its floor of a recovery may go: that was of what
// it may have known before.
func (k *knowledge) follows(earlier *knowledge) string {
	was, is := max(earlier.record, earlier.ghost, earlier.mark), max(k.record, k.ghost, k.mark, k.floor)
	if is < was || k.mark < earlier.mark {
		return fmt.Sprintf("knew of %v and now of no more than %v", was, is)
	}
	return ""
}
