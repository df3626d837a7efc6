package replica

import (
	"time"

	"github.com/shoalcache/shoal/vclock"
)

// ceilingAhead is how far the ceiling on disk lies ahead of the clock. A restart waits as long.
const ceilingAhead = 2 * time.Second

// Ceiling is the stamp ceiling that should be on disk now: ahead of this node's clock, and, where that is slow, of the
// others', whose stamps it would else refuse again and again; and a second above what a shard wants (Outbox.Ceiling;
// 0: nothing).
func (v *View) Ceiling(now vclock.Now, wanted vclock.Stamp) vclock.Stamp {
	slow := min(max(v.Offset, 0), SkewMax.Milliseconds())
	c := vclock.StampAt(now.Wall + slow + ceilingAhead.Milliseconds())
	if wanted > 0 {
		c = max(c, vclock.StampAt(wanted.Millis()+time.Second.Milliseconds()))
	}
	return c
}
