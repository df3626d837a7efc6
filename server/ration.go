package server

import (
	"sync/atomic"
	"time"
)

// ration is how many bytes connections hold together that nobody takes from them, beside what each of them may. What is small
// is not counted: it is part of what every connection costs.
type ration struct {
	most   int64
	held   atomic.Int64
	coming atomic.Int64    // of held: requests that have come in part
	done   <-chan struct{} // nobody waits any more
}

// over reports whether n more bytes are too many. A nil ration has no end.
func (r *ration) over(n int) bool { return r != nil && r.held.Load()+int64(n) > r.most }

// lets reports whether n more bytes are not too many, or nobody but who asks, who has own already, holds any.
func (r *ration) lets(n, own int) bool { return !r.over(n) || r.held.Load() <= int64(own) }

// add counts n more bytes of answers, or fewer.
func (r *ration) add(n int) {
	if r != nil && n != 0 {
		r.held.Add(int64(n))
	}
}

// take has n more bytes of a request, for who has own already, once there is room for them or nobody else holds any; false when
// that takes longer than patience.
func (r *ration) take(n, own int, patience time.Duration) bool {
	return r.wait(func() bool { return r.try(n, own) }, patience)
}

// try looks for room and has it in one step: several that wait may look at the same time.
func (r *ration) try(n, own int) bool {
	for {
		held := r.held.Load()
		if held+int64(n) > r.most && held > int64(own) {
			return false
		}
		if r.held.CompareAndSwap(held, held+int64(n)) {
			r.coming.Add(int64(n))
			return true
		}
	}
}

// give takes back n bytes of a request.
func (r *ration) give(n int) {
	r.coming.Add(-int64(n))
	r.held.Add(-int64(n))
}

// drain returns once answers alone are not too many, or after patience. Requests that are slow to come keep nobody from being
// read: what leaves makes room, and what comes does not.
func (r *ration) drain(patience time.Duration) {
	r.wait(func() bool { return r.held.Load()-r.coming.Load() <= r.most }, patience)
}

// wait returns once ready is true; false when that takes longer than patience.
func (r *ration) wait(ready func() bool, patience time.Duration) bool {
	if ready() {
		return true
	}
	end := time.NewTimer(patience)
	defer end.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ready() {
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
