package antientropy

import (
	"testing"
	"time"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
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
