package storage

import (
	"encoding/binary"

	"github.com/shoalcache/shoal/vclock"
)

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
	Full                      // no room, of a store that evicts nothing: by a Put, an older version that it held is a ghost now
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
	return s.put(p, k, set, 0, false, wall, p.recovery)
}

// PutVouched is Put by one who knows that nothing at or below vouch is missing in set. What else this replica may have
// forgotten of the key stays its floor, where set is several versions: beside the newest an older one may be missing. Such a
// set is not refused at the floor: whoever writes it could not stamp it again, since a version has been seen by its name.
func (s *Store) PutVouched(k Key, set *vclock.Set, vouch vclock.Stamp, wall int64) Result {
	p := s.at(k.Partition)
	return s.put(p, k, set, vouch, set.Packed, wall, p.recovery)
}

// Refill is Put for what other owners send to a recovering partition: the floor of its recovery does not
// stand in the way, only what it has itself forgotten since. Reads still answer with that floor.
func (s *Store) Refill(k Key, set *vclock.Set, wall int64) Result {
	return s.put(s.at(k.Partition), k, set, 0, false, wall, 0)
}

// put applies the store rule above a floor of at least least, or whatever that is.
func (s *Store) put(p *partition, k Key, set *vclock.Set, vouch vclock.Stamp, anyFloor bool, wall int64, least vclock.Stamp) Result {
	e := s.find(p, k, wall)
	var known vclock.Set
	if e.held {
		known = s.met.set(&s.own)
	}
	several := set.Packed || known.Packed
	forgotten := s.forgotten(p, k, &e)
	floor := max(forgotten, least)
	if e.held && set.Packed {
		floor = least // what may be missing is told of the two together
	}
	result := Result{Outcome: Stored}
	switch {
	case e.held && set.Dot == known.Dot && !several && tied(&known, set):
		result = Result{Outcome: Superseded, Known: known.Dot}
	case e.held && set.Dot == known.Dot:
		result.Outcome = Known
	case e.held && overtakes(&known, set):
		result = Result{Outcome: Superseded, Known: known.Dot}
	case set.Dot.Stamp <= floor && !anyFloor && !e.names(set):
		s.stats.Behind++
		s.settle()
		return Result{Outcome: Behind, Known: vclock.Dot{Stamp: floor}}
	}

	merged, order := vclock.Merge(&known, set)
	expired := merged.Deadline.Passed(wall)
	same := e.held && merged.Same(&known)
	if !same && !expired && int64(bodyBytes(k.Bytes, &merged)) > s.recordBytesMax {
		s.settle()
		return Result{Outcome: TooLarge}
	}
	if !same && !expired && !s.admits(k, &merged, e) {
		s.stats.Full++
		if result.Outcome == Stored || merged.Deadline != known.Deadline { // else it only learns nothing of what the other had seen
			if e.held { // or whoever asks would be told what this replica knows to be outdated
				s.forget(p, k.Hash, e, false)
			}
			result = Result{Outcome: Full}
		}
		s.settle()
		return result
	}
	switch {
	case order == vclock.Concurrent && (!several || merged.Conflicting()):
		result.Conflict = true
		s.stats.Conflicts++
	case order == vclock.Forked:
		s.stats.Forked++
	}
	var below vclock.Stamp
	if several && forgotten > max(vouch, merged.Covers()) {
		below = forgotten
	}
	if same {
		s.met.setBelow(below)
		if result.Outcome == Stored {
			result.Outcome = Known // all of it was
		}
		return result
	}
	if e.record() && !e.held {
		s.stats.Evicted++ // another key of this hash: from now on the new stamp is its floor
	}
	if expired {
		s.stats.Expired++
		s.bury(p, k.Partition/s.shards, e, Ghost{
			Hash: k.Hash, Stamp: max(merged.Dot.Stamp, below), Digest: merged.Ghost(merged.Deadline), Content: s.content(&merged), Fewer: k.Fewer, Deadline: merged.Deadline,
		}, false)
	} else {
		if s.watches() {
			s.shadow(k.Hash, false, e.held, int64(headPlain+bodyBytes(k.Bytes, &merged)))
		}
		s.write(p, k, e, &merged, below)
	}
	s.settle()
	return result
}

