package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/shoalcache/shoal/wire"
)

// latencyMax is what slower requests count as.
const latencyMax = time.Minute

// tally is what was counted in a stretch of time.
type tally struct {
	reads, writes *hdrhistogram.Histogram // latencies, microseconds; every answer, whatever it was
	late          *hdrhistogram.Histogram // how late the generator itself sent, microseconds
	misses        uint64                  // reads that found nothing
	failedReads   uint64
	failedBefore  uint64      // requests that do not count
	unloaded      uint64      // of them, those that were to load a key
	failed        [256]uint64 // requests by status
	unsure        uint64      // failed writes that may have happened
	verdicts      [foreign + 1]uint64
	last          int64 // when the last answer came, in nanoseconds since the run began
}

func newTally() *tally {
	h := func() *hdrhistogram.Histogram { return hdrhistogram.New(1, latencyMax.Microseconds(), 3) }
	return &tally{reads: h(), writes: h(), late: h()}
}

// count takes the answer to a request that was to begin at began.
func (t *tally) count(op wire.Op, s wire.Status, began, now int64) {
	h := t.writes
	if op == wire.OpGet {
		h = t.reads
	}
	observe(h, now-began)
	t.last = max(t.last, now)
	switch {
	case s == wire.StatusNotFound:
		t.misses++
	case s >= wire.StatusBadRequest:
		t.failed[s]++
		if op == wire.OpGet {
			t.failedReads++
		} else if unsure(s) {
			t.unsure++
		}
	}
}

func observe(h *hdrhistogram.Histogram, nanos int64) {
	_ = h.RecordValue(min(max(nanos, 0), int64(latencyMax)) / 1000) // within range
}

// unsure reports whether a write that ended so may have happened.
func unsure(s wire.Status) bool {
	switch s {
	case wire.StatusBadRequest, wire.StatusTooLarge, wire.StatusOverloaded, wire.StatusNotReady:
		return false
	}
	return true
}

// add puts o's counts on top of t's.
func (t *tally) add(o *tally) {
	t.reads.Merge(o.reads)
	t.writes.Merge(o.writes)
	t.late.Merge(o.late)
	t.misses += o.misses
	t.failedReads += o.failedReads
	t.failedBefore += o.failedBefore
	t.unloaded += o.unloaded
	for i, n := range o.failed {
		t.failed[i] += n
	}
	t.unsure += o.unsure
	for i, n := range o.verdicts {
		t.verdicts[i] += n
	}
	t.last = max(t.last, o.last)
}

func (t *tally) reset() {
	t.reads.Reset()
	t.writes.Reset()
	t.late.Reset()
	*t = tally{reads: t.reads, writes: t.writes, late: t.late}
}

func (t *tally) failures() (n uint64) {
	for _, k := range t.failed {
		n += k
	}
	return n
}

// recorder is a tally that several connections share, so that ten thousand of them need not have three histograms each.
type recorder struct {
	mu sync.Mutex
	*tally
}

// take empties the recorder into spare, an empty tally, and returns what it held; that is a spare for the next.
func (r *recorder) take(spare *tally) *tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally, spare = spare, r.tally
	return spare
}

// sent says how late the generator itself sent a request, in nanoseconds.
func (r *recorder) sent(late int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	observe(r.late, late)
}
