package bench

import (
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
)

// Fit is how much of a trace a node is to hold at once.
type Fit struct {
	Entries      int   // records that should fit
	StorageBytes int64 // of a node's storage, for them and for the ghosts of the other keys
}

// ghostPart is the part of a store that ghosts get, one in so many, as a node's have by default.
const ghostPart = 10

// FitShare works out what a node's storage must have to hold share, above 0 and up to 1, of unique keys whose values
// have valueBytes: by what the storage itself counts for a record, and for the ghost of one it had to evict.
func FitShare(unique int, share float64, valueBytes, partitions int) (Fit, error) {
	if !(share > 0 && share <= 1) {
		return Fit{}, fmt.Errorf("%w: share %g: use more than 0, up to 1", ErrConfig, share)
	}
	f := Fit{Entries: max(int(share*float64(unique)), 1), StorageBytes: 1 << 30}
	for range 2 { // what is large for a shard, and so takes whole pages, depends on how large the shard is
		record, ghost, err := footprint(valueBytes, max(f.StorageBytes/shards, shardLeast, 4*int64(valueBytes)))
		if err != nil {
			return Fit{}, err
		}
		used := int64(f.Entries)*record + storage.IndexBytes(f.Entries, partitions)
		ghosts := min(int64(unique-f.Entries)*ghost, used/(ghostPart-1)) // no more are kept
		f.StorageBytes = storage.BytesFor(used + ghosts)
	}
	return f, nil
}

// What a node's storage is divided into by default: so many shards, of so many bytes at least.
const shards, shardLeast = 16, 4 << 20

// pages is memory that counts whole pages, as a node's does.
type pages struct{}

func (pages) Take(n int) []byte { return make([]byte, n, (n+1<<12-1)&^(1<<12-1)) }
func (pages) Give([]byte)       {}

// footprint asks a store of so many bytes what it counts for a record with a key of a trace, and for its ghost.
func footprint(valueBytes int, bytesMax int64) (record, ghost int64, err error) {
	s, err := storage.New(storage.Config{BytesMax: bytesMax, Partitions: 1, Shards: 1, Hash: xxhash.Sum64, Memory: pages{}})
	if err != nil {
		return 0, 0, err
	}
	const wall = 1000
	set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: 1}, Value: make([]byte, valueBytes)}
	put := func(i uint64) (bytes int64, fits bool) {
		key := traceKey(nil, i)
		before := s.Stats().BytesUsed
		fits = s.Put(storage.Key{Bytes: key, Hash: xxhash.Sum64(key)}, &set, wall).Outcome == storage.Stored
		return s.Stats().BytesUsed - before, fits
	}
	put(0) // has the first page of the index, too
	record, fits := put(1)
	if !fits {
		return 0, 0, errors.New("bench: a value of that size fits in no store")
	}
	set.Dot.Stamp, set.Deadline.At = 2, wall-1
	ghost, _ = put(2)              // expired: its ghost stays
	return record, ghost + 16, nil // and what the index has of it
}
