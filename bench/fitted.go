package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cespare/xxhash/v2"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
)

// fitted owns a store that is to hold so many records, and no more, while a trace goes through it. A store's limit is in
// bytes, of which the index takes more or less with time, and what is left over at the ends of segments: so the trace is
// driven again under another limit until the records held are as many as wanted, in the mean since the store was full.
type fitted struct {
	ids     []uint32 // of the trace
	policy  storage.Policy
	entries int // records to be held
	ghosts  int // and ghosts
	value   []byte
	record  int64 // what the store counts for one of each, without the index
	ghost   int64
}

const (
	// fitTries is how often a trace is driven at most; two do as a rule.
	fitTries = 6
	// fitOff is how far the mean of the records held may be from those wanted, as a part of them.
	fitOff = 0.005
	// lookEvery is after how many requests a run looks whether it is to end, some 30 ms.
	lookEvery = 1 << 15
)

// fittedRun is what one run of a trace came to.
type fittedRun struct {
	hits        int
	held        float64 // records, in the mean over the requests since the store was full; if it never was, those at the end
	least, most int     // since then
}

func newFitted(ids []uint32, policy storage.Policy, entries, ghosts, valueBytes int) (*fitted, error) {
	f := &fitted{ids: ids, policy: policy, entries: entries, ghosts: ghosts, value: make([]byte, valueBytes)}
	s, err := storage.New(storage.Config{BytesMax: 1 << 30, Partitions: 1, Shards: 1, Hash: xxhash.Sum64})
	if err != nil {
		return nil, err
	}
	if _, err := f.request(s, 0, 0); err != nil { // has the first page of the index, too
		return nil, err
	}
	for _, of := range []struct {
		bytes *int64
		enter func()
	}{
		{&f.record, func() { _, err = f.request(s, 1, 1) }},
		{&f.ghost, func() { s.Recovered(0, 0, stays, strangers(1)) }},
	} {
		before := s.Stats().BytesUsed
		of.enter()
		*of.bytes = s.Stats().BytesUsed - before
	}
	return f, err
}

// run drives the trace until the store held as many records as wanted, and returns that run, or else the nearest.
func (f *fitted) run(ctx context.Context) (best fittedRun, err error) {
	index := storage.IndexBytes(f.entries+f.ghosts, 1) * 3 / 2 // it grows as keys come and go
	used := int64(f.entries)*f.record + int64(f.ghosts)*f.ghost + index + f.record/2
	nearest := math.Inf(1)
	for range fitTries {
		r, err := f.drive(ctx, used)
		if err != nil {
			return best, err
		}
		off := float64(f.entries) - r.held
		if math.Abs(off) < nearest {
			best, nearest = r, math.Abs(off)
		}
		if nearest <= fitOff*float64(f.entries) {
			break
		}
		used += int64(off * float64(f.record))
	}
	return best, nil
}

// drive puts the trace through an empty store that may use so many bytes: each request looks its key up, and puts it where it
// is missing.
func (f *fitted) drive(ctx context.Context, used int64) (r fittedRun, err error) {
	s, err := storage.New(storage.Config{
		BytesMax: storage.BytesFor(used), GhostBytesMax: int64(f.ghosts) * f.ghost, Policy: f.policy, Partitions: 1, Shards: 1, Hash: xxhash.Sum64, Memory: recycled{},
	})
	if err != nil {
		return r, err
	}
	s.Recovered(0, 0, stays, strangers(f.ghosts))
	full, keys, sum := -1, 0, 0
	for i, id := range f.ids {
		if i%lookEvery == 0 && ctx.Err() != nil {
			return r, fmt.Errorf("bench: ended before its time: %w", ctx.Err())
		}
		hit, err := f.request(s, i, id)
		if err != nil {
			return r, err
		}
		if hit {
			r.hits++
		} else {
			n := s.Stats()
			if keys = n.Keys; full < 0 && n.Evicted > 0 {
				full, r.least = i, keys
			}
			if full >= 0 {
				r.least, r.most = min(r.least, keys), max(r.most, keys)
			}
		}
		if full >= 0 {
			sum += keys
		}
	}
	r.held = float64(keys)
	if full >= 0 {
		r.held = float64(sum) / float64(len(f.ids)-full)
	}
	return r, nil
}

// request looks up the key of a request of the trace, a millisecond after the one before, and puts it where it is missing.
func (f *fitted) request(s *storage.Store, number int, id uint32) (hit bool, err error) {
	wall := int64(1_000_000 + number) // beyond the stamps of strangers
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(id))
	k := storage.Key{Bytes: b[:], Hash: xxhash.Sum64(b[:])}
	if held, _ := s.Get(k, wall); !held.IsZero() {
		return true, nil
	}
	set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: vclock.StampAt(wall)}, Value: f.value}
	if o := s.Put(k, &set, wall).Outcome; o != storage.Stored {
		return false, fmt.Errorf("bench: a store for %d entries with values of %d bytes answered request %d with %v, not with stored: use smaller values", f.entries, len(f.value), number+1, o)
	}
	return false, nil
}

// strangers are ghosts of keys that nobody asks for. A store has them from its start: until it has forgotten as many keys of
// its own, records would take the room of ghosts, and be too many.
func strangers(n int) []storage.Ghost {
	all := make([]storage.Ghost, n)
	for i := range all {
		var b [9]byte // no key of a trace is as long
		binary.LittleEndian.PutUint64(b[:], uint64(i))
		all[i] = storage.Ghost{Hash: xxhash.Sum64(b[:]), Stamp: vclock.Stamp(i + 1)}
	}
	return all
}

// stays keeps every record.
func stays(storage.Key, vclock.Stamp) bool { return true }

// recycled is memory that is given out again, by its length: of the heap, each record that is large for a segment would
// become garbage.
type recycled map[int][][]byte

func (r recycled) Take(bytes int) []byte {
	free := r[bytes]
	if len(free) == 0 {
		return make([]byte, bytes)
	}
	r[bytes] = free[:len(free)-1]
	return free[len(free)-1]
}

func (r recycled) Give(b []byte) { r[len(b)] = append(r[len(b)], b) }
