package bench

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// briefly is a timeout that is short, and yet long enough to connect on a busy machine.
const briefly = 500 * time.Millisecond

// forgetful answers all but every tenth request.
func forgetful(t *testing.T) string {
	var mu sync.Mutex
	n := 0
	return fake(t, func(q *wire.Request) *wire.Response {
		mu.Lock()
		defer mu.Unlock()
		if n++; n%10 == 0 {
			return mute
		}
		return ok(q)
	})
}

// What is never answered fails at its timeout, as a write that may have happened, and others take its place.
func TestRequestsUnansweredPastTheirTimeoutFail(t *testing.T) {
	for name, cfg := range map[string]Config{
		"batches": {Depth: 8},
		"sliding": {Depth: 8, Sliding: true},
		"a rate":  {Depth: 8, Rate: 1e4},
		"no room": {Depth: 1, Rate: 1e4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg.Addrs, cfg.Conns, cfg.Requests, cfg.Timeout = []string{forgetful(t)}, 2, 40, briefly
			r, err := Run(t.Context(), cfg)
			if err != nil || r.Requests != 40 || r.Errors["timeout"] < 4 || r.Indeterminate != r.Errors["timeout"] {
				t.Fatalf("%+v, %v", r, err)
			}
			if least := (cfg.Timeout + grace).Microseconds(); r.MaxMicros < least {
				t.Fatalf("given up after %d of %d µs", r.MaxMicros, least)
			}
		})
	}
}

func TestKeysWhoseLoadIsNeverAnsweredAreNotLoaded(t *testing.T) {
	r, err := Run(t.Context(), Config{Addrs: []string{forgetful(t)}, Conns: 2, Requests: 10, Keys: 100, Load: true, Timeout: briefly})
	if err != nil || r.Unloaded < 10 || r.Requests != 10 {
		t.Fatalf("%+v, %v", r, err)
	}
}

// A late answer is thrown away, once; an answer that was not given up is not.
func TestLateAnswersAreThrownAwayAndCountedOnce(t *testing.T) {
	l := newLoad(Config{Depth: 4, Timeout: time.Second}.withDefaults(), 1)
	w := newWorker(l, 0, newLink(&loopback{}, ""), &recorder{tally: newTally()})
	late := time.Second + grace
	for i := range 3 {
		w.sending = int64(i) // the last is sent a little later
		w.append(slot{op: wire.OpSet, key: uint64(i), counts: true})
	}
	ids := []uint64{w.slots[3].id, w.slots[2].id, w.slots[1].id}
	if ids[0] == 0 {
		ids = []uint64{w.slots[0].id, w.slots[1].id, w.slots[2].id}
	}
	w.at = int64(late) + 2
	if err := w.giveUp(); err != nil || w.underway() != 1 || w.recorder.failed[wire.StatusTimeout] != 2 || w.recorder.unsure != 2 {
		t.Fatal(err, w.underway(), w.recorder.failed[wire.StatusTimeout])
	}
	w.append(slot{op: wire.OpSet, key: 9, counts: true}) // takes a place that became free
	for _, id := range ids {
		if err := w.take(&wire.Response{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.recorder.writes.TotalCount(); got != 3 || w.underway() != 1 || w.recorder.failures() != 2 || len(w.overdue) != 0 {
		t.Fatalf("%d counted, %d under way, %d failed, %d owed", got, w.underway(), w.recorder.failures(), len(w.overdue))
	}
	if err := w.take(&wire.Response{ID: ids[0]}); err == nil || !strings.Contains(err.Error(), "mixes up") {
		t.Fatal("the same answer twice:", err)
	}
}

// A write that was given up may have happened, or happen later.
func TestVerifyRaisesNoAlarmForWritesThatWereGivenUp(t *testing.T) {
	s := &shelf{values: map[string][]byte{}, first: map[string][]byte{}}
	n := 0
	var mu sync.Mutex
	addr := fake(t, func(q *wire.Request) *wire.Response {
		mu.Lock()
		defer mu.Unlock()
		if n++; q.Op != wire.OpSet || n%100 > 1 {
			return s.answer(q)
		}
		if n%100 == 1 {
			s.answer(q)
		}
		return mute
	})
	r, err := Run(t.Context(), Config{Addrs: []string{addr}, Conns: 4, Depth: 8, Requests: 1000, ReadShare: 0.5, Keys: 7, Verify: true, Timeout: briefly})
	if err != nil || r.Requests != 1000 || r.Verified.Reads == 0 || r.Verified.Bad() != 0 || r.Indeterminate == 0 {
		t.Fatalf("%+v, %+v, %v", r, r.Verified, err)
	}
}
