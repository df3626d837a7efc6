package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// I18, where it is tightest: the answer and the end of the context arrive together, and the call is used again at once.
func TestAnAnswerThatMeetsACancellationIsNotLeftForTheNextCall(t *testing.T) {
	f := newFake(t)
	var cancel atomic.Pointer[context.CancelFunc]
	f.answer = func(q *wire.Request, reply func(*wire.Response)) {
		reply(&wire.Response{Value: append([]byte(nil), q.Key...)})
		(*cancel.Load())()
	}
	c := dial(t, nil, f)
	for i := range 2000 {
		ctx, end := context.WithCancel(t.Context())
		cancel.Store(&end)
		key := fmt.Sprint(i)
		v, err := c.Get(ctx, key)
		if err == nil && string(v) != key || err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("asked for %s, got %q, %v", key, v, err)
		}
		end()
	}
}

func TestWhatCameBackBelongsToTheCaller(t *testing.T) {
	f := newFake(t)
	f.answer = func(q *wire.Request, reply func(*wire.Response)) {
		if q.Op == wire.OpMGet {
			reply(&wire.Response{Items: []wire.Item{{Value: append([]byte(nil), q.Keys[0]...)}}})
			return
		}
		reply(&wire.Response{Value: append([]byte(nil), q.Key...)})
	}
	c := dial(t, nil, f)
	one, err := c.Get(t.Context(), "aaaa")
	if err != nil {
		t.Fatal(err)
	}
	many, err := c.MGet(t.Context(), []string{"bbbb"})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if _, err := c.Get(t.Context(), "cccccccccccccccccccccccc"); err != nil {
			t.Fatal(err)
		}
	}
	if string(one) != "aaaa" || string(many[0].Value) != "bbbb" {
		t.Errorf("changed to %q and %q", one, many[0].Value)
	}
}

func TestCallsUnderWayAreBounded(t *testing.T) {
	f := newFake(t)
	f.answer = func(*wire.Request, func(*wire.Response)) {}
	c := dial(t, []Option{WithInFlight(2), WithDefaults(WithTimeout(20 * time.Millisecond))}, f)
	var callers sync.WaitGroup
	for range 2 {
		callers.Go(func() { _ = c.Set(t.Context(), "k", nil, WithTimeout(time.Minute)) })
	}
	for deadline := time.Now().Add(10 * time.Second); len(f.ops()) < 2; {
		if time.Now().After(deadline) {
			t.Fatal("the first two did not arrive")
		}
	}
	var timeout *TimeoutError
	if err := c.Set(t.Context(), "k", nil); !errors.As(err, &timeout) || timeout.Indeterminate {
		t.Errorf("the third: %v", err)
	}
	if got := len(f.ops()); got != 2 {
		t.Errorf("%d were sent", got)
	}
	c.Close()
	callers.Wait()
}

func TestACallThatWasGivenUpTakesItsPlaceUntilTheNodeAnswers(t *testing.T) {
	f := newFake(t)
	late := make(chan func(), 2)
	f.answer = func(q *wire.Request, reply func(*wire.Response)) { late <- func() { reply(&wire.Response{}) } }
	c := dial(t, []Option{WithInFlight(2), steady}, f)
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 2 {
		callers.Go(func() { _ = c.Set(ctx, "k", nil) })
	}
	first, second := <-late, <-late
	cancel()
	callers.Wait()
	var timeout *TimeoutError
	if err := c.Set(t.Context(), "k", nil, WithTimeout(time.Millisecond)); !errors.As(err, &timeout) || timeout.Indeterminate {
		t.Errorf("the third: %v", err)
	}
	callers.Go(func() {
		if err := c.Set(t.Context(), "k", nil, WithTimeout(time.Hour)); err != nil {
			t.Errorf("after the answers: %v", err)
		}
	})
	first()
	second()
	(<-late)()
	callers.Wait()
	if got := len(f.ops()); got != 3 {
		t.Errorf("%d were sent", got)
	}
}

// A node stops reading at a bound of its own, and must not be thought dead for it.
func TestANodeWithAsManyCallsAsMayBeIsStillAskedWhetherItIsThere(t *testing.T) {
	const nodesBound = 4096
	f := newFake(t)
	full := make(chan struct{})
	f.answer = func(*wire.Request, func(*wire.Response)) {
		if len(f.ops()) == nodesBound {
			<-full // the fake reads on only when it has answered
		}
	}
	c := dial(t, []Option{WithInFlight(1 << 20), steady, WithDefaults(WithTimeout(time.Hour))}, f)
	var callers sync.WaitGroup
	defer func() {
		close(full)
		c.Close()
		callers.Wait()
	}()
	for range nodesBound {
		callers.Go(func() { _ = c.Set(t.Context(), "k", nil) })
	}
	eventually(t, "as many as may be are under way", func() bool { return len(f.ops()) >= DefaultInFlight })
	cn := c.seeds[0].connected()
	cn.suspect(sinceEpoch() + 2*time.Minute)
	eventually(t, "the ping is answered", func() bool {
		cn.mu.Lock()
		defer cn.mu.Unlock()
		return cn.probed == 0
	})
}

