package hints

import (
	"container/list"

	"github.com/shoalcache/shoal/vclock"
)

// This file owns the hints for which their target had no room: its store evicts nothing, and is full. They are still owed,
// but out of the way of those behind them, which may be deletions that make room. One of them asks again each
// Config.RetryPeriod; where that is taken, others follow. Likewise what is to be handed over, and nobody keeps. One that becomes a
// deletion itself does not wait, and what has expired gives its room back.

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
		l.comeBack(e)
	}
}

// comeBack puts a hint that was set aside behind all others.
func (l *lane) comeBack(e *entry) {
	l.unlist(e)
	e.full, e.tried = false, 0
	e.place = l.entries.PushBack(e)
}

// expire looks at no more than a window of hints that were set aside, drops those that have expired, and goes on there the next
// time: were they to wait until they are recalled, new hints would be dropped for want of the room that they hold. It returns
// how many it has looked at.
func (q *Queue) expire(l *lane, now vclock.Now) int {
	most := min(q.cfg.WindowMax, l.full.Len())
	for range most {
		if l.look == nil {
			l.look = l.full.Front()
		}
		if e := l.look.Value.(*entry); e.set.Deadline.Passed(now.Wall) {
			q.expired(l, e)
		} else {
			l.look = l.look.Next()
		}
	}
	return most
}

// unlist takes an entry from where it is, out of the way of expire.
func (l *lane) unlist(e *entry) {
	if l.look == e.place {
		l.look = e.place.Next()
	}
	l.list(e).Remove(e.place)
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
