package sim

import (
	"strconv"
	"time"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/wire"
)

// checkLate is that no owner stores a client's write past its deadline, after which nobody acknowledges it, nor keeps a
// hint of it that counts: what was answered with an error does not appear later. It looks at what a node has just
// answered to a message, and judges by what the message says of its deadline; what names its operation, by that too.
func (w *world) checkLate(to int, p *packet, m *wire.Message) {
	switch {
	case m.Kind == wire.KindStore && m.Pass == wire.PassForeground, m.Kind == wire.KindRetime:
	case m.Kind == wire.KindOwe && m.Expires != 0: // else nobody waits for it
	default:
		return
	}
	by := time.Duration(m.Expires-wallBase) * time.Millisecond
	if number, err := strconv.Atoi(string(m.Set.Value)); err == nil && m.Kind == wire.KindStore && !w.isCounter(m.Key) { // else a delete, or maybe a touch
		by = min(by, w.ops[number-1].until)
	}
	if w.now > by+replica.SkewAllowed+w.apart() && w.stored(to, p.from, m.ID) {
		w.fail("late", "n%d takes the %v of %s at %v, whose deadline was %v", to+1, m.Kind, plainName(m.Key), w.now, by)
	}
}

// stored reports whether a node is about to answer that it has stored what another sent under this id, or that there
// was no need to.
func (w *world) stored(node int, from, id uint64) bool {
	r, ok := w.reply(node, from, id)
	return ok && r.Kind == wire.KindStoreReply && r.Outcome <= wire.OutcomeHinted
}

// reply is what a node is about to answer to what another sent under this id.
func (w *world) reply(node int, from, id uint64) (r wire.Message, ok bool) {
	out := &w.nodes[node].out
	for i := range out.Peers {
		if out.Peers[i].To != from {
			continue
		}
		for rest := out.Peers[i].Frames; len(rest) > 0; {
			frame, next, err := wire.NextFrame(rest, &w.limits)
			if err != nil || wire.DecodeMessage(frame, &r, &w.limits) != nil {
				panic("a node makes a frame that none would take")
			}
			if rest = next; r.ID == id && (r.Kind == wire.KindStoreReply || r.Kind == wire.KindForwardReply) {
				return r, true
			}
		}
	}
	return r, false
}
