package antientropy

import (
	"testing"
	"time"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// TestAVersionIsAskedOfOnePeerAtATime: of another only if it is later, or did not come; of the same as often as it says it has it.
func TestAVersionIsAskedOfOnePeerAtATime(t *testing.T) {
	var s Side
	now := vclock.Now{Mono: time.Second}
	v, later := storage.Version{Hash: 7, Stamp: 100}, storage.Version{Hash: 7, Stamp: 101}
	for i, step := range []struct {
		peer  uint64
		v     storage.Version
		after time.Duration
		want  bool
	}{
		{1, v, 0, true},
		{2, v, 0, false},
		{1, v, 0, true}, // its answer was lost
		{2, later, 0, true},
		{1, v, 0, false},
		{1, v, expectFor + 1, true},
	} {
		now.Mono += step.after
		if got := s.expect(now, step.peer, step.v); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	for i := range uint64(2 * expectedMost) {
		s.expect(now, 1, storage.Version{Hash: i, Stamp: 1})
	}
	if len(s.expected) > expectedMost {
		t.Errorf("%d versions are remembered", len(s.expected))
	}
}

// TestWhoWalksDownKeepsOthersFromBeginning: for as long as it goes on.
func TestWhoWalksDownKeepsOthersFromBeginning(t *testing.T) {
	p := newPair(t, 9, 4, [2]int64{1 << 20, 1 << 20}, [2]int{1, 1})
	p.write(100, 100, time.Minute, 0.5)
	side := p.b.sides[0]
	ask := func(peer uint64, step wire.Step) wire.Outcome {
		m, reply := wire.Message{Kind: wire.KindExchange, ID: 1, Step: step, To: p.cfg.Cut(p.now.Wall)}, wire.Message{}
		if _, err := side.Answer(p.now, peer, &m, &reply, nil); err != nil {
			t.Fatal(err)
		}
		return reply.Outcome
	}
	for i, step := range []struct {
		peer  uint64
		step  wire.Step
		after time.Duration
		want  wire.Outcome
	}{
		{1, wire.StepCompare, 0, wire.OutcomeOK},
		{2, wire.StepCompare, 0, wire.OutcomeOK}, // it may be all there is
		{1, wire.StepWindows, 0, wire.OutcomeOK},
		{2, wire.StepCompare, 0, wire.OutcomeNotReady},
		{1, wire.StepCompare, 0, wire.OutcomeOK},
		{2, wire.StepCompare, walkFor, wire.OutcomeOK},
	} {
		p.now.Mono += step.after
		if got := ask(step.peer, step.step); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
}
