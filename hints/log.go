package hints

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// LogConfig bounds what a node's hints take on disk. Every field must be positive.
type LogConfig struct {
	BytesMax   int64 // in all; default 1 GiB; more bridges longer absences
	TargetMax  int64 // of one target; default a quarter of BytesMax; more lets one that stays away take the room of others
	SegmentMax int64 // of one file; default 4 MiB; more makes fewer files, and keeps more of what was delivered
}

// DefaultLogConfig returns the defaults named at the fields, for so many bytes in all.
func DefaultLogConfig(bytes int64) LogConfig {
	return LogConfig{BytesMax: bytes, TargetMax: max(bytes/4, 1), SegmentMax: max(min(4<<20, bytes/16), 1)}
}

// Validate returns every problem at once, each wrapping ErrConfig, or nil.
func (c LogConfig) Validate() error {
	var problems []error
	for _, f := range []struct {
		name  string
		value int64
	}{{"BytesMax", c.BytesMax}, {"TargetMax", c.TargetMax}, {"SegmentMax", c.SegmentMax}} {
		if f.value <= 0 {
			problems = append(problems, fmt.Errorf("%w: %s %d: give it a positive value", ErrConfig, f.name, f.value))
		}
	}
	return errors.Join(problems...)
}

// Log decides what becomes of the files of one node's hints: where the next bytes go, what is read back when, which segments
// are needed no more. It knows their sizes and not what is in them; whoever carries it out tells it what came of it.
//
//	a target's trail:   [ 3 ][ 4 ][ 5 ][ 6 …        6 is written; what lies in 3 to 5 and is still owed is in a queue as well,
//	                           ▲                    up to where the unread begins: from there on it may be on disk alone
//	                           unread
type Log struct {
	cfg    LogConfig
	trails []*trail // by target
	last   uint64   // number given last, over all targets
	bytes  int64
}

// trail is what is on disk for one target.
type trail struct {
	target   uint64
	segments []segment // oldest first
	bytes    int64
	open     bool // the last one takes more
	unread   spot // zero: everything was read
}

type segment struct {
	number  uint64
	bytes   int64
	damaged bool
}

// spot is a place in a trail.
type spot struct {
	segment uint64
	offset  int64
}

// NewLog makes the log of a node that has no files yet.
func NewLog(cfg LogConfig) *Log { return &Log{cfg: cfg} }

// Found adds a segment that an earlier process has left, all of which is unread. Segments may come in any order.
func (g *Log) Found(target, number uint64, bytes int64) {
	t := g.trail(target)
	i, _ := t.find(number)
	t.segments = slices.Insert(t.segments, i, segment{number: number, bytes: bytes})
	t.unread = spot{segment: t.segments[0].number}
	g.grow(t, bytes)
	g.last = max(g.last, number)
}

// Number says that a number is taken, by a file that is set aside.
func (g *Log) Number(number uint64) { g.last = max(g.last, number) }

// Place is where bytes go.
type Place struct {
	Target, Segment uint64
	Offset          int64
	Fresh           bool // there is no such segment yet: it begins with a header, which Offset is behind
}

// Place says where the next n bytes for a target go; false when there is no room for them.
func (g *Log) Place(target uint64, n int64) (Place, bool) {
	t := g.trail(target)
	p := Place{Target: target}
	if last := len(t.segments) - 1; t.open && t.segments[last].bytes+n <= g.cfg.SegmentMax {
		p.Segment, p.Offset = t.segments[last].number, t.segments[last].bytes
	} else {
		p.Segment, p.Offset, p.Fresh = g.last+1, HeaderBytes, true
		n += HeaderBytes
	}
	return p, g.bytes+n <= g.cfg.BytesMax && t.bytes+n <= g.cfg.TargetMax
}

// Wrote says that n bytes are at a place, whether or not they are on disk yet.
func (g *Log) Wrote(p Place, n int64) {
	t := g.trail(p.Target)
	if p.Fresh {
		t.segments = append(t.segments, segment{number: p.Segment})
		t.open, g.last = true, p.Segment
		n += HeaderBytes
	}
	t.segments[len(t.segments)-1].bytes += n
	g.grow(t, n)
}

// Fail says that the disk did not take what was written for a target last: what the end of that segment is nobody knows, and
// the next bytes go into another.
func (g *Log) Fail(target uint64) { g.trail(target).open = false }

// Spilled says that from offset on a segment has hints that no queue has.
func (g *Log) Spilled(target, segment uint64, offset int64) {
	if t := g.trail(target); t.unread == (spot{}) {
		t.unread = spot{segment, offset}
	}
}

