package bench

import (
	"errors"
	"fmt"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
)

// Fit is how much of a trace a node is to hold at once.
type Fit struct {
	Entries      int   // records that should fit
	StorageBytes int64 // of a node's storage, for them and for the ghosts of the other keys
}

// ghostPart is the part of a store that ghosts get, one in so many, unless its config says otherwise; no node's does.
const ghostPart = 10

// FitShare works out what a node's storage must have to hold share, above 0 and up to 1, of unique keys whose values
// have valueBytes: by what the storage itself counts for a record, and for the ghost of one it had to evict.
func FitShare(unique int, share float64, valueBytes int) (Fit, error) {
	if !(share > 0 && share <= 1) {
		return Fit{}, fmt.Errorf("%w: share %g: use more than 0, up to 1", ErrConfig, share)
	}
	record, ghost, err := footprint(valueBytes)
	if err != nil {
		return Fit{}, err
	}
	f := Fit{Entries: max(int(share*float64(unique)), 1)}
	records, ghosts := int64(f.Entries)*record, int64(unique-f.Entries)*ghost
	f.StorageBytes = records + ghosts
	if ghosts > f.StorageBytes/ghostPart { // no more ghosts than that are kept
		f.StorageBytes = records * ghostPart / (ghostPart - 1)
	}
	return f, nil
}

// footprint asks a store what it counts for a record with a key of a trace, and for its ghost.
func footprint(valueBytes int) (record, ghost int64, err error) {
	s, err := storage.New(storage.Config{BytesMax: 1 << 30, Partitions: 1, Shards: 1})
	if err != nil {
		return 0, 0, err
	}
	key := storage.Key{Bytes: traceKey(nil, 0), Hash: 1}
	const wall = 1000
	set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: 1}, Value: make([]byte, valueBytes)}
	if got := s.Put(key, &set, wall); got.Outcome != storage.Stored {
		return 0, 0, errors.New("bench: a value of that size fits in no store")
	}
	record = s.Stats().BytesUsed
	set.Dot.Stamp, set.Deadline.At = 2, wall-1
	s.Put(key, &set, wall) // expired: its ghost stays
	return record, s.Stats().BytesUsed, nil
}
