package bench

import (
	"errors"
	"sync"
	"sync/atomic"
)

// This file owns what a run that verifies knows of every key: what a read that begins now may find. Times are ticks of
// one counter, and a write's name is the tick at which it began.
//
// A write is dead once another has been acknowledged that began after this one was acknowledged: no read that begins
// from then on may find it. All others may be found. Of those acknowledged, few are alive: each was under way when the
// write began that began last of those acknowledged, or that one would have killed it. So with at most writersMax under
// way at once a key has at most twice as many that may be found, and its record has a fixed size.
//
// A read notes them when it begins. What it then finds must be one of them, or have begun since, or be a write
// that failed without saying whether it happened: that one may appear at any time, and is never dead.

const (
	writersMax = 4       // writes of one key under way at once; one more takes another key
	unsureMax  = 1 << 20 // writes that may have happened, before a run is given up
	stripes    = 256     // of locks, by key
)

// errUnsure ends a run that would otherwise judge reads by what it cannot know.
var errUnsure = errors.New("bench: verify: a million writes failed without saying whether they happened: look at the cluster first")

// history is the table of all keys. It is safe for concurrent use.
type history struct {
	tick    atomic.Uint64
	records []record
	locks   [stripes]struct {
		sync.Mutex
		unsure map[uint64]struct{} // writes that may have happened
		_      [48]byte            // locks on cache lines of their own
	}
	unsure atomic.Int64
}

// record is what is known of one key.
type record struct {
	alive    [2 * writersMax]write
	n        uint8
	underway uint8
	last     uint64 // when the write began that began last of those acknowledged; 0: none was
}

// write is one that may be found.
type write struct{ name, acked uint64 } // acked 0: under way

// notes are what a read may find of what had begun when it did.
type notes struct {
	began uint64
	names [2 * writersMax]uint64 // 0: none
}

func newHistory(keys int) *history {
	h := &history{records: make([]record, keys)}
	for i := range h.locks {
		h.locks[i].unsure = map[uint64]struct{}{}
	}
	return h
}

// begin names a write of key; false if as many of it are under way as may be.
func (h *history) begin(key uint64) (name uint64, ok bool) {
	l := &h.locks[key%stripes]
	l.Lock()
	defer l.Unlock()
	r := &h.records[key]
	if r.underway == writersMax {
		return 0, false
	}
	name = h.tick.Add(1)
	r.alive[r.n] = write{name: name}
	r.n++
	r.underway++
	return name, true
}

// acked says that the write happened.
func (h *history) acked(key, name uint64) {
	l := &h.locks[key%stripes]
	l.Lock()
	defer l.Unlock()
	r := &h.records[key]
	r.underway--
	now := h.tick.Add(1)
	r.last = max(r.last, name)
	kept := uint8(0)
	for _, w := range r.alive[:r.n] {
		if w.name == name {
			w.acked = now
		}
		if w.acked == 0 || w.acked > r.last {
			r.alive[kept] = w
			kept++
		}
	}
	r.n = kept
}

// failed says that the write did not happen, or if unsure that it may have, or still may.
func (h *history) failed(key, name uint64, unsure bool) error {
	l := &h.locks[key%stripes]
	l.Lock()
	defer l.Unlock()
	r := &h.records[key]
	r.underway--
	for i, w := range r.alive[:r.n] {
		if w.name == name {
			r.n--
			r.alive[i] = r.alive[r.n]
			break
		}
	}
	if !unsure {
		return nil
	}
	if h.unsure.Add(1) > unsureMax {
		return errUnsure
	}
	l.unsure[name] = struct{}{}
	return nil
}

// note is taken before a read of key is sent.
func (h *history) note(key uint64, n *notes) {
	l := &h.locks[key%stripes]
	l.Lock()
	defer l.Unlock()
	r := &h.records[key]
	*n = notes{began: h.tick.Load()}
	for i, w := range r.alive[:r.n] {
		n.names[i] = w.name
	}
}

// fresh reports whether a read with these notes may find the write of that name.
func (h *history) fresh(key, name uint64, n *notes) bool {
	if name > n.began {
		return true
	}
	for _, w := range n.names {
		if w == name {
			return true
		}
	}
	l := &h.locks[key%stripes]
	l.Lock()
	defer l.Unlock()
	_, unsure := l.unsure[name]
	return unsure
}

// begun reports whether there is a write of that name at all.
func (h *history) begun(name uint64) bool { return name > 0 && name <= h.tick.Load() }
