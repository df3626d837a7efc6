package bench

import (
	"sync"
	"sync/atomic"
)

// frontierBits is how many new keys may be on their way at once.
const frontierBits = 1 << 20

// frontier is where new keys are written, one after the other: which is the next, and below which all are there. What
// is read lies below the second, or reads of the newest keys would overtake their writes.
type frontier struct {
	next  atomic.Uint64
	whole atomic.Uint64

	mu   sync.Mutex
	done []uint64 // a bit for each key from whole on that is written, at key % frontierBits
}

// newFrontier begins after so many keys that are there.
func newFrontier(keys uint64) *frontier {
	f := &frontier{done: make([]uint64, frontierBits/64)}
	f.next.Store(keys)
	f.whole.Store(keys)
	return f
}

// begin is the key to write next.
func (f *frontier) begin() uint64 { return f.next.Add(1) - 1 }

// end says that the write of a key is over, however it ended: a key that failed is a miss from then on.
func (f *frontier) end(key uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done[key%frontierBits/64] |= 1 << (key % 64)
	at := f.whole.Load()
	for f.done[at%frontierBits/64]>>(at%64)&1 == 1 {
		f.done[at%frontierBits/64] &^= 1 << (at % 64)
		at++
	}
	f.whole.Store(at)
}

// written is how many keys there are, from 0, all of them written.
func (f *frontier) written() uint64 { return f.whole.Load() }
