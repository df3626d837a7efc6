package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// refusing answers with a status, and counts how often it did.
func refusing(status wire.Status, times *atomic.Int32) func(*wire.Request, func(*wire.Response)) {
	return func(q *wire.Request, reply func(*wire.Response)) {
		times.Add(1)
		reply(&wire.Response{Status: status, Err: &wire.Error{Op: q.Op, Want: 2, Got: 1}})
	}
}

func TestWhatMayBeTriedAgainIs(t *testing.T) {
	get := func(c *Client, opts ...CallOption) error {
		_, err := c.Exists(t.Context(), "k", opts...)
		return err
	}
	mget := func(c *Client, opts ...CallOption) error {
		_, err := c.MGet(t.Context(), []string{"k"}, opts...)
		return err
	}
	set := func(c *Client, opts ...CallOption) error { return c.Set(t.Context(), "k", nil, opts...) }
	twice := func(c *Client, opts ...CallOption) error { return set(c, append(opts, Idempotent())...) }
	incr := func(c *Client, opts ...CallOption) error {
		_, err := c.Incr(t.Context(), "k", 1, append(opts, Idempotent())...)
		return err
	}
	add := func(c *Client, opts ...CallOption) error {
		_, err := c.Append(t.Context(), "k", nil, append(opts, Idempotent())...)
		return err
	}
	swap := func(c *Client, opts ...CallOption) error {
		_, _, err := c.GetAndSet(t.Context(), "k", nil, append(opts, Idempotent())...)
		return err
	}
	version := func(c *Client, opts ...CallOption) error { return set(c, append(opts, IfVersion(7))...) }
	absent := func(c *Client, opts ...CallOption) error { return set(c, append(opts, IfVersion(0))...) }
	for _, k := range []struct {
		status        wire.Status
		name          string
		call          func(*Client, ...CallOption) error
		again, unsure bool
	}{
		{wire.StatusNotReady, "get", get, true, false},
		{wire.StatusNotReady, "set", set, true, false},
		{wire.StatusOverloaded, "get", get, true, false},
		{wire.StatusOverloaded, "set", set, true, false},
		{wire.StatusQuorum, "get", get, true, false},
		{wire.StatusQuorum, "mget", mget, true, false},
		{wire.StatusQuorum, "set", set, false, true},
		{wire.StatusQuorum, "idempotent set", twice, true, true},
		{wire.StatusQuorum, "incr", incr, false, true},
		{wire.StatusNotReady, "incr", incr, true, false},
		{wire.StatusQuorum, "append", add, false, true},
		{wire.StatusQuorum, "get and set", swap, false, true},
		{wire.StatusQuorum, "set if version", version, true, true},
		{wire.StatusQuorum, "set if version 0", absent, false, true},
		{wire.StatusNotNumber, "incr", incr, false, false},
		{wire.StatusRange, "incr", incr, false, false},
		{wire.StatusContext, "set", set, false, false},
		{wire.StatusTimeout, "get", get, false, false},
		{wire.StatusTimeout, "idempotent set", twice, false, true},
		{wire.StatusInternal, "get", get, false, false},
		{wire.StatusBadRequest, "set", set, false, false},
		{wire.StatusTooLarge, "set", set, false, false},
		{wire.StatusOutOfMemory, "set", set, false, true},
		{wire.StatusOutOfMemory, "idempotent set", twice, false, true},
	} {
		a, b := newFake(t), newFake(t)
		var first, second atomic.Int32
		a.answer, b.answer = refusing(k.status, &first), refusing(k.status, &second)
		c := dial(t, []Option{steady}, a, b)
		err := k.call(c)
		want := int32(1)
		var retried *RetryError
		if k.again {
			want = DefaultRetries + 1
			if !errors.As(err, &retried) || retried.Attempts != DefaultRetries+1 || !strings.Contains(err.Error(), "last of 4 attempts") {
				t.Errorf("%s, status %d: %v", k.name, k.status, err)
			}
		} else if errors.As(err, &retried) {
			t.Errorf("%s, status %d: %v", k.name, k.status, err)
		}
		if n := first.Load() + second.Load(); n != want || (second.Load() > 0) != k.again {
			t.Errorf("%s, status %d: asked %d and %d times", k.name, k.status, first.Load(), second.Load())
		}
		if Indeterminate(err) != k.unsure {
			t.Errorf("%s, status %d: indeterminate %t", k.name, k.status, !k.unsure)
		}
	}
}

func TestAnIdempotentWriteGoesOnAfterItsConnectionBroke(t *testing.T) {
	a, b := newFake(t), newFake(t)
	a.answer = func(*wire.Request, func(*wire.Response)) { a.cut() }
	c := dial(t, nil, a, b)
	if err := c.Set(t.Context(), "k", []byte("v"), Idempotent()); err != nil {
		t.Fatal(err)
	}
	if len(a.ops()) != 1 || len(b.ops()) != 1 {
		t.Errorf("asked %v and %v", a.ops(), b.ops())
	}
}

