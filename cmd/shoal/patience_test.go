package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoalcache/shoal/client"
)

func TestAPatientCallGoesOnThroughWhatPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, begun := 0, time.Now()
		err := persist(t.Context(), func() error {
			if calls++; calls <= persistTimes {
				return fmt.Errorf("line 1: %w", &client.NotReadyError{})
			}
			return nil
		})
		if err != nil || calls != persistTimes+1 {
			t.Errorf("%d calls, %v", calls, err)
		}
		if took := time.Since(begun); took < 3*time.Second || took > 7*time.Second {
			t.Errorf("it had patience for %v", took)
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			err   error
			calls int
		}{
			{&client.QuorumError{}, persistTimes + 1},
			{&client.TooLargeError{}, 1},
			{client.ErrNotFound, 1},
			{context.Canceled, 1},
		} {
			calls := 0
			err := persist(t.Context(), func() error { calls++; return c.err })
			if !errors.Is(err, c.err) || calls != c.calls {
				t.Errorf("%v: %d calls, want %d, and %v", c.err, calls, c.calls, err)
			}
		}
		ctx, interrupt := context.WithCancel(t.Context())
		calls := 0
		err := persist(ctx, func() error { calls++; interrupt(); return &client.QuorumError{} })
		if quorum := (*client.QuorumError)(nil); !errors.As(err, &quorum) || calls != 1 {
			t.Errorf("interrupted: %d calls, %v", calls, err)
		}
	})
}
