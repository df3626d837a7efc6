package sim

import (
	"slices"
	"time"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// checkQuorum is I13: while as many owners as a level takes can serve a call, it fails for want of none of them, whatever
// the others do. It looks at what a client has just heard, and judges only calls for which all that they rest on was well
// from their beginning on: who coordinates, enough owners, and the ways between.
func (w *world) checkQuorum(o *op, r *wire.Response) {
	if o.ask.Op != wire.OpGet && !o.writes() && !o.touches() || !w.timely(o.begin) {
		return
	}
	if o.tries > 0 {
		return // at a level of its own
	}
	if w.unsettled(o.begin) {
		return // who has not heard of a flush gets no reply
	}
	if o.ask.Only != wire.Always || o.ask.Was {
		return // it fails where another write overtakes it, and all go to one owner, by way of whom may not be seen here
	}
	if o.refused != w.refused() {
		return // who has no room counts no more than who is silent, and forgets what it held: others then begin the key anew
	}
	c, ok := w.coordinator(o)
	if !ok || w.flushedMeanwhile(o) {
		return
	}
	if w.plan.Cluster.Siblings && o.writes() && !w.settled(o.begin) {
		return // an owner that begins anew may have swallowed what is written at that moment, whoever has it
	}
	v := w.nodes[c].core.View()
	var owners, serve datacenters
	replicas := uint8(w.plan.Cluster.Replicas)
	for _, place := range v.Table.Owners(v.Table.Partition(ring.Slot(keyName(o.key)))) {
		if !place.Holds(replicas) {
			continue
		}
		owners[place.Datacenter]++
		if w.reaches(c, int(v.Table.Nodes()[place.Node].ID-1), o.begin) {
			serve[place.Datacenter]++
		}
	}
	// A read asks all owners in turn before it knows that too few vote, which takes time; one that waits for a silent owner
	// is a miss at its deadline, and who handed it on has given up by then. A write of siblings may have to read first.
	reading := !o.writes() || w.plan.Cluster.Siblings
	if serve != owners && reading && (o.writes() || o.until-o.begin < hedged || o.taker > 0) {
		return
	}
	local := w.nodes[o.node].core.View().Local
	reads, writes := w.plan.Cluster.votes()
	if reading && !serve.meet(w.plan.Cluster.Read, reads, owners, local) || o.ask.Op != wire.OpGet && !serve.meet(w.plan.Cluster.Write, writes, owners, local) {
		return
	}
	w.count("quorum judged")
	if serve != owners {
		w.count("quorum judged without an owner")
	}
	switch {
	case o.status != wire.StatusQuorum && o.status != wire.StatusTimeout && o.status != wire.StatusNotReady:
	case o.touches() && missing(r):
		w.count("touch of what owners miss")
	default:
		w.fail("I13", "op %d (%v-%v), %v of k%d at n%d, fails with status %d, though n%d had %v of %v owners to ask", o.number, o.begin, w.now, o.ask.Op, o.key, o.node+1,
			o.status, c+1, serve, owners)
	}
}

// missing reports whether an owner has failed a touch for want of the version that it was aimed at: having met a newer
// one than it had read, the touch has no value to send to owners that miss that.
func missing(r *wire.Response) bool {
	return slices.ContainsFunc(r.Err.Failed, func(f wire.Failure) bool { return f.Reason == wire.OutcomeMissing })
}

// hedged is how long a read may take until it has asked every owner: a tenth of a second for each that is silent.
const hedged = 800 * time.Millisecond

// timely reports whether every clock was good since t, and none was told to be far off: else owners refuse stamps and
// deadlines, which is as it should be.
func (w *world) timely(t time.Duration) bool {
	for i := range w.nodes {
		if far := w.nodes[i].far; far > 0 && far+farApart >= t {
			return false
		}
	}
	return w.off <= replica.SkewAllowed/2
}

// coordinator is the node that carries out an op which has been answered; false where it, or what lies between it and
// the client, was not well all the time. A write that has come to no owner may have been handed to any of them.
func (w *world) coordinator(o *op) (c int, ok bool) {
	n := &w.nodes[o.node]
	if !n.well(o.begin) {
		return 0, false
	}
	v := n.core.View()
	p := v.Table.Partition(ring.Slot(keyName(o.key)))
	switch {
	case o.ask.Op == wire.OpGet || o.taker == 0 && o.owned:
		return o.node, true
	case o.taker > 0:
		return o.taker - 1, w.reaches(o.node, o.taker-1, o.begin)
	}
	for _, place := range v.Table.Owners(p) {
		if place.Holds(uint8(w.plan.Cluster.Replicas)) && !w.reaches(o.node, int(v.Table.Nodes()[place.Node].ID-1), o.begin) {
			return 0, false
		}
	}
	return o.node, true
}

// flushedMeanwhile reports whether some node goes by another epoch of the namespace than the op was asked in.
func (w *world) flushedMeanwhile(o *op) bool {
	for i := range w.nodes {
		if n := &w.nodes[i]; w.plan.Cluster.Flushes && n.core != nil && w.space(n).Epoch != o.epoch {
			return true
		}
	}
	return false
}

// owns reports whether a node owns the keys of a partition that are asked for.
func (w *world) owns(n *node, p uint32) bool {
	t := n.core.View().Table
	return slices.ContainsFunc(t.Owners(p), func(x ring.Place) bool {
		return t.Nodes()[x.Node].ID == n.id && x.Holds(uint8(w.plan.Cluster.Replicas))
	})
}

// takes notes which node takes a write that another node has handed on, and has just been told to: it may hand it back.
func (w *world) takes(from uint64, to int, m *wire.Message) {
	if m.Kind != wire.KindForward || w.request.ID == 0 || w.request.ID > uint64(len(w.ops)) {
		return
	}
	if r, ok := w.reply(to, from, m.ID); !ok || r.Outcome == wire.OutcomeOK {
		o, n := &w.ops[w.request.ID-1], &w.nodes[to]
		v := n.core.View()
		o.taker, o.owned = to+1, w.owns(n, v.Table.Partition(ring.Slot(keyName(o.key))))
	}
}

// well reports whether a node was up since t, stood still at no time, and had a disk that takes ceilings.
func (n *node) well(t time.Duration) bool {
	return n.core != nil && n.booted < t && n.paused < t && (n.stuck == 0 || n.stuck+idlePeriod < t)
}

// reaches reports whether a node could count on another since t: that was well, no message between them was lost or
// late, and the one had the other for up.
func (w *world) reaches(from, to int, t time.Duration) bool {
	n := &w.nodes[from]
	if !n.well(t) || !w.nodes[to].well(t) {
		return false
	}
	p := &n.peers[to]
	return from == to || p.up && p.turned < t && w.smooth(from, to, t) && w.smooth(to, from, t)
}

// smooth reports whether whatever was sent from one node to another since t has come, without delay and whole.
func (w *world) smooth(from, to int, t time.Duration) bool {
	return !w.blocked(from, to) && w.rough[from*len(w.nodes)+to] < t
}

// roughen notes that the way from one node to another is not smooth until t.
func (w *world) roughen(from, to int, t time.Duration) {
	at := &w.rough[from*len(w.nodes)+to]
	*at = max(*at, t)
}

// datacenters counts nodes of each; no cluster has more.
type datacenters [2]int

// meet reports whether so many owners are as many as a level takes: votes, or where it counts by datacenter, more than half
// of those that there are.
func (d datacenters) meet(level wire.Level, votes int, owners datacenters, local uint8) bool {
	switch level {
	case wire.LevelLocalQuorum:
		return d[local] > owners[local]/2
	case wire.LevelEachQuorum:
		return d[0] > owners[0]/2 && (owners[1] == 0 || d[1] > owners[1]/2)
	default:
		return d[0]+d[1] >= votes
	}
}
