package coordinator

import "github.com/shoalcache/shoal/wire"

// This file is what a write owes to owners that did not take it: hints at fallbacks, which count where the
// quorum is sloppy, and hints of the coordinator's own, which never do (Dynamo §4.6).

// cover asks a fallback to keep a hint for every failed owner that has none and would take the write later
// (Dynamo §4.6). Where the record's value is not here there is nothing to keep.
func (w *write) cover(e *Env) {
	if w.partial {
		return
	}
	for i := range w.seats {
		owner := &w.seats[i]
		if !owner.Owner || owner.state != failed || !w.hintable(owner) || w.covered(owner.Node) {
			continue
		}
		for j := range w.seats {
			f := &w.seats[j]
			if f.Owner || f.state != idle {
				continue
			}
			f.target = owner.Node
			w.ask(e, f, wire.Message{Kind: wire.KindOwe, Target: owner.Node, Expires: w.expires})
			break
		}
	}
}

// covered reports whether a fallback keeps, or is asked to keep, a hint for owner.
func (w *write) covered(owner uint64) bool {
	for i := range w.seats {
		s := &w.seats[i]
		if !s.Owner && s.target == owner && (s.state == asked || s.state == served) {
			return true
		}
	}
	return false
}

// finish owes a hint to every other owner that did not acknowledge and would take the write later, whether a
// fallback keeps one too or not.
func (w *write) finish(e *Env) {
	if w.parked || w.partial {
		return // not sent as it stands, or aimed at a version whose value this node has not got
	}
	for i := range w.seats {
		s := &w.seats[i]
		if !s.Owner || s.Node == e.Self.Node || s.state == served || s.state == failed && !w.hintable(s) {
			continue
		}
		e.Eff.Hints = append(e.Eff.Hints, Hint{Target: s.Node, Key: w.key, Set: w.set})
	}
}

// hintable tells the failures that pass with time from those that a hint would only meet again. An owner that evicts nothing and
// has no room for a value is like one that has evicted it: hints would only be more memory for what it is not to hold, and
// would fill up. It has let go of what it held before; a deletion, and a deadline of what it holds, are owed it all the same.
func (w *write) hintable(s *seat) bool {
	switch s.reason {
	case wire.OutcomeDown, wire.OutcomeSilent, wire.OutcomeNotReady, wire.OutcomeAhead, wire.OutcomeLate:
		return true
	case wire.OutcomeFull:
		return w.set.Tombstone || s.sent == wire.KindRetime
	}
	return false
}
