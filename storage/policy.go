package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/shoalcache/shoal/vclock"
)

// This file owns the choice of what is forgotten to make room.

// Policy is how a store chooses what it forgets when it is full.
type Policy uint8

// The policies.
const (
	// Adaptive is S3FIFO with a share of the small log that shadows choose, and what leaves that goes to the main one only if it
	// is asked for more than the oldest there.
	Adaptive Policy = iota
	// S3FIFO is Yang et al., SOSP 2023, as published.
	S3FIFO
	// LRU forgets what was not asked for for the longest time. What is asked for in the newest third of the log is not moved: it
	// is far from leaving.
	LRU
	// LFU forgets, of what has been there longest, what was asked for least: what stays is worth half as much from then on, and
	// what is new goes soon unless it is asked for.
	LFU
	// None forgets nothing: a Put for which there is no room is Full.
	None
	policies
)

var policyNames = [policies]string{"adaptive", "s3fifo", "lru", "lfu", "none"}

// PolicyNames are those that ParsePolicy knows, the default first.
func PolicyNames() []string { return policyNames[:] }

// String names the policy.
func (p Policy) String() string {
	if p >= policies {
		return fmt.Sprintf("policy %d", uint8(p))
	}
	return policyNames[p]
}

// ErrPolicy is wrapped by what ParsePolicy says of a name that it does not know.
var ErrPolicy = errors.New("storage: no such policy")

// ParsePolicy returns the policy of a name.
func ParsePolicy(name string) (Policy, error) {
	if i := slices.Index(policyNames[:], name); i >= 0 {
		return Policy(i), nil
	}
	return 0, fmt.Errorf("%w: %q: use one of %s", ErrPolicy, name, strings.Join(policyNames[:], ", "))
}

const (
	// usesMost is how many uses of a record are counted since it was examined last.
	usesMost = 3
	// worthMost bounds what the index knows of how much a key was asked for, whether its record was moved or is forgotten since.
	worthMost = 15
	// movesMax is how many records that are worth keeping are moved, before one goes all the same.
	movesMax = 64
)

// smallShares are the shares of the small log that Adaptive chooses among, in thousandths.
var smallShares = [...]int64{10, 100, 250, 500}

// smallShareFirst is the index of that which S3FIFO has, and Adaptive begins with.
const smallShareFirst = 1

// queued reports whether what is new has to prove itself in the small log.
func (p Policy) queued() bool { return p == Adaptive || p == S3FIFO || p == LFU }

// enters is the log for a record that takes the place of what e has, and what its slot says of its use.
func (s *Store) enters(e entry) (which uint8, known uint64) {
	switch {
	case e.record():
		g, _ := s.of(e.slot & placeMask)
		return g.log, s.used(e.slot) & (usesMask | worthMask)
	case e.ghost() && e.slot&creditFlag != 0, !s.policy.queued():
		which = main
	default:
		which = small
	}
	if s.policy == LFU {
		return which, 0
	}
	worth := uint64(1)
	if e.ghost() {
		worth = min(worthOf(e.slot)+1, worthMost)
	}
	return which, worth << worthShift
}

// used is a slot after one use more of its record.
func (s *Store) used(slot uint64) uint64 {
	switch {
	case s.policy == LFU:
		if worthOf(slot) < worthMost {
			slot += 1 << worthShift
		}
	case s.policy.queued() && usesOf(slot) < usesMost:
		slot += 1 << usesShift
	}
	return slot
}

// use counts that a record was asked for.
func (s *Store) use(e entry) {
	if slot := s.used(e.slot); slot != e.slot {
		s.setSlot(e.at, slot)
	}
	if s.passing(e.slot & placeMask) {
		if _, b := s.of(e.slot & placeMask); s.fits(main, sizeOf(b)) {
			s.newest = s.move(main, e.at, e.slot) // the answer lies there
			s.settle()
		}
	}
}

// passing reports whether what lies at a place has to move if it is to outlive what came after it.
func (s *Store) passing(loc uint64) bool {
	if s.policy != LRU {
		return false
	}
	l := &s.logs[main]
	g, _ := s.of(loc)
	newest := s.segments[l.newest].order
	return newest-g.order >= (newest-s.segments[l.oldest].order)/3 && uint32(loc>>s.shift) != l.newest
}

// admits reports whether a version may be written: of a store that evicts nothing only what there is room for, and what takes
// less than it replaces.
func (s *Store) admits(k Key, set *vclock.Set, e entry) bool {
	if s.policy != None {
		return true
	}
	body := bodyBytes(k.Bytes, set)
	more, large := int64(headBytes(flagsOf(set))+body), 0
	if body > s.blockLeast() {
		large = body
		more += 4
	}
	switch {
	case e.record():
		more -= s.weight(e.b, sizeOf(e.b))
	case !e.known():
		more += pageBytes
	}
	return more <= 0 || s.hasRoom(more, large, set.Tombstone)
}

