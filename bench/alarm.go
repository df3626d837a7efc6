package bench

import (
	"sync"
	"time"
)

// alarm wakes workers at given times. Timers of the runtime are about a millisecond late in an idle process, which
// would be most of a latency; the alarm sleeps in the kernel, in one goroutine for all connections, and is some 70 µs
// late.
type alarm struct {
	*load
	over    chan struct{}
	stopped sync.Once

	mu   sync.Mutex
	asks asks
}

// alarmSlice is the longest that the alarm sleeps: an earlier time may have been asked for since.
const alarmSlice = 250 * time.Microsecond

func newAlarm(l *load) *alarm {
	a := &alarm{load: l, over: make(chan struct{})}
	go a.ring()
	return a
}

// stop ends every wait.
func (a *alarm) stop() { a.stopped.Do(func() { close(a.over) }) }

// wait returns at the time due, in nanoseconds since the run began; false at once if the alarm or the worker is over.
func (a *alarm) wait(due int64, w *worker) bool {
	a.mu.Lock()
	a.asks.push(ask{due, w.wake})
	a.mu.Unlock()
	select {
	case <-w.wake:
		return true
	case <-a.over:
	case <-w.end:
	}
	return false
}

func (a *alarm) ring() {
	for {
		select {
		case <-a.over:
			return
		default:
		}
		pause(min(a.wakeAll(), alarmSlice))
	}
}

// wakeAll wakes those whose time has come, and returns how long it is until the next.
func (a *alarm) wakeAll() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.asks) > 0 {
		if early := a.asks[0].due - a.now(); early > 0 {
			return time.Duration(early)
		}
		a.asks[0].wake <- struct{}{} // there is room: a worker asks once at a time
		a.asks.pop()
	}
	return alarmSlice
}

// ask is one worker's time.
type ask struct {
	due  int64
	wake chan struct{}
}

// asks are a heap, the earliest first: each is no later than those at twice its place and one or two more. The library's
// would allocate for each.
type asks []ask

func (h *asks) push(x ask) {
	*h = append(*h, x)
	all := *h
	for at := len(all) - 1; at > 0 && all[at].due < all[(at-1)/2].due; at = (at - 1) / 2 {
		all[at], all[(at-1)/2] = all[(at-1)/2], all[at]
	}
}

// pop removes the earliest.
func (h *asks) pop() {
	all := *h
	last := len(all) - 1
	all[0], all = all[last], all[:last]
	*h = all
	for at := 0; ; {
		least := at
		for child := 2*at + 1; child <= 2*at+2 && child < len(all); child++ {
			if all[child].due < all[least].due {
				least = child
			}
		}
		if least == at {
			return
		}
		all[at], all[least] = all[least], all[at]
		at = least
	}
}
