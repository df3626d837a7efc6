package sim

import (
	"bytes"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// handoff is a hint that a fallback keeps for an owner, and that another node may have counted towards W.
type handoff struct {
	fallback, target     int
	life, lifeAfter      uint32 // the fallback's; the target's that it is for, which may be about to begin
	harm                 int    // of the fallback's disk since which it is there; 0: it may be in memory alone
	key                  []byte
	stamp                vclock.Stamp
	asked                time.Duration // when it was
	coordinator, message uint64        // who asked for it, as what
	parted               bool          // that one kept it itself, and lets go of it
}

// handOff notes what fallbacks are asked to keep, and which of it they say they do. What a fallback keeps that is the
// coordinator itself nobody sees here.
func (w *world) handOff(p *packet, to int, m *wire.Message) {
	switch {
	case m.Kind == wire.KindOwe && m.Target > 0 && m.Target <= uint64(len(w.nodes)):
		target := &w.nodes[m.Target-1]
		h := handoff{
			fallback: to, target: int(m.Target - 1), life: w.nodes[to].life, lifeAfter: target.life, key: append([]byte(nil), m.Key...),
			stamp: m.Set.Dot.Stamp, asked: w.now, coordinator: p.from, message: m.ID, parted: m.Expires == 0,
		}
		if target.core == nil {
			h.lifeAfter++
		}
		w.owed = append(w.owed, h)
	case m.Kind == wire.KindStoreReply && m.Outcome == wire.OutcomeHinted:
		for i := len(w.owed) - 1; i >= 0; i-- {
			if h := w.owed[i]; h.fallback == int(p.from-1) && h.coordinator == uint64(to+1) && h.message == m.ID {
				w.owed = append(w.owed[:i], w.owed[i+1:]...)
				if h.parted {
					w.part(to, &h)
				}
				w.handoffs = append(w.handoffs, h)
				return
			}
		}
	}
}

// part is that a node lets another keep a hint in its place. An owner may be one that counts already: a write that the hint counted for
// may then be at one node fewer, as if who had it had lost its memory.
func (w *world) part(from int, h *handoff) {
	gone := func(x handoff) bool {
		return x.fallback == from && x.target == h.target && x.stamp <= h.stamp && bytes.Equal(x.key, h.key)
	}
	before := len(w.handoffs)
	w.handoffs, w.owed = slices.DeleteFunc(w.handoffs, gone), slices.DeleteFunc(w.owed, gone) // who says late that he keeps it did so before
	if len(w.handoffs) < before {
		w.count("handoff handed over")
	}
	v := w.nodes[from].core.View()
	if p := w.partition(v, h.key); v.Holds(uint64(h.fallback+1), p, h.key) && !v.Holds(uint64(from+1), p, h.key) {
		w.nodes[from].parted = w.now
		w.count("handed over to an owner")
	}
}

// outlive is that a process about to end leaves the hints that are on its disk to the next one.
func (w *world) outlive(i int) {
	n := &w.nodes[i]
	if n.hintLog == nil {
		return
	}
	v, shards := n.core.View(), n.core.Shards()
	for at := range w.handoffs {
		h := &w.handoffs[at]
		target := uint64(h.target + 1)
		_, unread := n.hintLog.Of(target)
		if h.fallback == i && w.lives(h) && (shards[w.partition(v, h.key)%uint32(len(shards))].HintOnDisk(target, h.key, h.stamp) || h.harm > 0 && unread > 0) {
			h.life, h.harm = n.life+2, n.disk.harm // this process ends, and another begins
			w.count("handoff outlives a process")
		}
	}
}

// lives reports whether who keeps a hint has not lost it, and whose it is has not lost its memory.
func (w *world) lives(h *handoff) bool {
	f := &w.nodes[h.fallback]
	switch {
	case w.nodes[h.target].life > h.lifeAfter:
		return false
	case h.harm == 0:
		return f.core != nil && f.life == h.life
	case f.disk.harm != h.harm:
		return false
	case f.core == nil:
		return f.life+1 == h.life
	}
	return f.life == h.life && f.hintLog.Stats().SetAside == 0
}

func (w *world) partition(v *replica.View, inner []byte) uint32 {
	_, name := ring.SplitInnerKey(inner)
	return v.Table.Partition(ring.Slot(name))
}

// checkHandoffs is I1 for sloppy writes. What a fallback keeps it keeps until the owner knows it, however long that is
// away, unless that one loses its memory, or the fallback does with no copy on its disk. And whatever was acknowledged of a key, some owner knows it, or a fallback keeps it:
// nodes that lost their memory were too few at a time to be all that had it. Called when all nodes have been looked at.
func (w *world) checkHandoffs() {
	if !w.sane() {
		return // a clock that is far off takes what is owed for expired
	}
	kept := w.handoffs[:0]
	for _, h := range w.handoffs {
		if w.waits(&h) {
			kept = append(kept, h)
		}
	}
	w.handoffs = kept
	c := &w.plan.Cluster
	_, acks := c.votes()
	if w.voided || c.Down >= acks || c.Down > (c.owners()-1)/2 {
		return // what only those had who lost their memory is lost; and it takes half of the owners to get it back
	}
	for key, u := range w.newest() {
		if u != nil && !w.mayBeFlushed(u) && !w.expires(keyName(key)) && !(u.hinted && w.forgetful(u.begin) >= acks) {
			w.checkKnown(u)
		}
	}
}

// forgetful is how many nodes have lost their memory since t, or what they kept in another's place. After a hint was counted they all matter, recovered or not: an
// owner recovers from the others, and not from the fallback that may be all who knows of the write.
func (w *world) forgetful(t time.Duration) (nodes int) {
	for i := range w.nodes {
		if n := &w.nodes[i]; n.core == nil || n.booted > t || n.parted > t {
			nodes++
		}
	}
	return nodes
}

// newest are the acknowledged writes of the greatest stamps, by key, but for those that a fallback has coordinated.
func (w *world) newest() []*op {
	newest := make([]*op, w.plan.Cluster.names())
	for i := range w.ops {
		o := &w.ops[i]
		if u := newest[o.key]; o.writes() && o.ok && o.status == wire.StatusOK && (u == nil || o.stamp > u.stamp) && (o.owned || !o.sloppy) {
			newest[o.key] = o
		}
	}
	return newest
}

// waits reports whether a hint may still be on its way. It fails one that is not, and that its target does not know.
func (w *world) waits(h *handoff) bool {
	f, t := &w.nodes[h.fallback], &w.nodes[h.target]
	switch known := w.audits[replicaKey{h.target, xxhash.Sum64(h.key)}].known; {
	case !w.lives(h):
		return false
	case f.core == nil:
		return true
	case !f.core.View().Holds(t.id, w.partition(f.core.View(), h.key), h.key):
		return false // it was flushed
	case t.core == nil:
		return true
	case !t.core.View().Holds(t.id, w.partition(t.core.View(), h.key), h.key):
		return false // it was flushed there
	case h.stamp <= t.floor: // it may be refused there until that owner has recovered, by what others know
		return false
	case known >= h.stamp:
		w.count("handoff judged")
		return false
	}
	v, shards := f.core.View(), f.core.Shards()
	if shards[w.partition(v, h.key)%uint32(len(shards))].OwedTo(t.id) > 0 {
		return true
	}
	if h.harm > 0 {
		if _, unread := f.hintLog.Of(t.id); unread > 0 || f.hintLog.Stats().Failing > 0 {
			return true
		}
	}
	if !w.expires(h.key) {
		w.fail("I1", "n%d kept a hint of %s, %v, for n%d at %v: it owes it no more, and n%d does not know of it", f.id, h.key, h.stamp, t.id, h.asked, t.id)
	}
	return false
}

// checkKnown is that somebody knows what was acknowledged of a key.
func (w *world) checkKnown(u *op) {
	name := keyName(u.key)
	known := vclock.Stamp(0)
	for i := range w.nodes {
		if w.nodes[i].core == nil {
			continue
		}
		if a := w.audits[replicaKey{i, xxhash.Sum64(w.inner(&w.nodes[i], name))}]; a.life == w.nodes[i].life {
			known = max(known, a.known)
		}
	}
	for i := range w.handoffs {
		if h := &w.handoffs[i]; bytes.Equal(plainName(h.key), name) {
			known = max(known, h.stamp)
		}
	}
	w.count("known judged")
	if known < vclock.Stamp(u.stamp) {
		w.fail("I1", "lost: nobody knows more than %v of %s, though op %d (%v-%v) was acknowledged as %v", known, name, u.number, u.begin, u.end, vclock.Stamp(u.stamp))
	}
}

// expires reports whether anything was to end by itself what a key holds.
func (w *world) expires(key []byte) bool {
	for i := range w.ops {
		if o := &w.ops[i]; o.ask.TTL > 0 && o.ask.TTL < ttlUnit && string(keyName(o.key)) == string(plainName(key)) {
			return true
		}
	}
	return false
}