// hasRoom reports whether a store that evicts nothing can take so many bytes more, so many of them in a block. Some are kept, for pages
// that are split, what a block's last page rounds up, and what is dead, half of that for deletions and deadlines.
func (s *Store) hasRoom(more int64, large int, small bool) bool {
	kept := max(s.usedMax/deadPart, min(8*pageBytes, s.usedMax/4))
	if small {
		kept /= 2
	}
	return s.available()-large>>s.shift >= reserve && s.stats.BytesUsed+more <= s.usedMax-kept
}

func usesOf(slot uint64) uint64  { return slot & usesMask >> usesShift }
func worthOf(slot uint64) uint64 { return slot & worthMask >> worthShift }

// worthKeeping examines a record at the end of its log: what its slot says from then on, and whether it moves to the main log.
func (s *Store) worthKeeping(which uint8, slot uint64) (uint64, bool) {
	uses, worth := usesOf(slot), worthOf(slot)
	keep := uses > 0
	switch s.policy {
	case LRU:
		return slot, false
	case LFU:
		if keep = worth > 0; which == main {
			worth /= 2
		}
	case S3FIFO, Adaptive:
		uses, worth = examined(which, uses, worth)
		if s.policy == Adaptive && which == small {
			keep = s.spilling || worth > s.leastWorth()
		}
	}
	return slot&^(usesMask|worthMask) | uses<<usesShift | worth<<worthShift, keep
}

// examined is what is left of a record's uses, and what its key is worth with them: all of it in the small log; half less
// with each round through the main one.
func examined(which uint8, uses, worth uint64) (left, now uint64) {
	switch {
	case which == small:
		return 0, min(worth+uses, worthMost)
	case uses == 0:
		return 0, worth
	}
	return uses - 1, min(worth/2+uses, worthMost)
}

// leastWorth is what the record is worth that leaves the main log next; 0 where there is none.
func (s *Store) leastWorth() uint64 {
	_, at, ok := s.next(main)
	if !ok {
		return 0
	}
	return worthOf(s.slot(at))
}

// crowded reports whether the small log has more than its share.
func (s *Store) crowded() bool {
	return s.logs[small].bytes*1000 > (s.logs[small].bytes+s.logs[main].bytes)*s.smallShare
}

// oldest returns the record to examine next: of the log that has more than its share, but not the one that this call has written.
func (s *Store) oldest() (which uint8, loc uint64, at spot, ok bool) {
	if which = main; s.crowded() {
		which = small
	}
	if loc, at, ok = s.next(which); ok && loc != s.newest {
		return which, loc, at, true
	}
	other := small + main - which
	if l, a, found := s.next(other); found && (!ok || l != s.newest) {
		return other, l, a, true
	}
	return which, loc, at, ok
}

// evict makes room for a record: the oldest that is not worth moving goes.
func (s *Store) evict() bool {
	if s.policy == None {
		return false
	}
	if !s.full {
		s.full, s.spilling = true, true
	}
	for moves := 0; ; moves++ {
		which, loc, at, ok := s.oldest()
		if !ok {
			return false
		}
		if which == main {
			s.spilling = false
		}
		slot := s.slot(at)
		_, b := s.of(loc)
		s.read(b, &s.met)
		expired := s.met.deadline.Passed(s.wall)
		if loc == s.newest && !expired {
			if moves > movesMax || s.stats.Keys+s.stats.Tombstones == 1 {
				return false // there is nothing else
			}
			s.newest = s.move(main, at, slot)
			continue
		}
		next, keep := s.worthKeeping(which, slot)
		if keep && !expired && moves < movesMax && s.fits(main, sizeOf(b)) {
			s.move(main, at, next)
			continue
		}
		s.leave(at, next, b, which == small)
		return true
	}
}

// spill hands the oldest segments of the small log over to the main one while that need not evict, so that it is full when the
// store is: what comes first is as good as what comes later (a loop of keys would else never leave anything there).
func (s *Store) spill() {
	l, m := &s.logs[small], &s.logs[main]
	for s.policy == Adaptive && !s.full && l.oldest != l.newest {
		n := l.oldest
		g := &s.segments[n]
		if (l.bytes-g.bytes)*1000 < s.usedMax*s.smallShare {
			return
		}
		l.oldest = g.newer
		s.segments[g.newer].older = 0
		l.segments--
		m.segments++
		l.bytes -= g.bytes
		m.bytes += g.bytes
		g.log = main
		if m.newest == 0 {
			m.newest, m.oldest = n, n
			g.newer = 0
			continue
		}
		last := &s.segments[m.newest] // which is still appended to
		g.older, g.newer = last.older, m.newest
		if last.older != 0 {
			s.segments[last.older].newer = n
		} else {
			m.oldest = n
		}
		last.older = n
	}
}
