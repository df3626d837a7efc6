package storage

import (
	"cmp"

	"github.com/shoalcache/shoal/vclock"
)

// partition, a cache line of 64 bytes, is what one partition knows: its index, the mark of the ghosts it dropped, and while it
// recovers the greatest stamp it may have acknowledged in an earlier life.
type partition struct {
	directory  []uint32 // pages, by the first depth bits of the hash
	pages      int32    // beside the first
	number     uint16   // within the shard
	depth      uint8
	recovering bool
	records    int32
	ghosts     int32
	mark       vclock.Stamp
	recovery   vclock.Stamp // floor while recovering, else 0
	lone       vclock.Stamp // greatest floor of a recovery that has ended: of lone keys, what came before is lost for good
}

// forgotten is the stamp at or below which this partition may have forgotten a key since it began: while it is held
// what was forgotten before the record came and is not in it, else that of its hash's entry (a ghost, or the record of a
// colliding key, which took the ghost's place), else the mark; of a lone key, what was lost with memory, too.
func (s *Store) forgotten(p *partition, k Key, e *entry) (floor vclock.Stamp) {
	switch {
	case e.held:
		return s.met.below()
	case e.known():
		floor = e.stamp
	default:
		floor = p.mark
	}
	if k.Lone {
		floor = max(floor, p.lone)
	}
	return floor
}

// Mark is the greatest stamp whose ghost was dropped in partition p, or taken over with Recovered.
func (s *Store) Mark(p uint32) vclock.Stamp { return s.at(p).mark }

// Count is how many records, tombstones among them, and how many ghosts partition p has.
func (s *Store) Count(p uint32) (records, ghosts int) {
	t := s.at(p)
	return int(t.records), int(t.ghosts)
}

// Drop forgets partition p as if it had never been here, mark and recovery included: ownership is lost,
// and with it the duty to remember.
func (s *Store) Drop(p uint32) {
	t := s.at(p)
	for n := range s.pagesOf(t) {
		for at := range s.slots(n) {
			s.kill(s.slot(at) & placeMask)
		}
		s.freePage(n)
	}
	*t = partition{number: t.number}
	s.summary.drop(p / s.shards)
	s.settle() // blocks go back
}

// Recover makes partition p answer, for every key, with at least the floor of a replica that lost its
// memory: the greatest stamp it may have acknowledged before. Called again, the greater floor stands.
func (s *Store) Recover(p uint32, floor vclock.Stamp) {
	t := s.at(p)
	t.recovering = true
	t.recovery = max(t.recovery, floor)
}

// Recovering returns the floor of partition p's recovery, and whether it is recovering.
func (s *Store) Recovering(p uint32) (floor vclock.Stamp, ok bool) {
	t := s.at(p)
	return t.recovery, t.recovering
}

// Recovered ends the recovery of partition p with what the exchanges with the other owners came to: mark
// is the greatest of their marks, keep tells which records have the votes to stay, and of ghosts those
// above the mark and above what is held are taken over. A record above the floor of the recovery stays in any
// case: this replica vouched for it all along, whoever else has forgotten it. One of several versions always stays, and is
// vouched for if what it covers has the votes. One that does not stay leaves a
// ghost only where the mark does not cover it. Own ghosts at or below the mark go too: they know only what happened
// since this replica began, and the mark may stand for something greater from before.
func (s *Store) Recovered(p uint32, mark vclock.Stamp, keep func(k Key, stamp vclock.Stamp) bool, ghosts []Ghost) {
	t := s.at(p)
	t.mark = max(t.mark, mark)
	vouched := t.recovery
	t.recovering, t.recovery = false, 0
	t.lone = max(t.lone, vouched)
	covers := t.mark
	s.each(t, func(hash uint64, e entry) {
		if e.ghost() {
			if e.stamp <= t.mark {
				covers = max(covers, past(e.stamp, left(e.b).Deadline))
				s.remove(t, hash, e)
			}
			return
		}
		k := Key{Bytes: s.met.key, Hash: hash, Partition: p}
		switch {
		case s.met.packed(): // nothing is newer, but something may be missing in it
			if set := s.met.set(&s.own); !keep(k, set.Covers()) {
				s.met.setBelow(max(s.met.below(), vouched, t.mark))
			}
		case e.stamp > vouched, keep(k, e.stamp):
		case e.stamp <= t.mark:
			covers = max(covers, past(e.stamp, s.met.deadline))
			s.remove(t, hash, e)
		default:
			s.forget(t, hash, e, false)
			s.settle()
		}
	})
	t.mark = max(t.mark, covers)
	for _, g := range ghosts {
		s.Learn(p, g)
	}
}

// Learn takes over what another owner remembers of a key of partition p, as far as this one knows less: what it
// holds of an older version goes, since that is known to be outdated, unless both are of several versions. It reports whether anything of the key changed.
func (s *Store) Learn(p uint32, g Ghost) (changed bool) {
	t := s.at(p)
	e := s.lookup(t, Key{Hash: g.Hash})
	switch {
	case e.known() && e.stamp == g.Stamp:
		changed = s.agree(t, p, e, g)
	case e.known() && e.stamp > g.Stamp:
	case g.Stamp <= t.mark:
		t.mark = max(t.mark, past(g.Stamp, g.Deadline))
		if e.ghost() { // of an older version, which the mark has passed since
			s.remove(t, g.Hash, e)
		}
	case e.record() && s.met.packed() && g.Content != 0: // of several the latest does not outdo the rest, which the other may never have had
	default:
		s.bury(t, p/s.shards, e, g, false)
		changed = true
	}
	s.settle()
	return changed
}

// agree takes over what a ghost of the very stamp that e has says: of one version the later deadline is its; another may be stamped
// alike. Of two ghosts of one deadline the greater digest stands, so that all owners come to the same.
func (s *Store) agree(t *partition, p uint32, e entry, g Ghost) bool {
	if e.record() {
		if set := s.met.set(&s.own); g.Deadline.Compare(s.met.deadline) <= 0 || set.Ghost(g.Deadline) != g.Digest {
			return false
		}
		s.retime(t, g.Hash, e, g.Deadline)
		return true
	}
	own := left(e.b)
	if cmp.Or(g.Deadline.Compare(own.Deadline), cmp.Compare(g.Digest, own.Digest), cmp.Compare(g.Content, own.Content)) <= 0 {
		return false
	}
	s.bury(t, p/s.shards, e, g, false)
	return true
}
