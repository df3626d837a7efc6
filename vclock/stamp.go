package vclock

import (
	"cmp"
	"fmt"
	"time"
)

// Stamp is a point of hybrid time: 48 bits of milliseconds since 1970 above 16 logical bits
// (Kulkarni et al., "Logical Physical Clocks", 2014). The zero Stamp is before every write.
type Stamp uint64

const (
	logicalBits = 16
	// MillisMax is the last millisecond a Stamp can hold, in the year 10889.
	MillisMax = 1<<(64-logicalBits) - 1
)

// StampAt is the first stamp of the millisecond ms since 1970; ms outside 0…MillisMax is clamped.
func StampAt(ms int64) Stamp {
	return Stamp(min(max(ms, 0), MillisMax)) << logicalBits
}

// Millis is the wall-clock part in milliseconds since 1970.
func (s Stamp) Millis() int64 { return int64(s >> logicalBits) }

// String shows milliseconds and logical part, as "1700000000000.5".
func (s Stamp) String() string {
	return fmt.Sprintf("%d.%d", s.Millis(), uint16(s))
}

// Now is one reading of both clocks, taken by the shell and handed down.
type Now struct {
	Mono time.Duration // since an arbitrary start; never runs backwards
	Wall int64         // milliseconds since 1970; may jump
}

// Clock issues stamps for one lane of a node: the lanes of a node (one per shard) interleave in the low
// bits, so no two lanes ever issue the same stamp and none needs to know of another.
type Clock struct {
	last  Stamp
	lane  Stamp
	lanes Stamp
}

// NewClock makes the clock of lane 0 ≤ lane < lanes; lanes is a power of two, at most 1024.
func NewClock(lane, lanes int) Clock {
	if lanes <= 0 || lanes > 1024 || lanes&(lanes-1) != 0 || lane < 0 || lane >= lanes {
		panic(fmt.Sprintf("vclock: lane %d of %d", lane, lanes))
	}
	return Clock{lane: Stamp(lane), lanes: Stamp(lanes)}
}

// Next issues a stamp at or after wall (milliseconds), greater than above and than every stamp issued before.
// It panics when no such stamp is left: above must have passed the skew bound before it gets here.
func (c *Clock) Next(wall int64, above Stamp) Stamp {
	least := max(above, c.last)
	s := max(StampAt(wall), least)
	s = s - s%c.lanes + c.lane
	if s <= least {
		s += c.lanes
	}
	if s <= least {
		panic(fmt.Sprintf("vclock: no stamp left above %v", least))
	}
	c.last = s
	return s
}

// Last is the greatest stamp issued, 0 before the first.
func (c *Clock) Last() Stamp { return c.last }

// Actor is one boot of one node, the author of dots.
type Actor struct {
	Node uint64
	Boot uint64
}

// Compare orders actors by node, then boot.
func (a Actor) Compare(b Actor) int {
	if d := cmp.Compare(a.Node, b.Node); d != 0 {
		return d
	}
	return cmp.Compare(a.Boot, b.Boot)
}

// String shows node and boot in hexadecimal.
func (a Actor) String() string { return fmt.Sprintf("%016x#%x", a.Node, a.Boot) }

// Dot is the name of one write: who stamped it, and when. The zero Dot names no write.
type Dot struct {
	Actor Actor
	Stamp Stamp
}

// IsZero reports whether d names no write.
func (d Dot) IsZero() bool { return d.Stamp == 0 }

// Compare is the total order in which lww picks its winner: by stamp, ties by actor.
func (d Dot) Compare(o Dot) int {
	if c := cmp.Compare(d.Stamp, o.Stamp); c != 0 {
		return c
	}
	return d.Actor.Compare(o.Actor)
}
