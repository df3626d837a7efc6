package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// demoLedger is what the demo knows of every key it writes, and what it judges every answer by. It has no lock: whoever
// drives it holds one.
//
// Only one write of a key is under way at a time, so the versions of a key follow each other: 1, 2, 3, …
type demoLedger []keyHistory

type keyHistory struct {
	begun  uint32 // the greatest version that a write was begun with
	acked  uint32 // the greatest one that was acknowledged
	busy   bool   // a write is under way
	closed bool   // never to be written again, see wrote
}

// demoFinding is what the ledger makes of an answer.
type demoFinding uint8

const (
	foundFine  demoFinding = iota
	foundStale             // older than what was acknowledged before the read began
	foundLost              // not there, though a version was acknowledged before the read began
	foundWrong             // another key's value, or one that nobody wrote
)

// write begins the next version of key k; false if it has to be another key.
func (l demoLedger) write(k int) (version uint32, ok bool) {
	e := &l[k]
	if e.busy || e.closed {
		return 0, false
	}
	e.busy = true
	e.begun++
	return e.begun, true
}

// wrote ends the write of key k. A write of which a try is unsure may yet happen, under a stamp above that of later
// writes: nobody could call a read of it wrong. So such a key gets no later writes, and all its reads can be judged.
func (l demoLedger) wrote(k int, acked, unsure bool) {
	e := &l[k]
	e.busy = false
	e.closed = e.closed || unsure
	if acked {
		e.acked = e.begun
	}
}

// floor is the version that a read of key k may not fall below if it begins now.
func (l demoLedger) floor(k int) uint32 { return l[k].acked }

// judge is what the answer to a read of key k is worth, whose floor is from before the read began.
func (l demoLedger) judge(k int, floor uint32, value []byte, found bool) (demoFinding, string) {
	key := demoKey(k)
	if !found {
		if floor == 0 {
			return foundFine, ""
		}
		return foundLost, fmt.Sprintf("%s is missing, of which version %d was acknowledged", key, floor)
	}
	version, ok := demoVersion(k, value)
	switch {
	case !ok:
		return foundWrong, fmt.Sprintf("%s reads %.60q, which is not a value of it", key, value)
	case version > l[k].begun:
		return foundWrong, fmt.Sprintf("%s reads version %d, and %d is the last that was written", key, version, l[k].begun)
	case version < floor:
		return foundStale, fmt.Sprintf("%s reads version %d, and %d was acknowledged before", key, version, floor)
	}
	return foundFine, ""
}

func demoKey(k int) string { return fmt.Sprintf("demo:%06d", k) }

// demoValue is version v of key k: it says which it is of what, and is filled up to a size as caches hold.
func demoValue(k int, v uint32) []byte {
	const size = 100
	said := demoKey(k) + " version " + strconv.FormatUint(uint64(v), 10) + " "
	return []byte(said + strings.Repeat(".", size-len(said)))
}

// demoVersion is the version that a value of key k says it is; false if it is no value of that key, to the byte.
func demoVersion(k int, value []byte) (uint32, bool) {
	said, ok := bytes.CutPrefix(value, []byte(demoKey(k)+" version "))
	digits, _, _ := bytes.Cut(said, []byte(" "))
	v, err := strconv.ParseUint(string(digits), 10, 32)
	return uint32(v), ok && err == nil && bytes.Equal(value, demoValue(k, uint32(v)))
}