// tied reports whether a record, which is of set's very dot, has met another version of that stamp that set has not: it was not
// stored over that one, and a copy that comes again must not pass for stored either.
func tied(known, set *vclock.Set) bool {
	for _, d := range known.Context.Seen {
		if d.Stamp >= known.Dot.Stamp && !set.Context.Contains(d) {
			return true
		}
	}
	return false
}

// overtakes reports whether a record outdoes a version, so that whoever writes that has to stamp it again: under lww a
// record stamped as late; of several versions one that covers another base than it has, or takes the version for seen.
func overtakes(known, set *vclock.Set) bool {
	if !known.Packed && !set.Packed {
		return set.Dot.Stamp <= known.Dot.Stamp
	}
	base := set.Base()
	return base != known.Base() && base.Stamp <= known.Covers() || set.Dot.Stamp <= known.Context.Floor
}

// Retime merges a deadline into the version aim of a key, if that is what is held: the later register
// wins (Stored, or Known where the one held is as late). A later version held is Superseded; one not yet
// here is Missing. A forgotten version is Gone: its ghost takes the deadline over, so that no copy without
// it comes back; and where the partition recovers, there is a ghost from then on if there was none.
func (s *Store) Retime(k Key, aim vclock.Dot, d vclock.Deadline, wall int64) Result {
	p := s.at(k.Partition)
	e := s.find(p, k, wall)
	defer s.settle()
	if e.held {
		c := aim.Compare(s.met.dot())
		if c < 0 && s.met.packed() {
			if set := s.met.set(&s.own); aim.Stamp >= set.Base().Stamp {
				c = 0 // one register serves all that stands on one base
			}
		}
		switch {
		case c < 0:
			return Result{Outcome: Superseded, Known: s.met.dot()}
		case c == 0 && d.Compare(s.met.deadline) <= 0:
			return Result{Outcome: Known}
		case c == 0 && s.policy == None && s.met.flags&flagRegister == 0 && !s.hasRoom(16, 0, true):
			s.stats.Full++
			return Result{Outcome: Full}
		case c == 0:
			s.retime(p, k.Hash, e, d)
			s.find(p, k, wall)
			return Result{Outcome: Stored}
		}
	}
	if aim.Stamp > max(s.forgotten(p, k, &e), p.recovery) {
		return Result{Outcome: Missing}
	}
	switch {
	case e.record() && !e.held: // another key of this hash
		return Result{Outcome: Gone}
	case !e.known() && aim.Stamp > p.mark:
	case !e.known() || e.stamp > aim.Stamp:
		if aim.Stamp == p.mark {
			p.mark = past(aim.Stamp, d)
		}
		return Result{Outcome: Gone}
	case e.stamp == aim.Stamp && d.Compare(s.deadline(&e)) <= 0: // an older register must not undo a later one
		return Result{Outcome: Gone}
	}
	s.bury(p, k.Partition/s.shards, e, Ghost{Hash: k.Hash, Stamp: aim.Stamp, Digest: vclock.Digest(aim, d), Fewer: k.Fewer, Deadline: d}, false)
	return Result{Outcome: Gone}
}

// retime gives a record, which s.met is, another deadline.
func (s *Store) retime(p *partition, hash uint64, e entry, d vclock.Deadline) {
	if s.met.flags&flagRegister != 0 {
		old := s.version(hash, &e)
		s.met.deadline = d
		fresh := s.version(hash, &e)
		s.sum(s.met.partition, s.met.fewer, &old, -1)
		s.sum(s.met.partition, s.met.fewer, &fresh, 1)
		binary.LittleEndian.PutUint64(s.met.at, uint64(d.At))
		binary.LittleEndian.PutUint64(s.met.at[8:], uint64(d.Stamp))
		s.expect(e.slot&placeMask, d.At)
		return
	}
	set := s.met.set(&s.own)
	set.Deadline = d
	s.write(p, Key{Bytes: s.met.key, Hash: hash, Partition: s.met.partition*s.shards + s.shard, Fewer: s.met.fewer}, e, &set, s.met.below())
}

// deadline is that of what e has.
func (s *Store) deadline(e *entry) vclock.Deadline {
	if e.ghost() {
		return left(e.b).Deadline
	}
	return s.met.deadline
}

// names reports whether e is the ghost of this very version: forgotten, so free to come back. Several never are: it may be
// fewer that come back.
func (e *entry) names(set *vclock.Set) bool {
	return e.ghost() && !set.Packed && e.stamp == set.Dot.Stamp && left(e.b).Digest == set.Ghost(set.Deadline)
}
