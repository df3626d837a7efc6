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
// and would else take its own clock for ahead of everybody's, and writes that are long overdue for ones in time.
type peerClock struct {
	boot  uint64        // of the node, as in the map when it told
	ahead int64         // milliseconds from this node's clock to the other
	lower bool          // beats since then
	since time.Duration // say no more than
	below int64         // this
}

// tell takes a wall time, milliseconds since 1970, that the node has told; afresh, it need not go on from what it told
// before.
func (c *peerClock) tell(now vclock.Now, boot uint64, wall int64, afresh bool) {
	ahead := wall - now.Wall
	switch {
	case afresh || boot != c.boot || ahead >= c.ahead:
		*c = peerClock{boot: boot, ahead: ahead}
	case !c.lower:
		c.lower, c.since, c.below = true, now.Mono, ahead
	default:
		if c.below = max(c.below, ahead); now.Mono-c.since >= fallAfter {
			c.ahead, c.lower = c.below, false
		}
	}
}
