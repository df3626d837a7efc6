package replica

import (
	"slices"
	"time"
)

// This file owns in which order partitions are recovered, and how far that has come.

// hottest takes the waiting partition that was read most while it waited, of those whose owners are all up: whoever reads it waits for
// another owner, or misses. False where there is none.
func (r *refills) hottest(shards uint32, up func(partition uint32) bool) (w waiting, ok bool) {
	best, most := -1, uint32(0)
	for i := range r.waiting {
		p := r.waiting[i].partition
		if asks := r.asks[p/shards]; (best < 0 || asks > most) && up(p) {
			best, most = i, asks
		}
	}
	if best < 0 {
		return w, false
	}
	w = r.waiting[best]
	r.waiting = slices.Delete(r.waiting, best, best+1)
	r.asks[w.partition/shards] = 0
	return w, true
}

// wave is what is recovered together: all that a restart, or a change of owners, made a shard forget.
type wave struct {
	partitions, recovered int
	bytes                 int64         // of pages, of those that have recovered
	began, ended          time.Duration // with the first page asked for, and the partition that recovered last; 0: not yet
}

func (w *wave) begin(now time.Duration) {
	if w.began == 0 {
		w.began = now
	}
}

func (w *wave) end(now time.Duration, bytes int64) {
	w.begin(now)
	w.recovered++
	w.bytes += bytes
	w.ended = now
}

// Recovery is how far a node has come that recovers partitions; once it has recovered all, how it went.
type Recovery struct {
	Partitions int           `json:"partitions"`
	Recovered  int           `json:"recovered"`
	Bytes      int64         `json:"bytes"` // that came for it
	Took       time.Duration `json:"took"`  // until now, or until the last one had recovered
	Left       time.Duration `json:"left"`  // if it goes on like that; 0: not known
}

func (r *refills) add(t *Recovery, now time.Duration) {
	w := &r.wave
	t.Partitions += w.partitions
	t.Recovered += w.recovered
	t.Bytes += w.bytes
	for _, x := range r.active {
		t.Bytes += x.Bytes()
	}
	if w.began > 0 {
		if w.recovered == w.partitions {
			now = w.ended
		}
		t.Took = max(t.Took, now-w.began)
	}
}
