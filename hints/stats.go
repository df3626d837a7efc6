package hints

import (
	"cmp"
	"slices"
)

// Stats counts what became of hints, and what is owed now.
type Stats struct {
	Owed      int   `json:"owed"`
	Full      int   `json:"full"`     // of these, for which their target had no room, or nobody in its place
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

	HandedOver int64 `json:"handed_over"`       // kept by another node in this one's place
	NotTaken   int64 `json:"hand_over_refused"` // times that one did not
	Taken      int64 `json:"taken"`             // from others, in theirs
}

// Debt is what of a queue, or of several, concerns one target.
type Debt struct {
	Target    uint64
	Owed      int
	Bytes     int64 // in memory
	Oldest    int64 // when what was written longest ago was, in milliseconds since 1970; 0: nothing is owed
	Delivered int64
	Dropped   int64
	Expired   int64

	HandedOver int64
	Taken      int64
}

// AddDebts puts the queue's on top of those of others, which are sorted by target, and returns the longer list.
func (q *Queue) AddDebts(all []Debt) []Debt {
	for _, t := range q.tallies {
		i, ok := slices.BinarySearchFunc(all, t.Target, func(d Debt, target uint64) int { return cmp.Compare(d.Target, target) })
		if !ok {
			all = slices.Insert(all, i, Debt{Target: t.Target})
		}
		d := &all[i]
		d.Delivered, d.Dropped, d.Expired = d.Delivered+t.Delivered, d.Dropped+t.Dropped, d.Expired+t.Expired
		d.HandedOver, d.Taken = d.HandedOver+t.HandedOver, d.Taken+t.Taken
		l := q.lane(t.Target)
		if l == nil {
			continue
		}
		d.Owed += l.owed() + l.spill.hints
		d.Bytes += l.bytes + int64(len(l.spill.records))
		if first := l.entries.Front(); first != nil {
			if at := first.Value.(*entry).set.Greatest().Millis(); d.Oldest == 0 || at < d.Oldest {
				d.Oldest = at
			}
		}
	}
	return all
}

// tally is what became of all hints of a target. It stays when its lane goes: targets are nodes, and those are few.
func (q *Queue) tally(target uint64) *Debt {
	i, ok := slices.BinarySearchFunc(q.tallies, target, func(d *Debt, n uint64) int { return cmp.Compare(d.Target, n) })
	if !ok {
		q.tallies = slices.Insert(q.tallies, i, &Debt{Target: target})
	}
	return q.tallies[i]
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
	s.HandedOver += o.HandedOver
	s.NotTaken += o.NotTaken
	s.Taken += o.Taken
}
