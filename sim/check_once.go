package sim

import (
	"bytes"

	"github.com/shoalcache/shoal/wire"
)

// checkOnce is I21: what is sent again happens once. The boot that has carried it out gives the same answer, and no other
// boot carries it out.
func (w *world) checkOnce(o *op, r *wire.Response) {
	s := o.resent
	if s == nil || r.ID>>copyShift == 0 {
		return
	}
	w.count("answer to what was sent again")
	if n := &w.nodes[o.node]; n.life != o.life {
		if w.count("sent again to another boot"); o.ok {
			w.fail("I21", "op %d is carried out by another boot of n%d than it was sent to first, which cannot know whether it was carried out", o.number, o.node+1)
		}
		return
	}
	if s.lost && (r.Status != s.status || r.Stamp != s.stamp || !bytes.Equal(r.Value, s.value)) {
		w.fail("I21", "op %d is answered with status %d, %q, and when it is sent again with status %d, %q", o.number, s.status, s.value, r.Status, r.Value)
	}
}