// What an earlier attempt may have done is not forgotten because a later one did nothing.
func TestAWriteStaysIndeterminateWhateverTheLastAttemptSays(t *testing.T) {
	f := newFake(t)
	var n atomic.Int32
	f.answer = func(q *wire.Request, reply func(*wire.Response)) {
		status := wire.StatusQuorum
		if n.Add(1) > 1 {
			status = wire.StatusNotReady
		}
		reply(&wire.Response{Status: status, Err: &wire.Error{Op: q.Op}})
	}
	c := dial(t, nil, f)
	err := c.Set(t.Context(), "k", nil, Idempotent())
	var notReady *NotReadyError
	if !errors.As(err, &notReady) || !Indeterminate(err) {
		t.Errorf("%v, indeterminate %t", err, Indeterminate(err))
	}
}

func TestRetriesOfAllCallsTogetherAreBounded(t *testing.T) {
	f := newFake(t)
	var asked atomic.Int32
	f.answer = refusing(wire.StatusOverloaded, &asked)
	c := dial(t, []Option{steady}, f)
	const calls = 1000
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			for range calls / 50 {
				if c.Set(t.Context(), "k", nil) == nil {
					t.Error("it was stored")
				}
			}
		})
	}
	callers.Wait()
	most := float64(calls + calls*retryShare + retryBurst)
	if n := asked.Load(); float64(n) > most || n < calls+retryBurst {
		t.Errorf("%d requests for %d calls, at most %.0f should be", n, calls, most)
	}
	if n := c.Counters(); n.Calls != calls || n.Failed != calls || n.Retries != uint64(asked.Load()-calls) || n.RetriesSpent == 0 {
		t.Errorf("%+v", n)
	}
}

func TestThePauseBeforeAnAttemptGrowsToItsBoundAndStays(t *testing.T) {
	for retries := range 200 {
		whole := pauseMax
		if retries < 6 {
			whole = pauseMin << retries
		}
		if d := pauseBefore(retries); d < whole/2 || d >= whole {
			t.Errorf("after %d retries: %v", retries, d)
		}
	}
}

func TestABudgetGrowsWithTheCalls(t *testing.T) {
	b := newBudget(0.1, 3)
	taken := func(calls uint64) (n int) {
		for b.take(calls) {
			n++
		}
		return n
	}
	for _, k := range []struct {
		calls uint64
		want  int
	}{{0, 3}, {5, 0}, {10, 1}, {29, 1}, {30, 1}, {1000, 3}, {1000, 0}, {990, 0}} {
		if got := taken(k.calls); got != k.want {
			t.Errorf("after %d calls: %d, want %d", k.calls, got, k.want)
		}
	}
}

func TestTheQuantileFindsThe95thPercentile(t *testing.T) {
	var q quantile
	for i := range 40_000 { // 100 values in turn, 1 to 100 µs
		q.observe(time.Duration(i*37%100+1) * time.Microsecond)
	}
	if got := q.value(); got < 90*time.Microsecond || got > 100*time.Microsecond {
		t.Errorf("found %v", got)
	}
}

func TestASlowGetIsSentToASecondNode(t *testing.T) {
	fakes := cluster(t, 3)
	held := make(chan func(), 1)
	key := keyOf(t, fakes, 1)
	fakes[1].answer = func(q *wire.Request, reply func(*wire.Response)) {
		if q.Op == wire.OpGet {
			held <- func() { reply(&wire.Response{Value: []byte("late")}) }
			return
		}
		fakes[1].store(q, reply)
	}
	c := routed(t, []Option{steady, WithHedging(true)}, fakes...)
	settled(t, c, 3)
	fakes[0].set(key, "v")
	fakes[2].set(key, "v")
	v, err := c.Get(t.Context(), key)
	if err != nil || string(v) != "v" {
		t.Fatalf("%q, %v", v, err)
	}
	(<-held)()
	for i := range 100 { // the loser's answer is nobody's
		k := fmt.Sprint("other", i)
		if owner(t, fakes, k) == 1 {
			continue
		}
		if v, err := c.Get(t.Context(), k); !errors.Is(err, ErrNotFound) {
			t.Fatalf("%q, %v", v, err)
		}
	}
	if n := c.Counters(); n.Hedges == 0 || n.HedgesWon == 0 || n.Retries != 0 {
		t.Errorf("%+v", n)
	}
}

func TestWithoutRoutingASlowGetStaysWhereItIs(t *testing.T) {
	a, b := newFake(t), newFake(t)
	c := dial(t, []Option{steady, WithHedging(true)}, a, b)
	other, err := c.seeds[1].join(&c.seeds[1].lanes[0])
	if err != nil {
		t.Fatal(err)
	}
	<-other.done
	k := c.call(wire.OpGet, "k", nil)
	defer k.release()
	k.begin(sinceEpoch())
	k.tried = append(k.tried, c.seeds[0]) // as when the first has not answered
	c.hedge(t.Context(), k, sinceEpoch())
	k.recall()
	if err := c.Set(t.Context(), "k", nil); err != nil {
		t.Fatal(err)
	}
	if len(a.ops()) != 1 || len(b.ops()) != 0 {
		t.Errorf("asked %v and %v", a.ops(), b.ops())
	}
}

