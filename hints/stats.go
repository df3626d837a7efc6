package hints

// Stats counts what became of hints, and what is owed now.
type Stats struct {
	Owed      int   `json:"owed"`
	Full      int   `json:"full"`     // of these, for which their target had no room
	Unlogged  int   `json:"unlogged"` // of these, not on disk as they stand, where there is a log
	Bytes     int64 `json:"bytes"`
	BytesMax  int64 `json:"bytes_max"`
	Added     int64 `json:"added"`
	Merged    int64 `json:"merged"`
	Delivered int64 `json:"delivered"`
	Refused   int64 `json:"refused"` // at a floor, or too large for the target
	Dropped   int64 `json:"dropped"` // over the cap, or owed to a node that no longer owns the key
	Expired   int64 `json:"expired"`
	Spilled   int64 `json:"spilled"`  // to disk, memory having no room for them
	Restored  int64 `json:"restored"` // from there
}

// Stats is a copy of the queue's counts.
func (q *Queue) Stats() Stats {
	s := q.stats
	s.Bytes += q.spilled
	s.BytesMax = q.cfg.BytesMax
	for _, l := range q.lanes {
		s.Owed += l.owed() + l.spill.hints
		s.Full += l.full.Len()
		s.Unlogged += l.unlogged.Len() + l.spill.hints
	}
	return s
}

// Add puts o's counts on top of s.
func (s *Stats) Add(o Stats) {
	s.Owed += o.Owed
	s.Full += o.Full
	s.Unlogged += o.Unlogged
	s.Bytes += o.Bytes
	s.BytesMax += o.BytesMax
	s.Added += o.Added
	s.Merged += o.Merged
	s.Delivered += o.Delivered
	s.Refused += o.Refused
	s.Dropped += o.Dropped
	s.Expired += o.Expired
	s.Spilled += o.Spilled
	s.Restored += o.Restored
}
