package shoaltest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/shoalcache/shoal/client"
)

// hesitant is a KV of which some calls find no answer in time.
type hesitant struct {
	client.KV
	left atomic.Int64
}

func (h *hesitant) Set(ctx context.Context, key string, value []byte, opts ...client.CallOption) error {
	if h.left.Add(-1) >= 0 {
		return &client.TimeoutError{}
	}
	return h.KV.Set(ctx, key, value, opts...)
}

func TestAClaimIsTriedAgainWhereACallFindsNoAnswerInTime(t *testing.T) {
	t.Parallel()
	kv := &hesitant{KV: NewCluster(t, 1).Client()}
	kv.left.Store(trialsMax / 2)
	CheckKV(t, kv)
}

func TestAnAttemptIsExcusedByWantOfAnswersAlone(t *testing.T) {
	late := &client.QuorumError{}
	for what, args := range map[string][]any{"an error": {1, late}, "a result": {client.Result{Err: late}}} {
		x := &trial{T: t}
		if x.Errorf("%v", args...); x.late == nil {
			t.Errorf("%s is not excused", what)
		}
		if got := try(t, func(x *trial) { x.Fatal(args...); t.Error("it goes on") }); !errors.Is(got, late) {
			t.Errorf("%s: %v", what, got)
		}
	}
	for _, err := range []error{nil, client.ErrNotFound, context.Canceled, &client.BadRequestError{}, &client.OverloadedError{}, &client.InternalError{}} {
		if unanswered(err) {
			t.Errorf("%v is excused", err)
		}
	}
}
