package storage

// Stats are a store's counts: the first group is what is there now, the second what happened since New.
type Stats struct {
	Keys       int   // records with a value
	Tombstones int   // records of deletions
	Ghosts     int   // keys remembered and not held
	BytesUsed  int64 // by records, ghosts and index, as accounted
	BytesMax   int64

	Hits          uint64 // Gets that found a value
	Misses        uint64 // Gets that found none, or a tombstone
	Evicted       uint64 // records that made room
	Expired       uint64 // versions found past their deadline
	GhostsDropped uint64 // ghosts that made room, raising a mark
	Conflicts     uint64 // versions written without knowing of the one held, or the other way round
	Behind        uint64 // versions refused at a floor
	Forked        uint64 // one dot with two contents: a broken node, raise the alarm
}

// Stats returns the counts as they stand.
func (s *Store) Stats() Stats { return s.stats }
