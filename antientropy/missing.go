package antientropy

import (
	"slices"

	"github.com/shoalcache/shoal/wire"
)

// This file owns that values come once. One owner tells the partition whole; the others tell of each record only which version
// it is, but of several versions all, since how they join is in their content. Once all have told everything, each is asked for
// what it holds that nobody has told whole: who holds the same version need not tell it again.

// teller is the one of the sources that tells values: one of those nearby where there are any, another for other partitions, so
// that all tell alike much.
func (r *Refill) teller() int {
	var near []int
	for i := range r.sources {
		if r.sources[i].Near {
			near = append(near, i)
		}
	}
	if near == nil {
		for i := range r.sources {
			near = append(near, i)
		}
	}
	if near == nil {
		return 0
	}
	return near[int(r.partition*2654435761>>16)%len(near)] // neighbours, and those of one shard, have different ones
}

// complete reports whether every other owner has told all it knows, and plans what is to be asked for if not.
func (r *Refill) complete() bool {
	for i := range r.sources {
		if s := &r.sources[i]; !s.walked || len(s.wants) > 0 {
			return false
		}
	}
	all := true
	for i := range r.sources {
		s := &r.sources[i]
		for hash, k := range s.knows {
			if !k.ghost && !k.whole && !r.toldElsewhere(i, hash, k) {
				s.wants = append(s.wants, hash)
			}
		}
		slices.Sort(s.wants)
		all = all && len(s.wants) == 0
	}
	return all
}

// toldElsewhere reports whether another source has told the version whole, or one before it is asked to.
func (r *Refill) toldElsewhere(source int, hash uint64, k known) bool {
	for i := range r.sources {
		o, ok := r.sources[i].knows[hash]
		if ok && i != source && !o.ghost && o.stamp == k.stamp && o.digest == k.digest && (o.whole || i < source) {
			return true
		}
	}
	return false
}

// forget drops what the source was asked to tell whole: it tells what it knows by now, if anything.
func (s *source) forget(most uint64) {
	for _, h := range s.wants[:s.reached(most)] {
		delete(s.knows, h)
	}
}

// got drops the hashes that a page has got to.
func (s *source) got(most uint64) { s.wants = s.wants[s.reached(most):] }

func (s *source) reached(most uint64) int {
	return int(max(1, min(most, uint64(len(s.wants)), wire.WantsMax)))
}
