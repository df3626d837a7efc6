package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/vclock"
)

// This file is how hints come back: those that an earlier process has left, and those that memory had no room for. They are
// read when their target is up, or others are to keep them, and it is owed little else, so that a start takes no time for them and memory no more than it has.

const (
	hintChunk  = 64 << 10 // bytes that are read at once
	hintLoaded = 512      // hints that a target is owed in memory, before more are read
	triesMax   = 3        // of a file that cannot be read, before it is set aside
)

// ending is why reading stopped.
type ending uint8

const (
	readPaused  ending = iota // there is more, or a queue has no room for it
	readAll                   // of the segment
	readTorn                  // the rest of it never came to the disk
	readDamaged               // the rest of it is not what was written
)

// read takes some hints from the disk to the queues, and returns when there may be more to be taken: at once; or, if there is no room
// for those that are left, soon, as long as their target takes what came before them.
func (h *HintLog) read(now vclock.Now, to HintQueues) (wait time.Duration) {
	if wait = HintPeriod; now.Mono < h.reads.rest {
		return wait
	}
	h.targets = h.log.Targets(h.targets[:0])
	for _, target := range h.targets {
		segment, offset, left, ok := h.log.Unread(target)
		if wanted, _ := to.Peer(target); !ok || !wanted {
			continue
		}
		if now.Mono-h.loaded < HintPeriod {
			wait = min(wait, hintSoon)
		}
		if h.owedTo(target, to) >= hintLoaded {
			continue
		}
		used, end, err := h.readSome(now, to, hints.Place{Target: target, Segment: segment, Offset: offset}, left)
		h.log.Read(target, used)
		if err != nil {
			if h.tries++; h.tries < triesMax {
				h.failed(&h.reads, now, "hints cannot be read from disk", fmt.Errorf("%s: %w", h.name(target, segment), err))
				return HintPeriod
			}
			end = readDamaged
		}
		if end == readTorn {
			h.stats.Torn++
		}
		if end != readPaused {
			h.tries = 0
			if h.log.Skip(target, end == readDamaged) {
				h.closeFile(target) // it was the one that is written, too
			}
		}
		if end != readPaused || used > 0 {
			wait, h.loaded = hintPause, now.Mono
		}
	}
	h.reads = health{}
	return wait
}

// owedTo is how many hints of a target are in memory.
func (h *HintLog) owedTo(target uint64, to HintQueues) (n int) {
	for i := range to.Len() {
		to.Visit(i, func(q *hints.Queue) { n += q.OwedTo(target) })
	}
	return n
}

// readSome takes the next hints of a segment, of which so many bytes are left, and returns how many it has used.
func (h *HintLog) readSome(now vclock.Now, to HintQueues, at hints.Place, left int64) (used int64, end ending, err error) {
	if left == 0 {
		return 0, readAll, nil
	}
	f, err := h.disk.Open(h.file(h.name(at.Target, at.Segment)), os.O_RDONLY)
	if err != nil {
		return 0, readPaused, err
	}
	defer f.Close()
	b, err := h.piece(f, at.Offset, min(left, hintChunk))
	if err != nil {
		return 0, readPaused, err
	}
	if at.Offset == 0 { // what it says was checked when it was found
		if used = hints.HeaderBytes; left < used {
			return 0, readTorn, nil
		}
	}
	for {
		n, want, err := hints.NextRecord(b[used:], &h.message, &h.limits)
		switch {
		case err != nil:
			blank, err := h.blank(f, at.Offset+used, left-used)
			if blank {
				return used, readTorn, err
			}
			return used, readDamaged, err
		case n > 0:
			if !h.load(now, to, at, int64(n)) {
				return used, readPaused, nil
			}
			used += int64(n)
		case used == left:
			return used, readAll, nil
		case used+int64(want) > left:
			return used, readTorn, nil
		case used > 0:
			return used, readPaused, nil
		default: // it is longer than what is read at once
			if b, err = h.piece(f, at.Offset, int64(want)); err != nil {
				return 0, readPaused, err
			}
		}
	}
}

// load hands the hint in h.message, a record of so many bytes, to its queue; false while that has no room.
func (h *HintLog) load(now vclock.Now, to HintQueues, at hints.Place, bytes int64) (loaded bool) {
	m := &h.message
	if m.Set.Deadline.Passed(now.Wall) {
		h.stats.Expired++
		return true
	}
	queue, partition, owed := to.Locate(at.Target, m.Key)
	if !owed || m.Target != at.Target {
		h.stats.Skipped++
		return true
	}
	to.Visit(queue, func(q *hints.Queue) {
		loaded = q.Load(hints.Owed{Target: at.Target, Partition: partition, Key: m.Key, Set: &m.Set}, at.Segment, bytes)
	})
	return loaded
}

// piece reads so many bytes of a file, all of which are there.
func (h *HintLog) piece(f File, offset, n int64) ([]byte, error) {
	if int64(cap(h.buf)) < n {
		h.buf = make([]byte, n)
	}
	b := h.buf[:n]
	if n > hintChunk { // a large hint leaves nothing behind
		h.buf = nil
	}
	got, err := f.ReadAt(b, offset)
	if got < len(b) {
		return nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	return b, nil
}

// blank reports whether nothing was ever written to the next n bytes of a file.
func (h *HintLog) blank(f File, offset, n int64) (bool, error) {
	for n > 0 {
		b, err := h.piece(f, offset, min(n, hintChunk))
		if err != nil || !hints.Unwritten(b) {
			return false, err
		}
		offset, n = offset+int64(len(b)), n-int64(len(b))
	}
	return true, nil
}
