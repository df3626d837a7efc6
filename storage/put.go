package storage

import "github.com/shoalcache/shoal/vclock"

// Outcome is what a Put, Refill or Retime came to.
type Outcome uint8

// The outcomes.
const (
	Stored     Outcome = iota // the version, or the deadline, is taken over; one past its deadline as a ghost
	Known                     // this very version was held already
	Superseded                // a version stamped as late is held, or was until now: Result.Known
	Behind                    // at or below the floor: Result.Known.Stamp
	Missing                   // a deadline for a version this replica has never had
	Gone                      // a deadline for a version this replica has forgotten
	Full                      // no room, from an engine that may not evict; this one makes room instead
	TooLarge                  // over RecordBytesMax, or over what a store of BytesMax can hold at all
)

var outcomeNames = [...]string{"stored", "known", "superseded", "behind", "missing", "gone", "full", "too-large"}

// String names the outcome.
func (o Outcome) String() string { return outcomeNames[o] }

// Result answers a Put, Refill or Retime.
type Result struct {
	Outcome  Outcome
	Known    vclock.Dot // Superseded: the dot that was held. Behind: the floor, as a stamp without an actor
	Conflict bool       // the version and the one held were written without knowing of each other
}

// Put merges a version into its key and copies what it keeps. A greater version held stays, but learns
// what the other had seen. Of two versions of one stamp the greater actor's is held, and neither is Stored
// over the other: floors are stamps and could not tell them apart, so whoever wrote the later one has to
// stamp it again. What lies at or below the floor is refused, unless it is the very version that
// the key's ghost names. A version past its deadline at wall leaves a ghost, so that no late copy of it
// comes back.
func (s *Store) Put(k Key, set *vclock.Set, wall int64) Result {
	p := s.at(k.Partition)
	return s.put(p, k, set, wall, p.recovery)
}

// Refill is Put for what other owners send to a recovering partition: the floor of its recovery does not
// stand in the way, only what it has itself forgotten since. Reads still answer with that floor.
func (s *Store) Refill(k Key, set *vclock.Set, wall int64) Result {
	return s.put(s.at(k.Partition), k, set, wall, 0)
}

// put applies the store rule above a floor of at least least.
func (s *Store) put(p *partition, k Key, set *vclock.Set, wall int64, least vclock.Stamp) Result {
	e, held := s.find(p, k, wall)
	var known vclock.Set
	if held {
		known = e.load(&s.own)
	}
	result := Result{Outcome: Stored}
	if held && set.Dot == known.Dot {
		result.Outcome = Known
	} else if held && set.Dot.Stamp <= known.Dot.Stamp {
		result = Result{Outcome: Superseded, Known: known.Dot}
	} else if floor := max(p.forgotten(e, held), least); set.Dot.Stamp <= floor && !s.names(e, set) {
		s.stats.Behind++
		return Result{Outcome: Behind, Known: vclock.Dot{Stamp: floor}}
	}

	merged, order := vclock.Merge(&known, set)
	expired := merged.Deadline.Passed(wall)
	if !expired && int64(bodyBytes(k.Bytes, &merged)) > s.recordBytesMax {
		return Result{Outcome: TooLarge}
	}
	switch order {
	case vclock.Concurrent:
		result.Conflict = true
		s.stats.Conflicts++
	case vclock.Forked:
		s.stats.Forked++
	}
	if held && same(&merged, &known) {
		return result
	}
	if e == nil {
		e = s.insert(p, k)
	} else {
		if e.isRecord() && !held {
			s.stats.Evicted++ // another key of this hash: from now on the new stamp is its floor
		}
		s.detach(e)
	}
	if expired {
		s.stats.Expired++
		e.bury(merged.Dot, merged.Deadline, s.digest(merged.Dot, merged.Deadline))
	} else {
		e.fill(k.Bytes, &merged)
	}
	s.attach(e)
	s.settle()
	return result
}

// Retime merges a deadline into the version aim of a key, if that is what is held: the later register
// wins (Stored, or Known where the one held is as late). A later version held is Superseded; one not yet
// here is Missing. A forgotten version is Gone: its ghost takes the deadline over, so that no copy without
// it comes back; and where the partition recovers, there is a ghost from then on if there was none.
func (s *Store) Retime(k Key, aim vclock.Dot, d vclock.Deadline, wall int64) Result {
	p := s.at(k.Partition)
	e, held := s.find(p, k, wall)
	if held {
		switch c := aim.Compare(e.dot()); {
		case c < 0:
			return Result{Outcome: Superseded, Known: e.dot()}
		case c == 0 && d.Compare(e.deadline) <= 0:
			return Result{Outcome: Known}
		case c == 0:
			e.deadline = d
			if e.expired(wall) {
				s.expire(e)
			}
			return Result{Outcome: Stored}
		}
	}
	if aim.Stamp > max(p.forgotten(e, held), p.recovery) {
		return Result{Outcome: Missing}
	}
	switch {
	case e != nil && e.isRecord() && !held: // another key of this hash
		return Result{Outcome: Gone}
	case e == nil && aim.Stamp > p.mark:
		e = s.insert(p, k)
	case e == nil || e.stamp > aim.Stamp:
		if aim.Stamp == p.mark {
			p.mark = past(aim.Stamp, d)
		}
		return Result{Outcome: Gone}
	case e.stamp == aim.Stamp && d.Compare(e.deadline) <= 0: // an older register must not undo a later one
		return Result{Outcome: Gone}
	default:
		s.detach(e)
	}
	e.bury(aim, d, s.digest(aim, d))
	s.attach(e)
	s.settle()
	return Result{Outcome: Gone}
}

// names reports whether e is the ghost of this very version: forgotten, so free to come back.
func (s *Store) names(e *entry, set *vclock.Set) bool {
	return e != nil && !e.isRecord() && e.stamp == set.Dot.Stamp && e.digest == s.digest(set.Dot, set.Deadline)
}

// same reports whether merging changed nothing of what is held. Its bytes are then the very same memory,
// which makes comparing them free.
func same(merged, known *vclock.Set) bool {
	return merged.Compare(known) == vclock.Equal && merged.Deadline == known.Deadline && merged.Context.Equal(&known.Context)
}
