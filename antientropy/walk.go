package antientropy

import (
	"slices"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

const (
	versionsMost = 1024 // about so many are told at a time, of keys of leaves that differ, and so many hashes are remembered of what is to be told
	wantsMost    = 512  // so many hashes are asked for at a time, and so many keys given
	spansMost    = 64   // into so many a walk looks: each window once, and some more where much is written meanwhile
)

// walk goes down to what differs in one partition, window by window: latest first, since what was replaced is missing where it was, and
// comes into order with what replaced it.
//
//	windows ─▶ leaves ─▶ own leaves ─▶ own versions ─▶ versions ─▶ want ─▶ give ─┐
//	   ▲                                ▲                                        │
//	   │                                └── while not all of them were told ─────┤
//	   └─────────────────────────────────────────────────────────────────────────┘
//
// Where few versions lie in the leaves that differ, all that this node knows are told at once, and the other says what else it knows. Where
// they are more, be it that much differs or that somebody has chosen keys of alike hashes, they go by page: first this node's, of which the
// other says what it knows otherwise, then the other's. So neither remembers more than a page, and each looks at the partition once.
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
	leaves       []uint32 // those that differ
	own, other   uint64   // cursors of the versions of either
	told, heard  bool     // all of this node's, all of the other's
	paged        bool     // they are more than are told at a time
	asks         bool     // the other was asked for its own
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
			w.compareLeaves()
			return x.step(now, cut, w, dst)
		}
		return dst // the rest with the next tick
	case atOwnVersions:
		w.own = x.side.Store.Versions(w.partition, w.span, fewer, w.own, walkMost, func(v *storage.Version) {
			if _, found := slices.BinarySearch(w.leaves, leafOf(v.Hash, uint32(len(w.mine)))); found {
				w.versions = append(w.versions, *v)
			}
		})
		if w.told = w.own == 0; !w.told && len(w.versions) < versionsMost {
			return dst
		}
		w.paged, w.phase = w.paged || !w.told, atVersions
		return x.step(now, cut, w, dst)
	case atVersions:
		m.Step, m.Cursor, m.Body = wire.StepVersions, w.other, w.telling()
	case atWant:
		if len(w.want) == 0 {
			w.phase = atGive
			return x.step(now, cut, w, dst)
		}
		m.Step, m.Limit = wire.StepWant, uint32(x.cfg.PageBytes)
		m.Body = wire.AppendNumbers(nil, w.want[:min(len(w.want), wantsMost)]...)
	case atGive:
		if m.Step, m.Body = wire.StepGive, x.giving(now, w); len(m.Body) == 0 {
			if len(w.give) == 0 {
				w.next()
				return x.step(now, cut, w, dst)
			}
			return dst
		}
	}
	return x.send(now, &w.ask, m, dst)
}

// next is what follows a page.
func (w *walk) next() {
	switch {
	case !w.told:
		w.phase = atOwnVersions
	case !w.heard:
		w.phase = atVersions
	default:
		w.phase = atWindows
	}
}

// telling is the body that says what this node knows in the leaves that differ, and unless only that is to be judged, which they are.
func (w *walk) telling() (body []byte) {
	if w.asks = !w.paged || w.told && len(w.versions) == 0; w.asks {
		body = wire.AppendNumbers(nil, uint64(len(w.leaves)))
		for _, l := range w.leaves {
			body = wire.AppendNumbers(body, uint64(l))
		}
	} else {
		body = wire.AppendNumbers(nil, 0)
	}
	for i := range w.versions {
		body = appendVersion(body, &w.versions[i])
	}
	w.versions = w.versions[:0]
	return body
}

// giving is a page of what the other lacks.
func (x *Exchange) giving(now vclock.Now, w *walk) (body []byte) {
	if len(w.give) == 0 {
		return nil
	}
	fits := true
	for given := 0; len(w.give) > 0 && given < wantsMost && len(body) < x.cfg.PageBytes; given++ {
		if v, known := x.side.Store.Version(w.partition, w.give[0]); known && v.Stamp < w.before {
			if body, fits = x.side.appendFitting(now, w.partition, w.give[0], body); !fits {
				break
			}
			x.side.Stats.Given++
		}
		w.give = w.give[1:]
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
		if w.goOn(&w.cursor, m.Cursor) {
			w.phase = atOwnLeaves
		}
	case atVersions:
		return x.versions(now, w, m)
	case atWant:
		before := len(w.want)
		err := x.side.take(now, w.partition, m.Body, func(hash uint64) {
			if i, last := slices.Index(w.want[:min(len(w.want), wantsMost)], hash), len(w.want)-1; i >= 0 {
				w.want[i], w.want = w.want[last], w.want[:last]
			}
		})
		if len(w.want) == before { // it has nothing to say of them any more
			w.want = w.want[min(before, wantsMost):]
		}
		return err
	}
	return nil
}

// goOn takes the cursor of what the other tells next, and reports whether that was all. One that does not move on is that of a broken peer.
func (w *walk) goOn(cursor *uint64, next uint64) (all bool) {
	w.done = w.done || next != 0 && next <= *cursor
	*cursor = next
	return next == 0
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
		w.phase, w.cursor = atLeaves, 0
		return nil
	}
	w.done = true
	return nil
}

// compareLeaves finds the leaves of a span that differ.
func (w *walk) compareLeaves() {
	w.leaves, w.versions = w.leaves[:0], w.versions[:0]
	for leaf := range w.mine {
		if w.mine[leaf] != w.theirs[leaf] {
			w.leaves = append(w.leaves, uint32(leaf))
		}
	}
	w.own, w.other, w.told, w.heard, w.paged = 0, 0, false, false, false
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
	for ; count > 0 && len(give) < toldMost && n.Next(&hash); count-- {
		give = append(give, hash)
	}
	var v storage.Version
	for len(want) < 2*toldMost && nextVersion(&n, &v) {
		own, known := x.side.Store.Version(w.partition, v.Hash)
		if theirs, _ := x.side.judge(w.partition, own, known, v); theirs && v.Stamp < w.before && x.side.expect(now, x.peer, v) {
			want = append(want, v.Hash)
		}
	}
	if n.Err() != nil {
		return n.Err()
	}
	w.give, w.want = append(w.give, give...), append(w.want, want...)
	slices.Sort(w.want)
	w.want = slices.Compact(w.want) // a later page says again what the first one has answered
	if w.asks {
		w.heard = w.goOn(&w.other, m.Cursor)
	}
	if w.next(); w.phase == atWindows || len(w.want)+len(w.give) >= versionsMost {
		w.phase = atWant
	}
	return nil
}
