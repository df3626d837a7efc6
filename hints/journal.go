package hints

import (
	"cmp"
	"container/list"
	"slices"

	"github.com/shoalcache/shoal/vclock"
)

// This file is what of a queue is on disk, where it has a log (Config.Log). A hint is written as it stands when the log comes
// round, so that what changes or is delivered meanwhile costs the disk nothing. What memory has no room for waits here, as
// bytes, to be written, and comes back by Load.
//
//	           Add           Journal, Logged
//	changed ───────▶ unlogged ───────▶ in a portion ──▶ gone with the hint
//	                     ▲                  │
//	                     └──────────────────┘ Relog, or another change: it stays in the portion until it is written again

// portion is what of a lane lies in one segment of its target's log.
type portion struct {
	segment uint64
	entries list.List // of *entry
	bytes   int64     // of their records
}

// spill is what of a lane has no room in memory: whole records that wait to be written.
type spill struct {
	records []byte
	hints   int
}

// Journal is what a queue wants written. Its memory is used again.
type Journal struct{ Writes []Write }

// Write is what is to be appended to the log of a target.
type Write struct {
	Target  uint64
	Records []byte   // those of hints, and from Spilled on those that no queue has
	Spilled int      // offset in Records
	Hints   int      // how many were spilled
	logged  []logged // of each record before Spilled
}

type logged struct {
	id    uint64
	bytes int64
}

// begin takes a Write of an earlier time, or a new one.
func (j *Journal) begin(target uint64) *Write {
	if n := len(j.Writes); n < cap(j.Writes) {
		j.Writes = j.Writes[:n+1]
	} else {
		j.Writes = append(j.Writes, Write{})
	}
	w := &j.Writes[len(j.Writes)-1]
	*w = Write{Target: target, Records: w.Records[:0], logged: w.logged[:0]}
	return w
}

// Reset empties the journal and keeps its memory, but for what a large hint left.
func (j *Journal) Reset(keep int) {
	for i := range j.Writes {
		if w := &j.Writes[i]; cap(w.Records) > keep {
			w.Records = nil
		}
	}
	j.Writes = j.Writes[:0]
}

// Journal appends to j what is to be written to the logs that have room: about so many bytes, one hint at least. It is to be
// handed back to Logged once it is on disk; until then it is what the next call gives, too.
func (q *Queue) Journal(most int, room func(target uint64) bool, j *Journal) {
	for _, l := range q.lanes {
		if most <= 0 || l.unlogged.Len() == 0 && l.spill.hints == 0 || !room(l.target) {
			continue
		}
		w := j.begin(l.target)
		for x := l.unlogged.Front(); x != nil && len(w.Records) < most; x = x.Next() {
			e := x.Value.(*entry)
			before := len(w.Records)
			w.Records = AppendRecord(w.Records, l.target, []byte(e.key), &e.set)
			w.logged = append(w.logged, logged{e.id, int64(len(w.Records) - before)})
		}
		if w.Spilled = len(w.Records); w.Spilled < most { // else the next time
			w.Records, w.Hints = append(w.Records, l.spill.records...), l.spill.hints
		}
		most -= len(w.Records)
	}
}

// Logged says that a Write is on disk, in a segment of its target's log. What has changed since is still to be written.
func (q *Queue) Logged(w *Write, segment uint64) {
	l := q.lane(w.Target)
	if l == nil {
		return
	}
	for _, x := range w.logged {
		if e := l.byID[x.id]; e != nil && e.todo != nil {
			l.unlogged.Remove(e.todo)
			e.todo = nil
			l.keep(e, segment, x.bytes)
		}
	}
	if n := len(w.Records) - w.Spilled; n > 0 {
		l.spill.records = append(l.spill.records[:0], l.spill.records[n:]...)
		l.spill.hints -= w.Hints
		q.spilled -= int64(n)
		q.stats.Spilled += int64(w.Hints)
		if len(l.spill.records) == 0 {
			l.spill.records = nil
		}
	}
}

// EachPortion calls visit with every segment that a hint needs, and the bytes of those that do.
func (q *Queue) EachPortion(visit func(target, segment uint64, bytes int64)) {
	for _, l := range q.lanes {
		for _, p := range l.portions {
			visit(l.target, p.segment, p.bytes)
		}
	}
}