func TestANodeThatHangsUpBeforeItsFirstCallRests(t *testing.T) {
	f := newFake(t)
	var c *Client
	met := func() {}
	hooks := Hooks{Dial: func(context.Context, string) func(error) { return func(error) { met() } }}
	c = dial(t, []Option{WithHooks(hooks)}, f)
	lose := func(n uint64) {
		f.cut()
		eventually(t, "the loss was noticed", func() bool { return c.Counters().ConnsLost == n })
	}
	lose(1)
	met = func() { lose(2) } // when the connection is made and nobody has it yet
	a, err := c.seeds[0].join(&c.seeds[0].lanes[0])
	if err != nil {
		t.Fatal(err)
	}
	<-a.done
	if c.seeds[0].rested.Load() == 0 {
		t.Error("it is dialled again at once")
	}
}

func TestAConnectionFullOfWhatWasGivenUpIsLookedAfter(t *testing.T) {
	f := newFake(t)
	f.deaf.Store(true)
	arrived := make(chan struct{}, 1)
	f.answer = func(*wire.Request, func(*wire.Response)) { arrived <- struct{}{} }
	c := dial(t, []Option{WithInFlight(1), WithRetries(0)}, f)
	ctx, cancel := context.WithCancel(t.Context())
	var caller sync.WaitGroup
	caller.Go(func() { _ = c.Set(ctx, "k", nil) })
	<-arrived
	cancel()
	caller.Wait()
	var lost *InterruptedError
	if err := c.Set(t.Context(), "k", nil, WithTimeout(time.Hour)); !errors.As(err, &lost) || lost.Indeterminate {
		t.Errorf("got %v", err)
	}
}

func TestANodeThatReadsNothingCostsBoundedMemory(t *testing.T) {
	f := newFake(t)
	unread := make(chan struct{})
	f.answer = func(*wire.Request, func(*wire.Response)) { <-unread } // the fake reads on only when it has answered
	c := dial(t, []Option{WithDefaults(WithTimeout(300 * time.Millisecond))}, f)
	value := make([]byte, 1<<20)
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			var timeout *TimeoutError
			if err := c.Set(t.Context(), "k", value); !errors.As(err, &timeout) {
				t.Errorf("got %v", err)
			}
		})
	}
	cn := c.seeds[0].connected()
	most := 0
	done := make(chan struct{})
	go func() { callers.Wait(); close(done) }()
	for waiting := true; waiting; {
		cn.mu.Lock()
		most = max(most, len(cn.queued))
		cn.mu.Unlock()
		select {
		case <-done:
			waiting = false
		case <-time.After(time.Millisecond):
		}
	}
	if most == 0 || most > queuedMax+len(value)+100 {
		t.Errorf("%d bytes were queued, %d are allowed", most, queuedMax+len(value)+100)
	}
	close(unread)
}

func TestANodeThatDoesNotEvenAnswerAPingIsGivenUp(t *testing.T) {
	silent := func(*wire.Request, func(*wire.Response)) {}
	for name, k := range map[string]struct {
		deaf  bool
		limit time.Duration
		alive bool
	}{
		"too early to tell":         {true, quietMax / 10, true},
		"silent":                    {true, 2 * (1 + probeFactor) * quietMax, false},
		"busy with what takes long": {false, 2 * (1 + probeFactor) * quietMax, true},
	} {
		f := newFake(t)
		f.answer = silent
		f.deaf.Store(k.deaf)
		c := dial(t, []Option{WithRetries(0)}, f)
		cn := c.seeds[0].connected()
		_, err := c.Get(t.Context(), "k", WithTimeout(k.limit))
		var timeout *TimeoutError
		var lost *InterruptedError
		if !errors.As(err, &timeout) && k.alive || !k.alive && !errors.As(err, &lost) || Indeterminate(err) {
			t.Errorf("%s: %v", name, err)
		}
		if cn.alive.Load() != k.alive {
			t.Errorf("%s: alive %t", name, cn.alive.Load())
		}
	}
}

func TestANodeSlowToSayHelloIsNotTakenForAnotherKindOfServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var server sync.WaitGroup
	server.Go(func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		for read, b := 0, make([]byte, 512); !bytes.HasSuffix(b[:read], []byte("\r\n")); { // until the client's patience ends
			if read, err = nc.Read(b); err != nil {
				return
			}
		}
		_, _ = nc.Write(wire.AppendHello(nil, &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode, ClusterID: 7}))
		_, _ = nc.Read(make([]byte, 1))
	})
	_, err = Dial(t.Context(), []string{l.Addr().String()}, WithDialTimeout(50*time.Millisecond), patient)
	if err == nil || !strings.Contains(err.Error(), "slow to say hello") {
		t.Errorf("%v", err)
	}
	l.Close()
	server.Wait()
}
