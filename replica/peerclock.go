package replica

import (
	"time"

	"github.com/shoalcache/shoal/vclock"
)

// fallAfter is how long beats must say that another's clock is less far ahead than believed: more than the time
// between two of them.
const fallAfter = 2 * time.Second

// peerClock is where another node's wall clock lies. Both clocks run on, so that it stays where it is but for drift,
// and beats are late or on time and never early. So what is believed rises at once, and falls once nothing else was
// heard for a while of this node's own time: a process that stood still finds the beats of all that time in its sockets,
// and would else take its own clock for ahead of everybody's, and writes that are long overdue for ones in time. That
// the other has another connection, or boot, makes no difference: that, too, may have been long ago.
type peerClock struct {
	ahead int64         // milliseconds from this node's clock to the other
	lower bool          // beats since then
	since time.Duration // say no more than
	below int64         // this
}

// tell takes a wall time, milliseconds since 1970, that the node has told.
func (c *peerClock) tell(now vclock.Now, wall int64) {
	const allowed = int64(SkewAllowed / time.Millisecond)
	ahead := wall - now.Wall
	switch {
	case ahead >= c.ahead:
		c.ahead, c.lower = ahead, false
	case !c.lower, ahead-c.below > allowed, c.below-ahead > allowed: // those of a backlog each say something else
		c.lower, c.since, c.below = true, now.Mono, ahead
	default:
		if c.below = max(c.below, ahead); now.Mono-c.since >= fallAfter {
			c.ahead, c.lower = c.below, false
		}
	}
}
