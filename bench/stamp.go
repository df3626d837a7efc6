package bench

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// stampBytes stand before every value of a run that verifies:
//
//	checksum of all that follows 8 │ run 8 │ key 8 │ name of the write 8 │ anything
const stampBytes = 32

// stamp makes value, at least stampBytes long, that of a write.
func stamp(value []byte, run, key, name uint64) {
	binary.LittleEndian.PutUint64(value[8:], run)
	binary.LittleEndian.PutUint64(value[16:], key)
	binary.LittleEndian.PutUint64(value[24:], name)
	binary.LittleEndian.PutUint64(value, xxhash.Sum64(value[8:]))
}

// The verdicts on a value that was read.
type verdict uint8

const (
	fresh   verdict = iota // what the read may find
	stale                  // a write that another, acknowledged before the read began, had long replaced
	corrupt                // bytes that no write of any run put together like that
	foreign                // a value of another key, of another run, or that was never written
)

// judge says what a value is that a read of key found.
func (h *history) judge(value []byte, run, key uint64, n *notes) verdict {
	if len(value) < stampBytes || binary.LittleEndian.Uint64(value) != xxhash.Sum64(value[8:]) {
		return corrupt
	}
	name := binary.LittleEndian.Uint64(value[24:])
	switch {
	case binary.LittleEndian.Uint64(value[8:]) != run || binary.LittleEndian.Uint64(value[16:]) != key || !h.begun(name):
		return foreign
	case !h.fresh(key, name, n):
		return stale
	}
	return fresh
}
