package replica

import (
	"testing"
	"time"

	"github.com/shoalcache/shoal/vclock"
)

func TestAnotherClockRisesAtOnceAndFallsOnceThatIsAllThatIsHeard(t *testing.T) {
	c := peerClock{ahead: 100}
	at := func(ms int64) vclock.Now {
		return vclock.Now{Mono: time.Duration(ms) * time.Millisecond, Wall: 1e6 + ms}
	}
	for i, x := range []struct {
		ms, lag int64 // when a beat comes, and how old it is
		want    int64 // how far ahead the other is believed to be
	}{
		{0, -100, 100},
		{1000, -100, 100},
		{2000, -90, 100}, // late by 10 ms
		{3000, -120, 120},
		{4000, 0, 120},
		{5000, -20, 120},
		{6000, -10, 20},      // two seconds of nothing above that
		{40_000, 33_000, 20}, // it stood still: what came meanwhile comes at once
		{40_000, 16_000, 20},
		{40_000, -20, 20},    // until now
		{40_500, 33_000, 20}, // again, and it reads that slowly
		{43_000, 31_000, 20},
		{45_500, 29_000, 20},
		{45_600, -20, 20},
		{46_000, 3_600_000, 20}, // another process, which has another clock
		{47_000, 3_600_000, 20},
		{48_000, 3_600_000, -3_600_000},
	} {
		c.tell(at(x.ms), at(x.ms).Wall-x.lag)
		if c.ahead != x.want {
			t.Errorf("beat %d: %d ms ahead, want %d", i+1, c.ahead, x.want)
		}
	}
}

// A process that stood still finds beats of all that time in its sockets, and among them writes of then.
func TestAWriteOfBeforeAPauseIsLateThoughTheBeatsBeforeItAreOld(t *testing.T) {
	n := founded(t, 1, 3)
	const pause = 35_000
	now := recoverNow(0)
	for id := uint64(2); id <= 3; id++ {
		n.Greet(now, id, now.Wall, 0)
	}
	now = vclock.Now{Mono: now.Mono + pause*time.Millisecond, Wall: now.Wall + pause}
	for id := uint64(2); id <= 3; id++ {
		if n.Beat(now, id, now.Wall-pause+1000) || n.View().Offset != 0 {
			t.Fatalf("an old beat moves its clock to %d ms", n.View().Offset)
		}
	}
	if n.Shards()[0].now = now; !n.Shards()[0].late(now.Wall - pause + 2000) {
		t.Error("a write that is 33 s past its deadline is in time")
	}
}

// A hello lies in the backlog of a node that sits out its ceiling, and an answer in the sockets of one that stands still.
func TestAGreetingIsBelievedAsFarAsItCannotBeOld(t *testing.T) {
	const minute, unknown = 60_000, -1
	type greeting struct{ ahead, took int64 } // milliseconds
	for name, c := range map[string]struct {
		greetings []greeting
		want      int64
	}{
		"first, at once":                        {[]greeting{{3000, 2}}, 3000},
		"first, after a pause":                  {[]greeting{{-30_000, 30_000}}, unknown},
		"first, while the other did not accept": {[]greeting{{0, 4000}}, unknown},
		"and then at once":                      {[]greeting{{-30_000, 30_000}, {5, 2}}, 5},
		"the way is long":                       {[]greeting{{-300, 600}, {-310, 620}}, -310},
		"a pause, and a long way":               {[]greeting{{-300, 600}, {-30_000, 30_000}}, unknown},
		"again, at once: its clock was set":     {[]greeting{{minute, 1}, {0, 2}}, 0},
		"again, after a pause":                  {[]greeting{{5, 1}, {-30_000, 30_000}}, 5},
		"again, late, and yet ahead":            {[]greeting{{5, 1}, {20, 30_000}}, 20},
	} {
		n := founded(t, 1, 3)
		now, known := recoverNow(0), false
		for _, g := range c.greetings {
			_, known = n.Greet(now, 2, now.Wall+g.ahead, time.Duration(g.took)*time.Millisecond)
		}
		if clock := n.clocks[2]; known != (c.want != unknown) || known && clock.ahead != c.want {
			t.Errorf("%s: known %v, %+v, want %d", name, known, clock, c.want)
		}
	}
	n := founded(t, 1, 3)
	if n.Beat(recoverNow(0), 2, recoverWall-minute) || n.Beat(recoverNow(0), 3, recoverWall-minute) || n.View().Offset != 0 {
		t.Errorf("beats of nodes that were not greeted move its clock by %d ms", n.View().Offset)
	}
}
