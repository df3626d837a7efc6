package storage

import "github.com/shoalcache/shoal/vclock"

// entriesMin is where a partition's index stops shrinking.
const entriesMin = 16

// partition is what one partition knows: its entries, the mark of the ghosts it dropped, and while it
// recovers the greatest stamp it may have acknowledged in an earlier life.
type partition struct {
	index      map[uint64]*entry
	entries    []*entry // in no order; removing moves the last into the gap, which walks rely on
	peak       int      // most entries since the index was made
	records    int
	mark       vclock.Stamp
	recovering bool
	recovery   vclock.Stamp // floor while recovering, else 0
	lone       vclock.Stamp // greatest floor of a recovery that has ended: of lone keys, what came before is lost for good
}

// forgotten is the stamp at or below which this partition may have forgotten a key since it began: while it is held
// what was forgotten before the record came and is not in it, else that of its hash's entry (a ghost, or the record of a
// colliding key, which took the ghost's place), else the mark; of a lone key, what was lost with memory, too.
func (p *partition) forgotten(k Key, e *entry, held bool) (floor vclock.Stamp) {
	switch {
	case held:
		return e.below()
	case e != nil:
		floor = e.stamp
	default:
		floor = p.mark
	}
	if k.Lone {
		floor = max(floor, p.lone)
	}
	return floor
}

// key is that of a record of the partition with that number.
func (p *partition) key(number uint32, e *entry) Key {
	return Key{Bytes: e.key(), Hash: e.hash, Partition: number}
}

func (p *partition) add(e *entry) {
	if p.index == nil {
		p.index = make(map[uint64]*entry)
	}
	e.slot = uint32(len(p.entries))
	p.index[e.hash] = e
	p.entries = append(p.entries, e)
	p.peak = max(p.peak, len(p.entries))
}

func (p *partition) drop(e *entry) {
	last := len(p.entries) - 1
	p.entries[e.slot] = p.entries[last]
	p.entries[e.slot].slot = e.slot
	p.entries[last] = nil
	p.entries = p.entries[:last]
	delete(p.index, e.hash)
	if p.peak > entriesMin && last < p.peak/2 {
		p.shrink()
	}
}

// shrink makes the index anew: a map never gives memory back, and the limit counts entries, not peaks.
func (p *partition) shrink() {
	p.index = make(map[uint64]*entry, len(p.entries))
	p.entries = append(make([]*entry, 0, len(p.entries)), p.entries...)
	for _, e := range p.entries {
		p.index[e.hash] = e
	}
	p.peak = len(p.entries)
}

// Mark is the greatest stamp whose ghost was dropped in partition p, or taken over with Recovered.
func (s *Store) Mark(p uint32) vclock.Stamp { return s.at(p).mark }

// Count is how many records, tombstones among them, and how many ghosts partition p has.
func (s *Store) Count(p uint32) (records, ghosts int) {
	t := s.at(p)
	return t.records, len(t.entries) - t.records
}

// Drop forgets partition p as if it had never been here, mark and recovery included: ownership is lost,
// and with it the duty to remember.
func (s *Store) Drop(p uint32) {
	t := s.at(p)
	for _, e := range t.entries {
		s.detach(e)
	}
	*t = partition{}
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
	for i := len(t.entries) - 1; i >= 0; i-- { // backwards: each step takes out at most one entry
		switch e := t.entries[i]; {
		case e.isRecord() && e.packed: // nothing is newer, but something may be missing in it
			if set := e.load(&s.own); !keep(t.key(p, e), set.Covers()) {
				e.setBelow(max(e.below(), vouched, t.mark))
			}
		case e.isRecord() && (e.stamp > vouched || keep(t.key(p, e), e.stamp)):
		case e.stamp <= t.mark:
			covers = max(covers, past(e.stamp, e.deadline))
			s.remove(e)
		case e.isRecord():
			s.forget(e)
		}
	}
	t.mark = max(t.mark, covers)
	for _, g := range ghosts {
		switch e := t.index[g.Hash]; {
		case e != nil && e.stamp == g.Stamp: // of one version the later deadline is its; another may be stamped alike
			if g.Deadline.Compare(e.deadline) > 0 && (!e.isRecord() || s.of(e, g)) {
				e.deadline, e.digest = g.Deadline, g.Digest
			}
		case e != nil && e.stamp > g.Stamp:
		case g.Stamp <= t.mark:
			t.mark = max(t.mark, past(g.Stamp, g.Deadline))
			if e != nil && !e.isRecord() { // of an older version, which the mark has passed since
				s.remove(e)
			}
		default:
			if e == nil {
				e = s.insert(t, Key{Hash: g.Hash, Partition: p})
			} else {
				s.detach(e)
			}
			e.bury(g.Stamp, g.Deadline, g.Digest)
			s.attach(e)
			s.settle()
		}
	}
}

// of reports whether g is what was left elsewhere of the version that a record has.
func (s *Store) of(e *entry, g Ghost) bool {
	set := e.load(&s.own)
	return set.Ghost(g.Deadline) == g.Digest
}