func TestHedgesAreBoundedAndOnlyForReads(t *testing.T) {
	fakes := cluster(t, 3)
	slow := func(f *fake) func(*wire.Request, func(*wire.Response)) {
		return func(q *wire.Request, reply func(*wire.Response)) {
			answer := *q
			answer.Key = append([]byte(nil), q.Key...)
			f.tasks.Go(func() {
				<-time.After(3 * hedgeMin)
				f.store(&answer, reply)
			})
		}
	}
	for _, f := range fakes {
		f.answer = slow(f)
	}
	c := routed(t, nil, fakes...)
	c.latency.nanos.Store(int64(hedgeMin))
	const calls = 1000
	run := func(call func(key string) error) {
		var callers sync.WaitGroup
		for g := range 50 {
			callers.Go(func() {
				for i := range calls / 50 {
					if err := call(fmt.Sprint(g, " ", i)); err != nil && !errors.Is(err, ErrNotFound) {
						t.Error(err)
					}
				}
			})
		}
		callers.Wait()
	}
	run(func(key string) error { return c.Set(t.Context(), key, nil) })
	if n := c.Counters(); n.Hedges != 0 {
		t.Errorf("%d hedges of writes", n.Hedges)
	}
	run(func(key string) error { _, err := c.Get(t.Context(), key); return err })
	if n := c.Counters(); n.Hedges == 0 || float64(n.Hedges) > 2*calls*hedgeShare+hedgeBurst {
		t.Errorf("%d hedges of %d calls", n.Hedges, n.Calls)
	}
	off := routed(t, []Option{WithHedging(false)}, fakes...)
	off.latency.nanos.Store(int64(hedgeMin))
	if _, err := off.Get(t.Context(), "k"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if n := off.Counters(); n.Hedges != 0 {
		t.Errorf("%d hedges where they are off", n.Hedges)
	}
}

// I18, with every way for a call to end at once: answers, cancellations, hedges, retries, and connections that break.
func TestAnswersNeverCrossWhenEverythingHappensAtOnce(t *testing.T) {
	fakes := cluster(t, 3)
	var n atomic.Int32
	for _, f := range fakes {
		f.answer = func(q *wire.Request, reply func(*wire.Response)) {
			p := &wire.Response{Value: append([]byte(nil), q.Key...)}
			switch i := n.Add(1); {
			case i%997 == 0:
				f.cut()
			case i%31 == 0:
				reply(&wire.Response{Status: wire.StatusQuorum, Err: &wire.Error{Op: q.Op}})
			case i%13 == 0:
				f.tasks.Go(func() {
					<-time.After(3 * hedgeMin)
					reply(p)
				})
			default:
				reply(p)
			}
		}
	}
	c := routed(t, []Option{WithConns(2)}, fakes...)
	c.latency.nanos.Store(int64(hedgeMin))
	c.hedges.share = 1
	var answered atomic.Int32
	var callers sync.WaitGroup
	for g := range 32 {
		callers.Go(func() {
			for i := range 300 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+(g+i)%9)*time.Millisecond)
				key := fmt.Sprintf("%d-%d", g, i)
				v, err := c.Get(ctx, key)
				if err == nil && string(v) != key {
					t.Errorf("asked for %s, got %s", key, v)
				}
				if err == nil {
					answered.Add(1)
				}
				cancel()
			}
		})
	}
	callers.Wait()
	if n := c.Counters(); answered.Load() == 0 || n.Hedges == 0 || n.Retries == 0 {
		t.Errorf("%d answered; %+v", answered.Load(), n)
	}
}

func TestACallWaitsForTheFirstNodeThatCanBeReached(t *testing.T) {
	a, b := newFake(t), newFake(t)
	gone := closed(t)
	c, err := Dial(t.Context(), []string{gone, a.addr, b.addr}, WithoutRouting())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	a.close()
	eventually(t, "the loss was noticed", func() bool { return c.Counters().ConnsLost == 1 })
	if err := c.Set(t.Context(), "k", nil); err != nil {
		t.Error(err)
	}
	b.close()
	eventually(t, "the loss was noticed", func() bool { return c.Counters().ConnsLost == 2 })
	err = c.Set(t.Context(), "k", nil)
	var connect *ConnectError
	if !errors.As(err, &connect) || Indeterminate(err) {
		t.Fatal(err)
	}
	for _, addr := range []string{gone, a.addr, b.addr} {
		if !strings.Contains(err.Error(), addr) {
			t.Errorf("%v: %s is not named", err, addr)
		}
	}
}
