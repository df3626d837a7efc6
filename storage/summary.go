package storage

import (
	"github.com/shoalcache/shoal/vclock"
)

// This file owns the summary: for each partition, sums over the newest version known of each key, by when it was stamped. What
// became of the version since makes no difference: one that was evicted or has expired is known by its ghost, and counts as before.
// So two owners that know the same have the same sums, whatever each of them holds, above both their marks: below one of them
// its owner may have dropped even the ghost.
//
// Stamps are taken together in windows, fine ones for what is new and coarse ones for what is old. A window that is the oldest of its
// level is added to the coarser one that it is part of when the next one begins:
//
//	level 1   │   0…7   │   8…15  │                      eight windows of eight of the level before
//	level 0                       │16│17│18│…│23│        eight windows of 2^28 stamps, about four seconds
//
// A version is one number in one sum, so that a write takes one out and puts one in.
const (
	windowShift  = 28 // of a stamp: 12 bits of milliseconds, 16 logical
	levels       = 5  // the windows of the last take five hours each, a day and a half together
	levelWindows = 8
	levelShift   = 3

	// FewerMost is the most of Key.Fewer that is told apart.
	FewerMost = 3
)

// The shortest window: how many stamps there are in it, and how many milliseconds. Every other is a multiple of it.
const (
	WindowStamps = 1 << windowShift
	WindowLeast  = 1 << (windowShift - 16)
)

// windows are the sums of one partition over the keys that so many of its owners do not have.
type windows struct {
	levels [levels][levelWindows]uint64 // by the last bits of the window's number
	rest   uint64                       // what is older
}

// summary has the windows of all partitions.
type summary struct {
	fewer    [FewerMost + 1][]*windows // by Key.Fewer, by number of the partition; nil where there never was a key
	frontier int64                     // number of the latest window of the first level
	bytes    int64                     // that they take
}

// SummaryBytes is what the summary of a partition takes, on the heap, once there was a key; for each Key.Fewer that there is as much.
const SummaryBytes = 352 + 8

// of are the windows of a partition, made if there are none.
func (m *summary) of(fewer uint8, number, partitions uint32) *windows {
	of := &m.fewer[fewer]
	if *of == nil {
		*of = make([]*windows, partitions)
	}
	at := &(*of)[number]
	if *at == nil {
		*at = new(windows)
		m.bytes += SummaryBytes
	}
	return *at
}

// drop lets go of all windows of a partition.
func (m *summary) drop(number uint32) {
	for _, of := range m.fewer {
		if of != nil && of[number] != nil {
			of[number] = nil
			m.bytes -= SummaryBytes
		}
	}
}

// Span is a stretch of stamps: those from From on and before To.
type Span struct{ From, To vclock.Stamp }

// Has reports whether a stamp lies in the span.
func (s Span) Has(t vclock.Stamp) bool { return s.From <= t && t < s.To }

// Window is the sum of what a partition knows of one span.
type Window struct {
	Span
	Sum uint64
}

// Version is what a replica knows to be the newest of a key, which it holds or remembers.
type Version struct {
	Hash   uint64 // of the key, cluster-wide
	Stamp  vclock.Stamp
	Digest uint32 // of the version, its deadline register, and what else is stored with it if it is several
}

func windowOf(t vclock.Stamp) int64 { return int64(t >> windowShift) }

func stampOf(window int64) vclock.Stamp { return vclock.Stamp(window) << windowShift }

// Term is what a version counts in its sum.
func (v *Version) Term() uint64 {
	x := v.Hash ^ uint64(v.Stamp)*0x9e3779b97f4a7c15 ^ uint64(v.Digest)<<32
	x = (x ^ x>>31) * 0xbf58476d1ce4e5b9 // as splitmix64 does (Steele et al., OOPSLA 2014)
	return x ^ x>>29
}

