package hints

import (
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// This file is how a node that leaves parts with what it owes. What is owed to a node that is up goes there, as ever; what is owed to
// one that is down goes to another that keeps it. Those that may are asked one after the other, and the hint is gone here once one of them
// has it, and no sooner: two that keep it do no harm, since their target merges, and none would lose it.
//
//	              HandOver, its target is down           kept
//	owed ──────────────────────────────────▶ asked of a ──────▶ gone
//	 ▲                                       │     ▲
//	 │ after RetryPeriod                     │     │ the next one: it refused, or was silent for RetryPeriod
//	set aside ◀──────────────────────────────┴─────┘
//	              nobody is left to ask

// HandOver lets others keep what is owed to nodes that are down, or ends that.
func (q *Queue) HandOver(on bool) { q.handsOver = on && q.cfg.Taker != nil }

// whom says to whom a hint goes next; false: to nobody now.
func (q *Queue) whom(l *lane, e *entry) (to uint64, ok bool) {
	if l.up || !q.handsOver {
		e.tried = 0
		return l.target, true
	}
	if e.flying && e.to != 0 && e.to != l.target { // it was silent
		e.to, e.tried = 0, e.tried+1
	}
	to, ok = q.cfg.Taker(l.target, e.partition, e.key, int(e.tried))
	switch {
	case ok:
	case e.flying:
		l.setAside(e)
	default: // partitions have other nodes that may: it is not to be in the way of those behind it
		l.entries.MoveToBack(e.place)
	}
	return to, ok
}

// asked returns the hint that a node answers for: one that was sent as it is owed now.
func (q *Queue) asked(r *Reply) (*lane, *entry) {
	if l := q.lane(r.From); l != nil {
		if e := l.byID[r.ID]; e != nil && e.asked {
			return l, e
		}
	}
	if !q.handsOver {
		return nil, nil
	}
	for _, l := range q.lanes {
		if e := l.byID[r.ID]; e != nil && e.asked {
			return l, e
		}
	}
	return nil, nil
}

// handed takes the answer of a node that was asked to keep a hint.
func (q *Queue) handed(now vclock.Now, l *lane, e *entry, r *Reply, dst []Send) []Send {
	switch {
	case r.Outcome == wire.OutcomeHinted:
		q.stats.HandedOver++
		l.tally.HandedOver++
		q.recall(l, now, recallMore)
		q.remove(l, e)
	case e.flying && r.From == e.to:
		q.stats.NotTaken++
		e.to, e.tried = 0, e.tried+1
	default:
		return dst
	}
	return q.fly(l, now, 2*q.cfg.WindowMax, dst)
}
