package server

import (
	"time"

	"github.com/shoalcache/shoal/vclock"
)

// clock reads both times. Wall time is taken once, at the start, and runs on the monotonic clock from then
// on, so that a clock set back while the node runs cannot make it stamp twice.
type clock struct {
	start time.Time
	wall  int64 // milliseconds since 1970 at start
}

// newClock starts a clock whose wall time is offset from the machine's.
func newClock(offset time.Duration) clock {
	now := time.Now()
	return clock{start: now, wall: now.Add(offset).UnixMilli()}
}

func (c *clock) now() vclock.Now {
	mono := time.Since(c.start)
	// Monotonic time begins at 1: the machines take 0 for never.
	return vclock.Now{Mono: mono + 1, Wall: c.wall + mono.Milliseconds()}
}