// version is the entry e of a hash, as the summary knows it; of a record it is s.met.
func (s *Store) version(hash uint64, e *entry) Version {
	if e.ghost() {
		g := left(e.b)
		return g.version()
	}
	if !s.met.packed() {
		return Version{Hash: hash, Stamp: s.met.stamp, Digest: vclock.Digest(s.met.dot(), s.met.deadline)}
	}
	set := s.met.set(&s.own)
	return s.versionOf(hash, &set)
}

func (s *Store) versionOf(hash uint64, set *vclock.Set) Version {
	g := s.GhostOf(Key{Hash: hash}, set)
	return g.version()
}

// content is what several versions are told apart by, which their digest does not say.
func (s *Store) content(set *vclock.Set) uint32 {
	if !set.Packed {
		return 0
	}
	return uint32(s.hash(set.Value))
}

// GhostOf is what a store that forgets a version of a key remembers of it.
func (s *Store) GhostOf(k Key, set *vclock.Set) Ghost {
	return Ghost{
		Hash: k.Hash, Stamp: set.Dot.Stamp, Digest: set.Ghost(set.Deadline), Content: s.content(set), Fewer: k.Fewer, Deadline: set.Deadline,
	}
}

func (g *Ghost) version() Version {
	return Version{Hash: g.Hash, Stamp: g.Stamp, Digest: g.Digest ^ g.Content*0x9e3779b1}
}

// sum adds a version to the summary n times: once, or −1 times.
func (s *Store) sum(number uint32, fewer uint8, v *Version, n int64) {
	w := windowOf(v.Stamp)
	if w > s.summary.frontier {
		s.summary.advance(w)
	}
	at := s.summary.of(fewer, number, uint32(len(s.partitions)))
	sum := &at.rest
	if level, window := s.summary.place(w); level < levels {
		sum = &at.levels[level][window%levelWindows]
	}
	*sum += uint64(n) * v.Term()
}

// place is the level at which a window of the first one is counted by now, and the number there of the one that it is part of.
func (m *summary) place(w int64) (level int, window int64) {
	for latest := m.frontier; level < levels; level++ {
		if w > latest-levelWindows {
			break
		}
		w >>= levelShift
		latest = (latest - levelWindows) >> levelShift
	}
	return level, w
}

// advance lets the latest window be that of number to.
func (m *summary) advance(to int64) {
	const all = levelWindows << (levelShift * (levels - 1)) // more windows than are told apart
	for _, of := range m.fewer {
		for _, x := range of {
			switch {
			case x == nil:
			case to-m.frontier > 2*all:
				x.collapse()
			default:
				for f := m.frontier + 1; f <= to; f++ {
					x.fold(f - levelWindows)
				}
			}
		}
	}
	m.frontier = to
}

// fold adds a window of the first level, the oldest there, to the one of the second that it is part of; where that is a new one, the
// oldest there goes on to the third.
func (x *windows) fold(w int64) {
	if w < 0 {
		return
	}
	at := &x.levels[0][w%levelWindows]
	sum := *at
	*at = 0
	for level := 1; level < levels; level++ {
		first := w%levelWindows == 0
		w >>= levelShift
		if at = &x.levels[level][w%levelWindows]; !first {
			*at += sum
			return
		}
		*at, sum = sum, *at
		if w -= levelWindows; w < 0 {
			return
		}
	}
	x.rest += sum
}

func (x *windows) collapse() {
	for l := range x.levels {
		for i := range x.levels[l] {
			x.rest += x.levels[l][i]
		}
	}
	x.levels = [levels][levelWindows]uint64{}
}

// least is the first window, of the first level, that is counted at a level or a finer one.
func (m *summary) least(level int) int64 {
	latest := m.frontier
	for range level {
		latest = (latest - levelWindows) >> levelShift
	}
	return max(latest-levelWindows+1, 0) << (levelShift * level)
}

// KnownFrom is the stamp from which partition p knows all that it was ever told, as far as its windows tell: the end of that of its mark.
func (s *Store) KnownFrom(p uint32) vclock.Stamp {
	mark := s.at(p).mark
	if mark == 0 {
		return 0
	}
	level, _ := s.summary.place(windowOf(mark))
	return s.summary.span(level, windowOf(mark)).To
}

