package sim

import (
	"strconv"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// This file is calls that depend on what is there: their clients, and what they are promised.

// sight is what the answer to such a call says of what was there.
type sight struct {
	told, there bool
	stamp       uint64 // of what was there; 0: it does not say
	wrote       int    // the op that wrote it, from 1; 0: it does not say
}

// metMax is how many of the latest versions that clients have met of a key one of them may ask for.
const metMax = 3

// meet notes a version that a client has met.
func (w *world) meet(key int, stamp uint64) {
	of := append(w.met[key], stamp)
	w.met[key] = of[max(len(of)-metMax, 0):]
}

// pickMet is the version that a client asks for: one that was met, the latest more often than others, or none.
func (w *world) pickMet(a *Ask) uint64 {
	of := w.met[a.Key]
	if a.Pick == metMax && a.Number%4 == 0 {
		return 0
	}
	if len(of) == 0 {
		return 0
	}
	return of[max(len(of)-1-a.Pick/2, 0)]
}

// takeSight takes what an answer says of what was there.
func (w *world) takeSight(o *op, r *wire.Response) {
	s := &o.saw
	met := r.Status == wire.StatusOK
	if s.told = true; !met {
		w.count("condition not met")
		s.there, s.stamp = r.Stamp != 0, r.Stamp
	} else if o.ask.Only != wire.Always {
		w.count("condition met")
		if s.there = o.ask.Only == wire.Present; o.ask.Only == wire.Version {
			s.there, s.stamp = o.than != 0, o.than
		}
	}
	if o.ask.Was {
		if len(r.Items) != 1 {
			w.fail("I19", "op %d at n%d is told %d values that were there", o.number, o.node+1, len(r.Items))
			return
		}
		it := &r.Items[0]
		if there := it.Status == wire.StatusOK; o.ask.Only == wire.Always {
			s.there, s.stamp = there, it.Stamp
		} else if there != s.there || s.stamp != 0 && s.stamp != it.Stamp {
			w.fail("I19", "op %d at n%d has its condition judged by %v, and is told of %v", o.number, o.node+1, vclock.Stamp(s.stamp), vclock.Stamp(it.Stamp))
		}
		if s.there {
			w.count("previous value")
			s.stamp = it.Stamp
			s.wrote, _ = strconv.Atoi(string(it.Value))
		}
	}
	if met || o.ask.Only == wire.Always {
		o.quiet = w.agreed()
		return
	}
	if o.ask.Only == wire.Absent && !s.there || o.ask.Only == wire.Present && s.there || o.ask.Only == wire.Version && s.stamp == o.than {
		w.fail("I19", "op %d at n%d has a condition that is met by %v, and is told that it is not", o.number, o.node+1, vclock.Stamp(s.stamp))
	}
}

// agreed is since when every node has known of the others what it knows now, and all have one another for up and no clock for
// wrong, so that they all know one owner to judge; never where that is not so.
func (w *world) agreed() time.Duration {
	for i := range w.nodes {
		n := &w.nodes[i]
		if n.core == nil || n.core.View().Skewed || n.paused > w.now {
			return never
		}
		for o := range n.peers {
			if o != i && !n.peers[o].up {
				return never
			}
		}
	}
	return w.turned
}

// checkConditions is I19: what a call that depends on what is there says to have found is what a read at its level may
// find, and of two that one owner judged at once no second finds what the first has done away with.
func (w *world) checkConditions(key int, ops []*op) {
	var acked, newest, latest []*op
	for _, o := range ops {
		s := &o.saw
		if !s.told || !o.ok {
			continue
		}
		if acked == nil {
			acked = writesByEnd(ops)
			newest, latest = best(acked, func(a, b *op) bool { return a.stamp > b.stamp }), best(acked, func(a, b *op) bool { return a.begin > b.begin })
		}
		w.checkWritten(key, ops, o)
		if w.failed != nil || !w.strict(key) {
			continue
		}
		switch u, last := lastBefore(acked, newest, o.begin), lastBefore(acked, latest, o.begin); {
		case w.plan.Cluster.Siblings: // the latest of them, which a write may have seen or not
			if !s.there && !o.forgotten && u != nil && u.begin > w.anew(ops, o) && w.stats.Collapsed == 0 {
				w.fail("I19", "op %d (%v-%v) at n%d finds nothing of k%d, though op %d (%v-%v) was acknowledged", o.number, o.begin, o.end, o.node+1, key, u.number, u.begin, u.end)
			}
		case s.there && s.stamp != 0 && u != nil && s.stamp < u.stamp:
			w.fail("I19", "stale: op %d (%v-%v) at n%d is judged by %v of k%d, though op %d had been acknowledged as %v at %v", o.number, o.begin, o.end, o.node+1,
				vclock.Stamp(s.stamp), key, u.number, vclock.Stamp(u.stamp), u.end)
		case s.there && last != nil && last.ask.Op == wire.OpDelete && !w.setSince(ops, last, o):
			w.fail("I19", "op %d (%v-%v) at n%d finds a value of k%d, which op %d (%v-%v) had deleted", o.number, o.begin, o.end, o.node+1, key, last.number, last.begin, last.end)
		case !s.there && !o.forgotten:
			if u := w.live(ops, o); u != nil && !w.mayEnd(ops, o, u) && w.plan.Cluster.Down < acks(&w.plan.Cluster) {
				w.fail("I19", "op %d (%v-%v) at n%d finds nothing of k%d, though op %d (%v-%v) was acknowledged", o.number, o.begin, o.end, o.node+1, key, u.number, u.begin, u.end)
			}
			w.count("condition judged by what is missing")
		}
		w.count("condition judged")
		w.checkRivals(key, ops, o)
	}
}

// acks are W as a number of owners.
func acks(c *Cluster) int {
	_, w := c.votes()
	return w
}

// best is, for each of acked, the one up to it that none up to it is better than.
func best(acked []*op, better func(a, b *op) bool) []*op {
	b := make([]*op, len(acked))
	for i, o := range acked {
		if b[i] = o; i > 0 && better(b[i-1], o) {
			b[i] = b[i-1]
		}
	}
	return b
}

// checkWritten is that what was there had been written, to that key, and has not expired long since.
func (w *world) checkWritten(key int, ops []*op, o *op) {
	s := &o.saw
	if !s.there {
		return
	}
	if s.wrote == 0 {
		if o.ask.Was {
			w.fail("values", "op %d is told of a value that nobody wrote", o.number)
		} else if !w.setSince(ops, nil, o) {
			w.fail("I19", "op %d (%v-%v) at n%d finds a value of k%d, which nobody had written", o.number, o.begin, o.end, o.node+1, key)
		}
		return
	}
	if s.wrote > len(w.ops) {
		w.fail("values", "op %d is told of a value that nobody wrote", o.number)
		return
	}
	v := &w.ops[s.wrote-1]
	if v.key != key || v.ask.Op != wire.OpSet || !v.writes() || v.begin > o.end || v == o {
		w.fail("values", "op %d is told of %d, which nobody had written to k%d", o.number, s.wrote, key)
	}
	touched := func() bool {
		for _, t := range ops {
			if t.touches() {
				return true
			}
		}
		return false
	}
	if v.ask.TTL > 0 && o.begin > min(v.end, v.until)+v.ask.TTL+w.apart() && !touched() {
		w.fail("I11", "late: op %d (%v-%v) at n%d is told of op %d (%v-%v), whose TTL was %v", o.number, o.begin, o.end, o.node+1, v.number, v.begin, v.end, v.ask.TTL)
	}
}

// setSince reports whether op o may have found a value that was set after d, which is nil for any: what was not acknowledged may
// have been set at any time.
func (w *world) setSince(ops []*op, d, o *op) bool {
	for _, v := range ops {
		if v != o && v.ask.Op == wire.OpSet && v.writes() && v.begin <= o.end && (d == nil || v.end >= d.begin) {
			return true
		}
	}
	return false
}

// mayEnd reports whether anything that failed may have ended what u wrote before o was judged: it may have a later stamp.
func (w *world) mayEnd(ops []*op, o, u *op) bool {
	for _, x := range ops {
		if x != u && x != o && x.brief() && x.begin <= o.end && (!x.ok || x.stamp > u.stamp) {
			return true
		}
	}
	return false
}

// checkRivals is that of two calls that one owner has judged at once, and that take the same to be there, the second takes
// what the first has written.
func (w *world) checkRivals(key int, ops []*op, o *op) {
	rival := func(x *op) bool {
		return x.status == wire.StatusOK && !x.forgotten && (x.ask.Only == wire.Absent || x.ask.Only == wire.Version) && x.saw.told && x.ok
	}
	if !rival(o) || w.stats.Storage.Evicted > 0 {
		return
	}
	for _, x := range ops {
		if x == o || !rival(x) || x.saw.stamp != o.saw.stamp || x.begin > o.end || o.begin > x.end || x.begin > o.begin {
			continue
		}
		if max(x.quiet, o.quiet) >= x.begin {
			w.count("rivals not judged")
			continue
		}
		end := max(x.end, o.end)
		for _, d := range ops {
			if d != x && d != o && d.brief() && d.begin <= end && w.over(d) >= x.begin || d.touches() {
				return
			}
		}
		if !x.saw.there && (x.brief() || o.brief()) {
			continue
		}
		w.fail("I19", "op %d (%v-%v) at n%d and op %d (%v-%v) at n%d both found k%d at %v, though all knew one owner to judge", x.number, x.begin, x.end, x.node+1,
			o.number, o.begin, o.end, o.node+1, key, vclock.Stamp(o.saw.stamp))
	}
	w.count("rivals judged")
}
