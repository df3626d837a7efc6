package replica

import (
	"math"
	"time"

	"github.com/shoalcache/shoal/vclock"
)

// Boot is what a node that starts knows of its past.
type Boot struct {
	Wall     int64         // its clock, milliseconds since 1970
	Ceiling  vclock.Stamp  // as found on disk; 0: none was
	Saved    uint64        // the boot that saved it
	MapFound bool          // its map was on disk, so that it knows what it owned
	Diskless bool          // it keeps nothing on disk
	Founder  bool          // it makes the cluster
	Known    uint64        // the boot that the cluster's map has of it; 0: the cluster never heard of it
	SkewWait time.Duration // no stamp that it stored lies further ahead of its clock: 2 × SkewMax
}

// StartWaitMax is the longest that a node's clock may have to go until it has passed what the node promised: further
// behind, the clock is wrong, and the node must not start.
const StartWaitMax = 2*SkewMax + time.Second

// PromisedMax returns a stamp that no promise made until wall, by a node that has lost its memory of them, lies above.
// Who takes the place of a node of its name makes this its ceiling before it takes that node's id: a start that is cut
// short while it waits begins again as that of a node that was always there.
func PromisedMax(wall int64, skewWait time.Duration) vclock.Stamp {
	return vclock.StampAt(wall + skewWait.Milliseconds())
}

// Floor returns the stamp under which everything lies that an earlier boot may have acknowledged, and the one that
// the node's clock must have passed before it stores anything; of boots after covered they say nothing. A node that
// lost its memory of promises waits until whatever it may have stored lies in the past. So does one that lost its map:
// what it owns may not be what it owned when it made them; and one whose ceiling is older than the boot that the cluster
// knows: it is a copy, without what was promised since. One that the cluster never heard of has promised nothing, whatever
// ceiling a first start that failed has left, but issues no stamp of that start again.
func (b *Boot) Floor() (floor, until vclock.Stamp, covered uint64) {
	switch {
	case b.Founder:
		return b.Ceiling, b.Ceiling, math.MaxUint64
	case b.Diskless, b.Known > 0 && (b.Ceiling == 0 || !b.MapFound || b.Saved < b.Known):
		until = max(b.Ceiling, PromisedMax(b.Wall, b.SkewWait))
		return until, until, math.MaxUint64
	case !b.MapFound:
		return 0, b.Ceiling, 0
	default:
		return b.Ceiling, b.Ceiling, b.Saved
	}
}
