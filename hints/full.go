package hints

import (
	"container/list"

	"github.com/shoalcache/shoal/vclock"
)

// This file owns the hints for which their target had no room: its store evicts nothing, and is full. They are still owed,
// but out of the way of those behind them, which may be deletions that make room. One of them asks again each
// Config.RetryPeriod; where that is taken, others follow.

// recallMore is how many are tried again for each hint that the target has taken: so many that all are once there is room,
// and no more than twice what it takes where there is little.
const recallMore = 2

// setAside takes a hint that is on its way out of the window.
func (l *lane) setAside(e *entry) {
	l.entries.Remove(e.place)
	l.flying--
	e.flying, e.full = false, true
	e.place = l.full.PushBack(e)
}

// recall lets hints that were set aside be sent again behind all others, those first that were refused longest ago; those that
// were sent within Config.RetryPeriod wait.
func (q *Queue) recall(l *lane, now vclock.Now, most int) {
	l.recalled = now.Mono
	for range most {
		first := l.full.Front()
		if first == nil {
			return
		}
		e := first.Value.(*entry)
		if now.Mono-e.sent < q.cfg.RetryPeriod {
			return
		}
		l.full.Remove(first)
		e.full = false
		e.place = l.entries.PushBack(e)
	}
}

// list is where an entry of the lane is.
func (l *lane) list(e *entry) *list.List {
	if e.full {
		return &l.full
	}
	return &l.entries
}

// owed is how many hints the lane has.
func (l *lane) owed() int { return l.entries.Len() + l.full.Len() }
