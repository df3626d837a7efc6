package storage

// Stats are a store's counts: the first group is what is there now, the second what happened since New.
type Stats struct {
	Keys       int   `json:"keys"`       // records with a value
	Tombstones int   `json:"tombstones"` // records of deletions
	Ghosts     int   `json:"ghosts"`     // keys remembered and not held
	BytesUsed  int64 `json:"bytes_used"` // by records, ghosts and index, as accounted
	BytesMax   int64 `json:"bytes_max"`
	Summaries  int64 `json:"bytes_summaries"` // beside BytesMax, on the heap

	Hits          uint64 `json:"hits"`           // Gets that found a value
	Misses        uint64 `json:"misses"`         // Gets that found none, or a tombstone
	Evicted       uint64 `json:"evicted"`        // records that made room
	Full          uint64 `json:"full"`           // versions and deadlines refused for want of room
	Expired       uint64 `json:"expired"`        // versions found past their deadline
	Swept         uint64 `json:"swept"`          // records whose key nobody can ask for any more
	GhostsDropped uint64 `json:"ghosts_dropped"` // ghosts that made room, raising a mark
	Conflicts     uint64 `json:"conflicts"`      // versions written without knowing of the one held, or the other way round
	Behind        uint64 `json:"behind"`         // versions refused at a floor
	Forked        uint64 `json:"forked"`         // one dot with two contents: a broken node, raise the alarm
}

// Stats returns the counts as they stand.
func (s *Store) Stats() Stats {
	st := s.stats
	st.Summaries = s.summary.bytes
	return st
}

// BytesFree is how much more records, ghosts and index may take before something is forgotten.
func (s *Store) BytesFree() int64 { return max(s.usedMax-s.stats.BytesUsed, 0) }

// RecordBytesMax is how many bytes of key, value and version a record of this store may have.
func (s *Store) RecordBytesMax() int64 { return s.recordBytesMax }

// Add puts o's counts on top of s, as for a node of several shards.
func (s *Stats) Add(o Stats) {
	s.Keys += o.Keys
	s.Tombstones += o.Tombstones
	s.Ghosts += o.Ghosts
	s.BytesUsed += o.BytesUsed
	s.BytesMax += o.BytesMax
	s.Summaries += o.Summaries
	s.Hits += o.Hits
	s.Misses += o.Misses
	s.Evicted += o.Evicted
	s.Full += o.Full
	s.Expired += o.Expired
	s.Swept += o.Swept
	s.GhostsDropped += o.GhostsDropped
	s.Conflicts += o.Conflicts
	s.Behind += o.Behind
	s.Forked += o.Forked
}
