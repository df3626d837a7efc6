package antientropy

import (
	"slices"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

const (
	versionsMost = 4096 // about so many are told at a time, of keys of leaves that differ
	spansMost    = 64   // into so many a walk looks: each window once, and some more where much is written meanwhile
)

// walk goes down to what differs in one partition, window by window: latest first, since what was replaced is missing where it was, and
// comes into order with what replaced it.
//
//	windows ─▶ leaves ─▶ own leaves ─▶ own versions ─▶ versions ─▶ want ─▶ give ─┐
//	   ▲                                                                         │
//	   └─────────────────────────────────────────────────────────────────────────┘
type walk struct {
	ask
	partition uint32
	phase     phase
	done      bool

	before vclock.Stamp   // what is stamped later is left alone
	tried  []storage.Span // looked into already
	span   storage.Span   // looked into
	cursor uint64         // of the phase

	mine, theirs []uint64 // sums of the leaves of span
	leaves       []uint32 // those that differ, as many as are told at a time
	next         int      // the first leaf that is told the next time; 0: these are the last
	versions     []storage.Version
	want, give   []uint64 // hashes of keys of which the other knows a later version, or this one
}

type phase uint8

const (
	atWindows phase = iota
	atLeaves
	atOwnLeaves
	atOwnVersions
	atVersions
	atWant
	atGive
)

// step does what comes next in a walk that waits for nothing.
func (x *Exchange) step(now vclock.Now, cut vclock.Stamp, w *walk, dst []Pull) []Pull {
	fewer, ok := x.side.comparable(x.peer, w.partition)
	if w.done = w.done || !ok; w.done || !x.side.May() {
		return dst
	}
	m := wire.Message{Partition: w.partition, From: w.span.From, To: w.span.To, Leaves: uint32(len(w.mine)), Cursor: w.cursor}
	switch w.phase {
	case atWindows:
		if len(w.tried) == spansMost {
			w.done = true
			return dst
		}
		w.before = cut
		m.Step, m.To = wire.StepWindows, cut
		m.From, _ = x.side.sum(w.partition, storage.Span{To: cut}, fewer)
	case atLeaves:
		m.Step = wire.StepLeaves
	case atOwnLeaves:
		if w.cursor = x.side.addLeaves(w.partition, w.span, fewer, w.cursor, w.mine); w.cursor == 0 {
			w.compareLeaves(x.side)
			return x.step(now, cut, w, dst)
		}
		return dst // the rest with the next tick
	case atOwnVersions:
		w.cursor = x.side.Store.Versions(w.partition, w.span, fewer, w.cursor, walkMost, func(v *storage.Version) {
			if _, found := slices.BinarySearch(w.leaves, leafOf(v.Hash, uint32(len(w.mine)))); found && len(w.versions) < toldMost {
				w.versions = append(w.versions, *v)
			}
		})
		if w.cursor == 0 {
			w.phase = atVersions
			return x.step(now, cut, w, dst)
		}
		return dst
	case atVersions:
		m.Step, m.Body = wire.StepVersions, w.telling()
	case atWant:
		if len(w.want) == 0 {
			w.phase = atGive
			return x.step(now, cut, w, dst)
		}
		m.Step, m.Limit = wire.StepWant, uint32(x.cfg.PageBytes)
		m.Body = wire.AppendNumbers(nil, w.want[:min(len(w.want), versionsMost)]...)
	case atGive:
		if m.Step, m.Body = wire.StepGive, x.giving(now, w); len(m.Body) == 0 {
			if len(w.give) == 0 {
				if w.phase = atWindows; w.next > 0 { // go on in the span, behind what may never agree
					w.look()
				}
				return x.step(now, cut, w, dst)
			}
			return dst
		}
	}
	return x.send(now, &w.ask, m, dst)
}

// telling is the body that says which leaves differ and what this node knows in them.
func (w *walk) telling() []byte {
	body := wire.AppendNumbers(nil, uint64(len(w.leaves)))
	for _, l := range w.leaves {
		body = wire.AppendNumbers(body, uint64(l))
	}
	if w.cursor == 0 { // later pages are of what the other walks
		for i := range w.versions {
			body = appendVersion(body, &w.versions[i])
		}
	}
	return body
}

// giving is a page of what the other lacks.
func (x *Exchange) giving(now vclock.Now, w *walk) (body []byte) {
	if len(w.give) == 0 {
		return nil
	}
	for fits := true; len(w.give) > 0 && len(body) < x.cfg.PageBytes; w.give = w.give[1:] {
		v, known := x.side.Store.Version(w.partition, w.give[0])
		if !known || v.Stamp >= w.before {
			continue
		}
		if body, fits = x.side.appendFitting(now, w.partition, w.give[0], body); !fits {
			break
		}
		x.side.Stats.Given++
	}
	return body
}

// told takes the other's answer to what a walk has asked.
func (x *Exchange) told(now vclock.Now, w *walk, m *wire.Message) error {
	n := wire.NewNumbers(m.Body)
	switch w.phase {
	case atWindows:
		return x.windows(w, m)
	case atLeaves:
		var leaf, sum uint64
		sums := slices.Clone(w.theirs)
		for n.Next(&leaf, &sum) {
			sums[leaf&uint64(len(sums)-1)] += sum
		}
		if n.Err() != nil {
			return n.Err()
		}
		w.theirs = sums
		if w.goOn(m.Cursor) {
			w.phase = atOwnLeaves
		}
	case atVersions:
		return x.versions(now, w, m)
	case atWant:
		before := len(w.want)
		err := x.side.take(now, w.partition, m.Body, func(hash uint64) {
			if i := slices.Index(w.want, hash); i >= 0 {
				w.want = slices.Delete(w.want, i, i+1)
			}
		})
		if len(w.want) == before { // it has nothing to say of them any more
			w.want = nil
		}
		return err
	}
	return nil
}

// goOn takes the cursor of what the other tells next, and reports whether that was all. One that does not move on is that of a broken peer.
func (w *walk) goOn(cursor uint64) (all bool) {
	w.done = w.done || cursor != 0 && cursor <= w.cursor
	w.cursor = cursor
	return cursor == 0
}

// windows finds the latest window that differs.
func (x *Exchange) windows(w *walk, m *wire.Message) error {
	var theirs []storage.Window
	var length, sum uint64
	n := wire.NewNumbers(m.Body)
	for to := m.To; len(theirs) < spansMost && n.Next(&length, &sum) && 0 < length && length <= uint64(to)/storage.WindowStamps; {
		from := to - vclock.Stamp(length)*storage.WindowStamps
		theirs = append(theirs, storage.Window{Span: storage.Span{From: from, To: to}, Sum: sum})
		to = from
	}
	if n.Err() != nil {
		return n.Err()
	}
	x.side.sum(w.partition, storage.Span{From: m.From, To: w.m.To}, x.side.Fewer(x.peer, w.partition))
	a, b := storage.Align(x.side.windows, theirs)
	for i := range a {
		if a[i].Sum == b[i].Sum || slices.Contains(w.tried, a[i].Span) {
			continue
		}
		records, ghosts := x.side.Store.Count(w.partition)
		leaves := leavesOf(records + ghosts)
		w.span, w.tried = a[i].Span, append(w.tried, a[i].Span)
		w.mine, w.theirs = make([]uint64, leaves), make([]uint64, leaves)
		w.look()
		return nil
	}
	w.done = true
	return nil
}

// look begins with the leaves of the span.
func (w *walk) look() {
	clear(w.mine)
	clear(w.theirs)
	w.phase, w.cursor = atLeaves, 0
}

// compareLeaves finds the leaves of a span that differ.
func (w *walk) compareLeaves(s *Side) {
	records, ghosts := s.Store.Count(w.partition)
	each := max((records+ghosts)/len(w.mine), leafVersions)
	first := w.next
	w.leaves, w.versions, w.next = w.leaves[:0], w.versions[:0], 0
	for leaf := first; leaf < len(w.mine); leaf++ {
		if w.mine[leaf] == w.theirs[leaf] {
			continue
		}
		if len(w.leaves) == max(versionsMost/each, 1) {
			w.next = leaf
			break
		}
		w.leaves = append(w.leaves, uint32(leaf))
	}
	w.phase = atOwnVersions
	if len(w.leaves) == 0 { // what differed is in order by now
		w.phase = atWindows
	}
}

// versions judges what the other knows of the leaves that differ.
func (x *Exchange) versions(now vclock.Now, w *walk, m *wire.Message) error {
	n := wire.NewNumbers(m.Body)
	var count, hash uint64
	var want, give []uint64
	n.Next(&count)
	for ; count > 0 && n.Next(&hash); count-- {
		if give = append(give, hash); len(give) > toldMost {
			break
		}
	}
	var v storage.Version
	for len(give)+len(want) <= toldMost && nextVersion(&n, &v) {
		own, known := x.side.Store.Version(w.partition, v.Hash)
		if theirs, _ := x.side.judge(w.partition, own, known, v); theirs && v.Stamp < w.before && x.side.expect(now, x.peer, v) {
			want = append(want, v.Hash)
		}
	}
	if n.Err() != nil {
		return n.Err()
	}
	w.give, w.want = append(w.give, give...), append(w.want, want...)
	if w.goOn(m.Cursor) || len(w.give)+len(w.want) > toldMost { // the next exchange brings what is more
		w.phase, w.cursor = atWant, 0
	}
	return nil
}