// span is that of the window, at a level, which has a window of the first level.
func (m *summary) span(level int, w int64) Span {
	if level == levels {
		return Span{0, stampOf(m.least(levels - 1))}
	}
	n := w >> (levelShift * level)
	to := (n + 1) << (levelShift * level)
	if level > 0 {
		to = min(to, m.least(level-1))
	}
	return Span{stampOf(n << (levelShift * level)), stampOf(to)}
}

// Windows appends the windows of partition p with all that it knows from one stamp on and before another, latest first, of keys
// that fewer than so many owners do not have. A window that lies across one of the stamps is left out. Those of stores that lie next to
// each other may be one window in another store, which is ahead.
func (s *Store) Windows(p uint32, over Span, fewer int, dst []Window) []Window {
	s.at(p)
	number := p / s.shards
	m := &s.summary
	for w := max(m.frontier, 0); w >= 0; {
		level, n := m.place(w)
		span := m.span(level, w)
		if span.From < over.From {
			break
		}
		if span.To <= over.To {
			sum := uint64(0)
			for _, of := range m.fewer[:min(fewer, len(m.fewer))] {
				switch {
				case of == nil || of[number] == nil:
				case level == levels:
					sum += of[number].rest
				default:
					sum += of[number].levels[level][n%levelWindows]
				}
			}
			dst = append(dst, Window{span, sum})
		}
		w = windowOf(span.From) - 1
	}
	return dst
}

// Advance moves time on to the window of a stamp, so that no later write has to fold all windows since.
func (s *Store) Advance(t vclock.Stamp) {
	if w := windowOf(t); w > s.summary.frontier {
		s.summary.advance(w)
	}
}

// Versions calls f with what partition p knows of keys that fewer than so many owners do not have, of stamps in a span. It looks at
// no more than about most entries, the first with cursor 0, and returns the cursor of the next, 0 after the last. Like Walk it
// meets an entry once, wherever it moves to meanwhile.
func (s *Store) Versions(p uint32, over Span, fewer int, cursor uint64, most int, f func(v *Version)) (next uint64) {
	t := s.at(p)
	if len(t.directory) == 0 {
		return 0
	}
	for looked := 0; looked < most; {
		n := t.page(cursor)
		for at := range s.slots(n) {
			looked++
			e := entry{at: at, slot: s.slot(at)}
			_, e.b = s.of(e.slot & placeMask)
			if e.stamp = stampAt(e.b); !over.Has(e.stamp) || int(fewerOf(e.b)) >= fewer {
				continue
			}
			hash := s.hashOf(e.b)
			if s.mixed(hash) < cursor {
				continue
			}
			if e.record() {
				s.read(e.b, &s.met)
			}
			v := s.version(hash, &e)
			f(&v)
		}
		if cursor = s.after(n, cursor); cursor == 0 {
			return 0
		}
	}
	return cursor
}

// Version is what partition p knows of the key of a hash.
func (s *Store) Version(p uint32, hash uint64) (v Version, known bool) {
	e := s.lookup(s.at(p), Key{Hash: hash})
	if !e.known() {
		return Version{}, false
	}
	return s.version(hash, &e), true
}

// Align makes windows of two stores, latest first, sums over equal spans: what one of them has taken together already is taken together
// in the other, too. What only one of them tells is left out.
func Align(a, b []Window) (x, y []Window) {
	for len(a) > 0 && len(b) > 0 && a[0].To != b[0].To {
		if a[0].To > b[0].To {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	for len(a) > 0 && len(b) > 0 {
		u, v := a[0], b[0]
		a, b = a[1:], b[1:]
		for u.From != v.From {
			switch {
			case u.From > v.From && len(a) > 0:
				u.From, u.Sum, a = a[0].From, u.Sum+a[0].Sum, a[1:]
			case v.From > u.From && len(b) > 0:
				v.From, v.Sum, b = b[0].From, v.Sum+b[0].Sum, b[1:]
			default:
				return x, y
			}
		}
		x, y = append(x, u), append(y, v)
	}
	return x, y
}
