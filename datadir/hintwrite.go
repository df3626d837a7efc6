package datadir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/vclock"
)

// This file is how hints come to the disk: some of each queue are written to the files of their targets, those are synced, and
// then the queues are told. What the disk takes in part, or does not say that it has, is not believed: it is written again, to
// another file.

const (
	hintBatch    = 1 << 20     // bytes that are written before they are synced
	hintKept     = 64 << 10    // bytes of a buffer that are kept
	fullPatience = time.Second // before a target that is over a cap is tried again
)

// batch is what one queue wants written, and where each of it is.
type batch struct {
	queue   int
	journal hints.Journal
	places  []hints.Place // of no target: there was no room for it
}

// Write takes hints from the queues to the disk, and reports whether there may be more.
func (h *HintLog) Write(now vclock.Now, to HintQueues) (again bool) {
	if h.log == nil || now.Mono < h.writes.rest {
		return false
	}
	used := 0
	left := int(min(hintBatch, h.cfg.SegmentMax))
	room := func(target uint64) bool { return now.Mono >= h.full[target] }
	for i := 0; i < to.Len() && left > 0; i++ {
		b := h.emptyBatch(used, i)
		to.Visit(i, func(q *hints.Queue) { q.Journal(left, room, &b.journal) })
		if len(b.journal.Writes) == 0 {
			continue
		}
		used++
		for w := range b.journal.Writes {
			records := b.journal.Writes[w].Records
			left -= len(records)
			p, err := h.put(now, b.journal.Writes[w].Target, records)
			if err != nil {
				h.giveUp(now, err)
				return false
			}
			b.places = append(b.places, p)
		}
	}
	if used == 0 {
		h.writes.failing = false // as far as anyone knows
		return false
	}
	if err := h.sync(); err != nil {
		h.giveUp(now, err)
		return false
	}
	h.writes = health{}
	for i := range h.batches[:used] {
		b := &h.batches[i]
		to.Visit(b.queue, func(q *hints.Queue) {
			for w, p := range b.places {
				if x := &b.journal.Writes[w]; p.Target != 0 {
					q.Logged(x, p.Segment)
					if x.Hints > 0 {
						h.log.Spilled(p.Target, p.Segment, p.Offset+int64(x.Spilled))
					}
				}
			}
		})
	}
	return left <= 0
}

// emptyBatch returns the memory of one.
func (h *HintLog) emptyBatch(at, queue int) *batch {
	if at == len(h.batches) {
		h.batches = append(h.batches, batch{})
	}
	b := &h.batches[at]
	b.queue, b.places = queue, b.places[:0]
	b.journal.Reset(hintKept)
	return b
}

// put writes records to the file of their target; the place is that of no target where there is no room for them.
func (h *HintLog) put(now vclock.Now, target uint64, records []byte) (hints.Place, error) {
	p, ok := h.log.Place(target, int64(len(records)))
	if !ok {
		h.stats.Full++
		h.full[target] = now.Mono + fullPatience
		return hints.Place{}, nil
	}
	if p.Fresh {
		if err := h.begin(p); err != nil {
			h.log.Fail(target)
			return p, err
		}
	}
	if !slices.Contains(h.unsaved, target) {
		h.unsaved = append(h.unsaved, target)
	}
	if _, err := h.files[target].WriteAt(records, p.Offset); err != nil {
		return p, err
	}
	h.log.Wrote(p, int64(len(records)))
	return p, nil
}

// begin makes a segment, in place of the one that its target has open.
func (h *HintLog) begin(p hints.Place) error {
	if slices.Contains(h.unsaved, p.Target) {
		if err := h.files[p.Target].Sync(); err != nil {
			return err
		}
	}
	h.closeFile(p.Target)
	if !h.made {
		if err := h.disk.Mkdir(h.path); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := syncDir(h.disk, filepath.Dir(h.path)); err != nil { // who made it may not have come to this
			return err
		}
		h.made = true
	}
	name := h.file(h.name(p.Target, p.Segment))
	f, err := h.disk.Open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		h.made = !errors.Is(err, fs.ErrNotExist) // else somebody has removed it
		return err
	}
	w := h.whose
	w.Target = p.Target
	if _, err := f.WriteAt(hints.AppendHeader(nil, w), 0); err != nil {
		_ = f.Close()
		_ = h.disk.Remove(name) // the disk may be full
		return err
	}
	h.files[p.Target], h.renamed = f, true
	return nil
}

// sync puts on disk what was written, and the names of the files.
func (h *HintLog) sync() error {
	for _, target := range h.unsaved {
		if err := h.files[target].Sync(); err != nil {
			return err
		}
	}
	if h.renamed {
		if err := syncDir(h.disk, h.path); err != nil {
			return err
		}
	}
	h.unsaved = h.unsaved[:0]
	h.renamed = false
	return nil
}

// giveUp leaves the files that were being written: nobody knows what is at their end.
func (h *HintLog) giveUp(now vclock.Now, err error) {
	for _, target := range h.unsaved {
		h.log.Fail(target)
		h.closeFile(target)
	}
	h.unsaved = h.unsaved[:0]
	h.failed(&h.writes, now, "hints cannot be written to disk", err)
}
