package storage

import "github.com/shoalcache/shoal/vclock"

// Ghost is what is left of a key that is no longer held: enough to recognise its version and to refuse
// older ones.
type Ghost struct {
	Hash     uint64 // of the key, cluster-wide
	Stamp    vclock.Stamp
	Digest   uint32          // of the dot and its deadline register
	Deadline vclock.Deadline // the register: a copy that missed a change of it must not outlive it
}

// ghostBytes is what a Ghost counts on a page.
const ghostBytes = 40

// Walk tells what partition p knows, a page at a time: the first with cursor 0, each next one with the
// cursor returned, until that is 0. A page has at least one entry, and else at most bytesMax bytes of
// keys, values and versions. With each record comes what may be missing in it (see PutVouched). What is passed to record is valid during that call; neither function may
// call the store. Entries may come twice. A record past its deadline is told like any other: whoever
// stores it judges by its own clock.
//
// Entries are visited from the last to the first. Removal fills the gap with the last entry, so what has
// not been visited stays below the cursor; and a key keeps its place when it turns ghost or comes back.
func (s *Store) Walk(p uint32, cursor uint64, bytesMax int, record func(key []byte, set *vclock.Set, below vclock.Stamp), ghost func(Ghost)) (next uint64) {
	entries := s.at(p).entries
	if cursor == 0 || cursor > uint64(len(entries)) {
		cursor = uint64(len(entries))
	}
	for bytes := 0; cursor > 0; cursor-- {
		e := entries[cursor-1]
		first := bytes == 0
		if bytes += ghostBytes + len(e.body); bytes > bytesMax && !first {
			return cursor
		}
		if !e.isRecord() {
			ghost(e.ghost())
			continue
		}
		s.told = e.load(&s.lent)
		record(e.key(), &s.told, e.below())
	}
	return 0
}
