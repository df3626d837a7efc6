package replica

import (
	"time"

	"github.com/shoalcache/shoal/vclock"
)

// fallAfter is how long beats must say that another's clock is less far ahead than believed: more than the time
// between two of them.
const fallAfter = 2 * time.Second

// greetMax is how late a time may be that is believed as it is: little beside the SkewAllowed by which it matters.
const greetMax = SkewAllowed / 2

// wayMax is as long as a greeting takes by any network.
const wayMax = 2 * SkewAllowed

// peerClock is where another node's wall clock lies. Both clocks run on, so that it stays where it is but for drift,
// and beats are late or on time and never early. So what is believed rises at once, and falls once nothing else was
// heard for a while of this node's own time: a process that stood still finds the beats of all that time in its sockets,
// and would else take its own clock for ahead of everybody's, and writes that are long overdue for ones in time.
//
// A greeting is an answer: the time in it was read after this node asked, so that it cannot be old where it came soon
// (Cristian, Probabilistic Clock Synchronization, 1989). Then it is believed as it is: a clock that was set right at a
// restart is believed at once, since links begin with a greeting.
type peerClock struct {
	ahead int64         // milliseconds from this node's clock to the other
	lower bool          // beats since then
	since time.Duration // say no more than
	below int64         // this
}

// meet is the clock of a node that was not heard of before, by a greeting; nil where that took so long that it tells too
// little: this node stood still, or the other did not accept yet. Where the one before took about as long, the way does.
func meet(now vclock.Now, wall int64, took, before time.Duration) *peerClock {
	if took > greetMax && (took > wayMax || before > 2*took || took > 2*before) {
		return nil
	}
	return &peerClock{ahead: wall - now.Wall}
}

// greet takes a wall time that the node has told in answer to a question of this long ago.
func (c *peerClock) greet(now vclock.Now, wall int64, took time.Duration) {
	if took > greetMax {
		c.tell(now, wall)
		return
	}
	c.ahead, c.lower = wall-now.Wall, false
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
