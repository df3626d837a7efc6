package sim

import (
	"strconv"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/wire"
)

// checkLate is that no owner stores a client's write past its deadline, after which nobody acknowledges it: what was
// answered with an error does not appear later. It looks at what a node has just answered to a message.
func (w *world) checkLate(to int, p *packet, m *wire.Message) {
	if m.Kind != wire.KindStore || m.Pass != wire.PassForeground {
		return
	}
	number, err := strconv.Atoi(string(m.Set.Value))
	if err != nil { // a delete names no operation
		return
	}
	if by := w.ops[number-1].until; w.now > by+replica.SkewAllowed+w.apart() && w.stored(to, p.from, m.ID) {
		w.fail("late", "n%d stores op %d at %v, whose deadline was %v", to+1, number, w.now, by)
	}
}

// stored reports whether a node is about to answer that it has stored what another sent under this id.
func (w *world) stored(node int, from, id uint64) bool {
	out := &w.nodes[node].out
	for i := range out.Peers {
		if out.Peers[i].To != from {
			continue
		}
		for rest := out.Peers[i].Frames; len(rest) > 0; {
			frame, next, err := wire.NextFrame(rest, &w.limits)
			var reply wire.Message
			if err != nil || wire.DecodeMessage(frame, &reply, &w.limits) != nil {
				panic("a node makes a frame that none would take")
			}
			if rest = next; reply.Kind == wire.KindStoreReply && reply.ID == id && reply.Outcome == wire.OutcomeOK {
				return true
			}
		}
	}
	return false
}
