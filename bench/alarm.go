package bench

import (
	"container/heap"
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
	heap.Push(&a.asks, ask{due, w.wake})
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
		heap.Pop(&a.asks)
	}
	return alarmSlice
}

// ask is one worker's time.
type ask struct {
	due  int64
	wake chan struct{}
}

// asks are a heap, the earliest first.
type asks []ask

func (h asks) Len() int           { return len(h) }
func (h asks) Less(i, j int) bool { return h[i].due < h[j].due }
func (h asks) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push and Pop are what container/heap wants.
func (h *asks) Push(x any) { *h = append(*h, x.(ask)) }

// Pop removes the last.
func (h *asks) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