// Relog lets up to most hints be written again that lie in a segment, so that it can go.
func (q *Queue) Relog(target, segment uint64, most int) {
	l := q.lane(target)
	if l == nil {
		return
	}
	i, ok := l.portion(segment)
	if !ok {
		return
	}
	for x := l.portions[i].entries.Front(); x != nil && most > 0; x = x.Next() {
		l.owesLog(x.Value.(*entry))
		most--
	}
}

// Load takes a hint that was read from a segment, where its record has so many bytes. It reports false while there is no room.
func (q *Queue) Load(o Owed, segment uint64, bytes int64) bool {
	e, changed := q.put(&o, q.cfg.BytesMax-q.cfg.BytesMax/8)
	if e == nil {
		return false
	}
	l := q.lane(o.Target)
	if fresh := e.in == nil && e.todo == nil; fresh {
		q.stats.Restored++
	}
	switch {
	case same(o.Set, &e.set):
		if changed || e.in == nil {
			l.unlog(e)
			l.keep(e, segment, bytes)
		}
		return true
	case changed: // until it is written the two are where they were
		l.owesLog(e)
	}
	if e.in == nil { // what is in memory alone goes with the process, and must not take this with it
		l.keep(e, segment, bytes)
	}
	return true
}

// OnDisk reports whether what is owed to a node for a key, or something newer, is on disk as a hint of this queue.
func (q *Queue) OnDisk(target uint64, key []byte, stamp vclock.Stamp) bool {
	l := q.lane(target)
	if l == nil {
		return false
	}
	e := l.byKey[string(key)]
	return e != nil && e.in != nil && e.todo == nil && e.set.Greatest() >= stamp
}

// room is how many bytes of hints Add may keep: with a log some is for what comes back from it, and what waits to be written.
func (q *Queue) room() int64 {
	if q.cfg.Log {
		return q.cfg.BytesMax - q.cfg.BytesMax/4
	}
	return q.cfg.BytesMax
}

// spillOver takes a hint for which there is no room, to be written.
func (q *Queue) spillOver(o *Owed) bool {
	most := recordHeader + 128 + len(o.Key) + len(o.Set.Value) + 3*9*len(o.Set.Context.Seen) // numbers of nine bytes
	if !q.cfg.Log || q.spilled+int64(most) > q.cfg.BytesMax/8 {
		return false
	}
	l := q.lane(o.Target)
	if l == nil {
		l = q.open(o.Target)
	}
	before := len(l.spill.records)
	l.spill.records = AppendRecord(l.spill.records, o.Target, o.Key, o.Set)
	l.spill.hints++
	q.spilled += int64(len(l.spill.records) - before)
	return true
}

// owesLog has a hint written, as it stands then.
func (l *lane) owesLog(e *entry) {
	if e.todo == nil {
		e.todo = l.unlogged.PushBack(e)
	}
}

// keep notes that a hint lies in a segment, and in no other.
func (l *lane) keep(e *entry, segment uint64, bytes int64) {
	l.unkeep(e)
	i, ok := l.portion(segment)
	if !ok {
		l.portions = slices.Insert(l.portions, i, &portion{segment: segment})
	}
	e.in = l.portions[i]
	e.kept, e.record = e.in.entries.PushBack(e), bytes
	e.in.bytes += bytes
}

// unkeep forgets where a hint lies, and a portion with its last hint.
func (l *lane) unkeep(e *entry) {
	if e.in == nil {
		return
	}
	e.in.entries.Remove(e.kept)
	if e.in.bytes -= e.record; e.in.entries.Len() == 0 {
		i, _ := l.portion(e.in.segment)
		l.portions = slices.Delete(l.portions, i, i+1)
	}
	e.in, e.kept = nil, nil
}

// unlog forgets all that the log has to do with a hint.
func (l *lane) unlog(e *entry) {
	if e.todo != nil {
		l.unlogged.Remove(e.todo)
		e.todo = nil
	}
	l.unkeep(e)
}

func (l *lane) portion(segment uint64) (int, bool) {
	return slices.BinarySearchFunc(l.portions, segment, func(p *portion, n uint64) int { return cmp.Compare(p.segment, n) })
}
