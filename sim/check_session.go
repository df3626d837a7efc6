package sim

import (
	"time"

	"github.com/shoalcache/shoal/internal/session"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// This file is sessions: their clients, who do what package client does, and what they are promised.

// sessionPause is how long a client waits before the last try.
const sessionPause = 50 * time.Millisecond

// keepSession holds an answer against its session, and asks again where that has met something later.
func (w *world) keepSession(o *op) {
	m, name := &w.sessions[o.ask.Session-1], string(keyName(o.key))
	switch {
	case o.ask.Op.Writes():
		if o.status != wire.StatusNotMet { // an error there
			m.Meet(name, o.stamp)
		}
		return
	case o.ask.Op != wire.OpGet:
		return
	}
	switch m.Read(name, o.tries, session.Answer{Stamp: o.stamp, Missing: o.status == wire.StatusNotFound, Forgotten: o.forgotten}) {
	case session.Take:
		if o.tries > 0 {
			w.count("session asked again and was answered")
		}
		return
	case session.Fail:
		w.count("session error")
		o.passed = true
		return
	}
	o.passed = true
	if o.tries < len(session.Levels)-1 {
		w.renew(o)
		return
	}
	w.at(event{at: w.now + sessionPause, what: renew, index: int32(o.number - 1)})
}

// renew asks again for a session, what an op has asked for.
func (w *world) renew(o *op) {
	for d := range w.nodes {
		if i := (o.node + o.tries + d) % len(w.nodes); w.nodes[i].core != nil {
			w.askNode(i, o.ask, turn{retry: o.retry, tries: o.tries + 1, first: o.first})
			return
		}
	}
}

// checkSessions is I10: no read of a session returns something older than it has written or read before, unless all owners said
// since that there is nothing, and no miss counts before they have.
func (w *world) checkSessions(key int, ops []*op) {
	if w.plan.Cluster.Sessions == 0 {
		return
	}
	for _, r := range ops {
		if !r.inSession() || r.ask.Op != wire.OpGet || r.forgotten {
			continue
		}
		w.count("session judged")
		missing := r.status == wire.StatusNotFound
		if missing && r.tries == len(session.Levels) {
			continue
		}
		var met *op
		for _, x := range ops {
			if x.ask.Session != r.ask.Session || !x.inSession() || x.end >= r.first || x.status == wire.StatusNotMet || x.stamp <= r.stamp {
				continue
			}
			if met == nil || x.stamp > met.stamp {
				met = x
			}
		}
		if met == nil || w.allMissed(ops, met, r) {
			continue
		}
		what := "reads"
		if missing {
			what = "takes for missing"
		}
		w.fail("I10", "op %d (%v-%v) at n%d %s k%d as %v in session %d, which had met %v by op %d (%v-%v) at n%d", r.number, r.first, r.end, r.node+1, what, key,
			vclock.Stamp(r.stamp), r.ask.Session, vclock.Stamp(met.stamp), met.number, met.begin, met.end, met.node+1)
		return
	}
}

// inSession reports whether the op was answered to its session.
func (o *op) inSession() bool { return o.ask.Session > 0 && o.ok && !o.passed }

// allMissed reports whether all owners have told the session that there is nothing, after it met what x says and before r
// was answered.
func (w *world) allMissed(ops []*op, x, r *op) bool {
	for _, m := range ops {
		if m.ask.Session == r.ask.Session && m.inSession() && m.ask.Op == wire.OpGet && m.status == wire.StatusNotFound && m.tries == len(session.Levels) &&
			m.end >= x.end && m.end <= r.end {
			w.count("session let go")
			return true
		}
	}
	return false
}