// Unread says where the first bytes of a target are that were not read yet, and how many there are in that segment, 0 if all
// of it was; false when nothing is left.
func (g *Log) Unread(target uint64) (segment uint64, offset, bytes int64, ok bool) {
	t := g.trail(target)
	if i, ok := t.find(t.unread.segment); ok {
		return t.unread.segment, t.unread.offset, max(t.segments[i].bytes-t.unread.offset, 0), true
	}
	return 0, 0, 0, false
}

// UnreadBytes is how much there is for a target that was not read yet.
func (g *Log) UnreadBytes(target uint64) (n int64) {
	t := g.trail(target)
	for i := range t.segments {
		if s := &t.segments[i]; t.unread.segment != 0 && s.number >= t.unread.segment {
			n += s.bytes
		}
	}
	return n - t.unread.offset
}

// Read says that n more bytes of the unread were read.
func (g *Log) Read(target uint64, n int64) { g.trail(target).unread.offset += n }

// Skip says that nothing more is to be read from the segment where the unread begins; damaged, that what is there was not
// written so, and that the file is worth looking at. Closed says that it was the one that is written, and is no more.
func (g *Log) Skip(target uint64, damaged bool) (closed bool) {
	t := g.trail(target)
	i, ok := t.find(t.unread.segment)
	if !ok {
		return false
	}
	t.segments[i].damaged = t.segments[i].damaged || damaged
	if i+1 < len(t.segments) {
		t.unread = spot{segment: t.segments[i+1].number}
		return false
	}
	closed = t.open && damaged
	t.unread, t.open = spot{}, t.open && !damaged
	return closed
}

// Gone is a segment that is needed no more.
type Gone struct {
	Target, Segment uint64
	Last            bool // nothing is written to it any more
	Damaged         bool // it is to be set aside, and not removed
	Unread          bool // it goes with its target
}

// Gone lists the segments that nothing needs: all of which was read, and of which no queue has a hint, or whose target was
// removed from the cluster.
func (g *Log) Gone(needed func(target, segment uint64) bool, removed func(target uint64) bool) (gone []Gone) {
	for _, t := range g.trails {
		if len(t.segments) == 0 {
			continue
		}
		lost := removed(t.target)
		for i := range t.segments {
			s := &t.segments[i]
			unread := t.unread.segment != 0 && s.number >= t.unread.segment
			if !lost && (unread || needed(t.target, s.number)) {
				continue
			}
			last := i+1 == len(t.segments)
			gone = append(gone, Gone{t.target, s.number, last, s.damaged, unread})
			t.open = t.open && !last
		}
		if lost {
			t.unread = spot{}
		}
	}
	return gone
}

// Removed says that a segment is there no more.
func (g *Log) Removed(x Gone) {
	t := g.trail(x.Target)
	if i, ok := t.find(x.Segment); ok {
		g.grow(t, -t.segments[i].bytes)
		t.segments = slices.Delete(t.segments, i, i+1)
	}
}

// Relog names a segment whose hints should be written again so that it can go; false when there is none. That is a damaged
// one; else the oldest, when hints that are still owed, live bytes of them, take less than half of a trail that is long.
func (g *Log) Relog(target uint64, live int64) (number uint64, ok bool) {
	t := g.trail(target)
	read := t.segments
	if i, ok := t.find(t.unread.segment); ok {
		read = read[:i]
	}
	bytes := int64(0)
	for i := range read {
		if bytes += read[i].bytes; read[i].damaged {
			return read[i].number, true
		}
	}
	if len(read) > 2 && bytes > 2*live+2*g.cfg.SegmentMax {
		return read[0].number, true
	}
	return 0, false
}

// Targets are those that have a segment, by number.
func (g *Log) Targets(dst []uint64) []uint64 {
	for _, t := range g.trails {
		if len(t.segments) > 0 {
			dst = append(dst, t.target)
		}
	}
	return dst
}

// BytesOf is what a target takes on disk.
func (g *Log) BytesOf(target uint64) int64 { return g.trail(target).bytes }

// Size is what all of it takes on disk, and how many files it is.
func (g *Log) Size() (bytes int64, segments int) {
	for _, t := range g.trails {
		segments += len(t.segments)
	}
	return g.bytes, segments
}

func (g *Log) grow(t *trail, n int64) {
	t.bytes += n
	g.bytes += n
}

// trail is that of a target, made when it is first asked for.
func (g *Log) trail(target uint64) *trail {
	i, ok := slices.BinarySearchFunc(g.trails, target, func(t *trail, n uint64) int { return cmp.Compare(t.target, n) })
	if !ok {
		g.trails = slices.Insert(g.trails, i, &trail{target: target})
	}
	return g.trails[i]
}

func (t *trail) find(number uint64) (int, bool) {
	return slices.BinarySearchFunc(t.segments, number, func(s segment, n uint64) int { return cmp.Compare(s.number, n) })
}
