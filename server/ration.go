package server

import (
	"sync/atomic"
	"time"
)

// ration is how many bytes connections hold together that nobody takes from them, beside what each of them may. What is small
// is not counted: it is part of what every connection costs.
type ration struct {
	most int64
	held atomic.Int64
	done <-chan struct{} // nobody waits any more
}

// over reports whether n more bytes are too many. A nil ration has no end.
func (r *ration) over(n int) bool { return r != nil && r.held.Load()+int64(n) > r.most }

func (r *ration) add(n int) {
	if r != nil && n != 0 {
		r.held.Add(int64(n))
	}
}

// wait returns once there is room for n more bytes, or nobody holds any beside who waits, own; false when that takes longer
// than patience.
func (r *ration) wait(n, own int, patience time.Duration) bool {
	full := func() bool { return r.over(n) && r.held.Load() > int64(own) }
	if !full() {
		return true
	}
	end := time.NewTimer(patience)
	defer end.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for full() {
		select {
		case <-tick.C:
		case <-end.C:
			return false
		case <-r.done:
			return false
		}
	}
	return true
}
