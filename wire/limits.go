package wire

import "github.com/shoalcache/shoal/ring"

// Limits bound what a decoder accepts; it checks them before it allocates.
type Limits struct {
	Frame  int // bytes of one frame after its length; default 17 MiB
	Key    int // bytes; default 64 KiB
	Value  int // bytes; default 16 MiB
	Actors int // in one context; default 1024: coordinators keep 64, and merges may add to that
	Keys   int // in one multi-get; default 10,000
}

// DefaultLimits are the limits of a node that configures none.
func DefaultLimits() Limits {
	return Limits{Frame: 17 << 20, Key: 64 << 10, Value: 16 << 20, Actors: 1024, Keys: 10_000}
}

// innerKey is the longest key that nodes send to each other.
func (l *Limits) innerKey() int { return l.Key + ring.InnerPrefix }
