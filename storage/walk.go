package storage

import (
	"cmp"
	"iter"
	"slices"

	"github.com/shoalcache/shoal/vclock"
)

// Ghost is what is left of a key that is no longer held: enough to recognise its version and to refuse
// older ones.
type Ghost struct {
	Hash     uint64 // of the key, cluster-wide
	Stamp    vclock.Stamp
	Digest   uint32          // of the dot and its deadline register
	Content  uint32          // of several versions, a digest of all of them
	Fewer    uint8           // as Key.Fewer
	Deadline vclock.Deadline // the register: a copy that missed a change of it must not outlive it
}

// ghostBytes is what a Ghost counts on a page.
const ghostBytes = 40

// pagesOf yields the pages of a partition in the order of their hashes.
func (s *Store) pagesOf(p *partition) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i := 0; i < len(p.directory); {
			n := p.directory[i]
			i += 1 << (p.depth - s.info(n).depth)
			if !yield(n) {
				return
			}
		}
	}
}

// slots yields the spots of a page that have an entry.
func (s *Store) slots(n uint32) iter.Seq[spot] {
	return func(yield func(spot) bool) {
		for b := range buckets {
			for i := range bucketSlots {
				if s.page(n)[b*bucketBytes+i] != 0 && !yield(spot{n, slotAt(b, i)}) {
					return
				}
			}
		}
	}
}

// hashesFrom are those of the entries of p whose mixed hash is at least from, as far as their page goes, in the order of that; and
// the first mixed hash of the next page, 0 after the last.
func (s *Store) hashesFrom(p *partition, from uint64) (hashes []uint64, next uint64) {
	if len(p.directory) == 0 {
		return nil, 0
	}
	n := p.page(from)
	hashes = s.hashes[:0]
	for at := range s.slots(n) {
		if h := s.hashAt(s.slot(at) & placeMask); s.mixed(h) >= from {
			hashes = append(hashes, h)
		}
	}
	slices.SortFunc(hashes, func(a, b uint64) int { return cmp.Compare(s.mixed(a), s.mixed(b)) })
	s.hashes = hashes
	return hashes, s.after(n, from)
}

// after is the first mixed hash of the page that follows page n, in which from lies; 0 after the last.
func (s *Store) after(n uint32, from uint64) uint64 {
	depth := s.info(n).depth
	if depth == 0 {
		return 0
	}
	return (from>>(64-depth) + 1) << (64 - depth)
}

// each calls f with every entry of a partition; f may change that one, and the store by settling.
func (s *Store) each(p *partition, f func(hash uint64, e entry)) {
	for from := uint64(0); ; {
		hashes, next := s.hashesFrom(p, from)
		for _, h := range hashes {
			if e := s.lookup(p, Key{Hash: h}); e.known() { // else it was evicted meanwhile
				f(h, e)
			}
		}
		if next == 0 {
			return
		}
		from = next
	}
}

// Walk tells what partition p knows, a page at a time: the first with cursor 0, each next one with the
// cursor returned, until that is 0. A page has at least one entry, and else at most bytesMax bytes of
// keys, values and versions. With each record comes what may be missing in it (see PutVouched). What is passed to record is valid during that call; neither function may
// call the store. A record past its deadline is told like any other: whoever
// stores it judges by its own clock.
//
// Entries are visited in the order of their mixed hashes, and the cursor is the first of the next page: an entry is told once,
// wherever it moves to meanwhile.
func (s *Store) Walk(p uint32, cursor uint64, bytesMax int, record func(key []byte, set *vclock.Set, below vclock.Stamp), ghost func(Ghost)) (next uint64) {
	return s.walk(p, cursor, telling{left: bytesMax, record: record, ghost: ghost})
}

// WalkBriefly is Walk for somebody who tells of a record no more than which version it is, unless it is several: it counts as
// much as a ghost.
func (s *Store) WalkBriefly(p uint32, cursor uint64, bytesMax int, record func(key []byte, set *vclock.Set, below vclock.Stamp), ghost func(Ghost)) (next uint64) {
	return s.walk(p, cursor, telling{left: bytesMax, brief: true, record: record, ghost: ghost})
}

// Tell tells what partition p knows of the keys with these hashes, in their order, as Walk does: of the first, and of as many more
// as fit. It returns of how many.
func (s *Store) Tell(p uint32, hashes []uint64, bytesMax int, record func(key []byte, set *vclock.Set, below vclock.Stamp), ghost func(Ghost)) (told int) {
	t := s.at(p)
	g := telling{left: bytesMax, record: record, ghost: ghost}
	for _, h := range hashes {
		if e := s.lookup(t, Key{Hash: h}); e.known() && !s.tell(&g, e) {
			break
		}
		told++
	}
	return told
}

func (s *Store) walk(p uint32, cursor uint64, g telling) (next uint64) {
	t := s.at(p)
	for {
		hashes, after := s.hashesFrom(t, cursor)
		for _, h := range hashes {
			if !s.tell(&g, s.lookup(t, Key{Hash: h})) {
				return s.mixed(h)
			}
		}
		if cursor = after; cursor == 0 {
			return 0
		}
	}
}

// telling is a page that is being told.
type telling struct {
	left   int  // bytes
	any    bool // something was told
	brief  bool
	record func(key []byte, set *vclock.Set, below vclock.Stamp)
	ghost  func(Ghost)
}

// tell tells an entry that was just looked up, unless the page has no room for it.
func (s *Store) tell(g *telling, e entry) bool {
	size := ghostBytes
	if e.record() && !(g.brief && !s.met.packed()) {
		size += len(s.met.key) + len(s.met.value) + len(s.met.dots) + headRoom
	}
	if g.left -= size; g.left < 0 && g.any {
		return false
	}
	g.any = true
	if e.ghost() {
		g.ghost(left(e.b))
		return true
	}
	s.told = s.met.set(&s.lent)
	g.record(s.met.key, &s.told, s.met.below())
	return true
}
