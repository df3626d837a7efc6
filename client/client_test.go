package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// dial connects to fakes, the first of which takes all calls.
func dial(t testing.TB, opts []Option, fakes ...*fake) *Client {
	t.Helper()
	return routed(t, append([]Option{WithoutRouting()}, opts...), fakes...)
}

// routed connects to fakes, which are a cluster if join made them one.
func routed(t testing.TB, opts []Option, fakes ...*fake) *Client {
	t.Helper()
	var addrs []string
	for _, f := range fakes {
		addrs = append(addrs, f.addr)
	}
	c, err := Dial(t.Context(), addrs, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestEveryCallGoesThereAndBack(t *testing.T) {
	f := newFake(t)
	c := dial(t, nil, f)
	ctx := t.Context()
	if _, err := c.Get(ctx, "k"); !errors.Is(err, ErrNotFound) {
		t.Errorf("get of nothing: %v", err)
	}
	if err := c.Set(ctx, "k", []byte("v"), WithTTL(time.Minute), WithRW(2, 2)); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(ctx, "empty", nil); err != nil {
		t.Fatal(err)
	}
	if v, err := c.Get(ctx, "k"); err != nil || string(v) != "v" {
		t.Errorf("get: %q, %v", v, err)
	}
	if err := c.Touch(ctx, "k", time.Second); err != nil {
		t.Errorf("touch: %v", err)
	}
	got, err := c.MGet(ctx, []string{"k", "nothing", "empty"})
	if err != nil || string(got[0].Value) != "v" || !errors.Is(got[1].Err, ErrNotFound) || got[2].Value == nil {
		t.Errorf("mget: %+v, %v", got, err)
	}
	if err := c.Delete(ctx, "k"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if err := c.Delete(ctx, "k"); err != nil {
		t.Errorf("delete of nothing: %v", err)
	}
	if err := c.Touch(ctx, "k", time.Second); !errors.Is(err, ErrNotFound) {
		t.Errorf("touch of nothing: %v", err)
	}
	if err := c.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	if m, err := c.Map(ctx); err != nil || len(m.Nodes) != 1 {
		t.Errorf("map: %v, %v", m, err)
	}
	if w, err := c.Where(ctx, "k"); err != nil || len(w.Owners) != 1 || w.Slot != 7629 {
		t.Errorf("where: %+v, %v", w, err)
	}
	if s, err := c.Stats(ctx, f.addr); err != nil || s.Name != "n1" || s.Keys != 1 {
		t.Errorf("stats: %+v, %v", s, err)
	}
}

// I18.
func TestAnswersNeverCrossWhateverIsCancelled(t *testing.T) {
	f := newFake(t)
	var late []func()
	var mu sync.Mutex
	f.answer = func(q *wire.Request, reply func(*wire.Response)) {
		p := &wire.Response{Value: append([]byte(nil), q.Key...)}
		mu.Lock()
		late = append(late, func() { reply(p) })
		flush := len(late) >= 16
		var due []func()
		if flush {
			due, late = late, nil
		}
		mu.Unlock()
		for i := len(due) - 1; i >= 0; i-- { // in the wrong order, and long after some callers have gone
			due[i]()
		}
	}
	c := dial(t, nil, f)
	var callers sync.WaitGroup
	for g := range 32 {
		callers.Go(func() {
			for i := range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+(g+i)%7)*100*time.Microsecond)
				key := fmt.Sprintf("%d-%d", g, i)
				if v, err := c.Get(ctx, key); err == nil && string(v) != key {
					t.Errorf("asked for %s, got %s", key, v)
				}
				cancel()
			}
		})
	}
	callers.Wait()
}

func TestTheNextAddressTakesOverWhenANodeGoes(t *testing.T) {
	a, b := newFake(t), newFake(t)
	c := dial(t, nil, a, b)
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.close()
	for range 50 { // a read that was under way is asked again; none fails
		if _, err := c.Get(t.Context(), "k"); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
	}
	if len(b.ops()) < 50 {
		t.Errorf("the other node saw %d calls", len(b.ops()))
	}
}

func TestAConnectionThatBrokeIsMadeAgain(t *testing.T) {
	f := newFake(t)
	c := dial(t, nil, f)
	for range 10 {
		f.cut()
		if _, err := c.Get(t.Context(), "k"); !errors.Is(err, ErrNotFound) {
			var lost *InterruptedError // the one that noticed has no other address
			if !errors.As(err, &lost) {
				t.Fatal(err)
			}
			if _, err := c.Get(t.Context(), "k"); !errors.Is(err, ErrNotFound) {
				t.Fatal(err)
			}
		}
	}
}

func TestAWriteThatMayHaveArrivedIsNeverSentAgain(t *testing.T) {
	a, b := newFake(t), newFake(t)
	a.answer = func(q *wire.Request, reply func(*wire.Response)) { a.cut() }
	c := dial(t, nil, a, b)
	err := c.Set(t.Context(), "k", []byte("v"))
	var lost *InterruptedError
	if !errors.As(err, &lost) || !lost.Indeterminate || !Indeterminate(err) {
		t.Errorf("a write whose connection broke: %v", err)
	}
	if len(b.ops()) != 0 {
		t.Errorf("it was sent to the other node: %v", b.ops())
	}
}

func TestANodeThatIsNotReadyIsPassedOver(t *testing.T) {
	a, b := newFake(t), newFake(t)
	a.answer = func(q *wire.Request, reply func(*wire.Response)) {
		reply(&wire.Response{Status: wire.StatusNotReady, Err: &wire.Error{Op: q.Op}})
	}
	c := dial(t, nil, a, b)
	if err := c.Set(t.Context(), "k", []byte("v")); err != nil {
		t.Error(err)
	}
	b.answer = a.answer
	var notReady *NotReadyError
	if err := c.Set(t.Context(), "k", []byte("v")); !errors.As(err, &notReady) {
		t.Errorf("with no node ready: %v", err)
	}
}

func TestACallEndsByItselfAndSaysWhetherItMayStillHappen(t *testing.T) {
	f := newFake(t)
	f.answer = func(*wire.Request, func(*wire.Response)) {}
	c := dial(t, []Option{WithDefaults(WithTimeout(5 * time.Millisecond))}, f)
	var timeout *TimeoutError
	if err := c.Set(t.Context(), "k", nil); !errors.As(err, &timeout) || !timeout.Indeterminate {
		t.Errorf("set: %v", err)
	}
	if _, err := c.Get(t.Context(), "k"); !errors.As(err, &timeout) || timeout.Indeterminate {
		t.Errorf("get: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Set(ctx, "k", nil); !errors.Is(err, context.Canceled) || Indeterminate(err) {
		t.Errorf("a context that was over before: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := c.Set(ctx, "k", nil, WithTimeout(time.Minute)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a context's deadline: %v", err)
	}
}

func TestALimitMayBeAsLongAsAnyCanBeSaid(t *testing.T) {
	const ever = time.Duration(math.MaxInt64)
	onBoth(t, func(t *testing.T, kv KV) {
		if err := kv.Set(t.Context(), "k", []byte("v"), WithTimeout(ever), WithTTL(ever)); err != nil {
			t.Error(err)
		}
		if v, err := kv.Get(t.Context(), "k", WithTimeout(ever)); err != nil || string(v) != "v" {
			t.Errorf("%q, %v", v, err)
		}
	})
	for d, want := range map[time.Duration]int64{ever: int64(ever/time.Millisecond) + 1, time.Millisecond: 1, time.Millisecond + 1: 2, 0: 0} {
		if got := millis(d); got != want {
			t.Errorf("%v: %d ms, want %d", d, got, want)
		}
	}
}

func TestWhatNoNodeWouldTakeIsRefusedBeforeItIsSent(t *testing.T) {
	f := newFake(t)
	c := dial(t, []Option{steady}, f)
	ctx := t.Context()
	var large *TooLargeError
	var bad *BadRequestError
	long := strings.Repeat("k", 64<<10+1)
	_, get := c.Get(ctx, long)
	_, mget := c.MGet(ctx, []string{"k", long})
	_, many := c.MGet(ctx, make([]string, 10_001))
	for name, err := range map[string]error{
		"key": get, "keys": mget, "number of keys": many,
		"value": c.Set(ctx, "k", make([]byte, 16<<20+1)),
	} {
		if !errors.As(err, &large) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"ttl 0": c.Set(ctx, "k", nil, WithTTL(0)), "ttl -1": c.Set(ctx, "k", nil, WithTTL(-1)),
		"touch -1": c.Touch(ctx, "k", -1), "timeout 0": c.Set(ctx, "k", nil, WithTimeout(0)),
	} {
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(f.ops()) != 0 {
		t.Errorf("sent: %v", f.ops())
	}
	if err := c.Set(ctx, "k", make([]byte, 16<<20), WithTimeout(time.Minute)); err != nil {
		t.Errorf("the largest value: %v", err)
	}
	if v, err := c.Get(ctx, "k", WithTimeout(time.Minute)); err != nil || len(v) != 16<<20 {
		t.Errorf("the largest value: %d bytes, %v", len(v), err)
	}
}

// patient has a client wait for what a nudge brings, however busy the machine.
var patient Option = func(o *options) { o.nudge = time.Minute }

func TestWhatIsNotANodeIsNamed(t *testing.T) {
	for say, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n\r\n": "HTTP",
		"-ERR unknown command\r\n":         "Redis",
		"SSH-2.0-OpenSSH_9.9\r\n":          "SSH",
		"\x15\x03\x01\x00\x02\x02\x16":     "TLS",
		"220 mail.example.com ESMTP\r\n":   `"220 mail`,
		"":                                 "without a word",
	} {
		for _, talkative := range []bool{true, false} { // at once, or when a line has ended
			listen, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var server sync.WaitGroup
			server.Go(func() {
				nc, err := listen.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				for buf := make([]byte, 512); !talkative; {
					n, err := nc.Read(buf)
					if err != nil || buf[n-1] == '\n' {
						break
					}
				}
				nc.Write([]byte(say))
			})
			_, err = Dial(t.Context(), []string{listen.Addr().String()}, WithDialTimeout(20*time.Millisecond), patient)
			var connect *ConnectError
			if !errors.As(err, &connect) || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v", say, err)
			}
			listen.Close()
			server.Wait()
		}
	}
}

func TestDialThatRunsOutOfTimeNamesTheAddress(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, err = Dial(ctx, []string{silent.Addr().String()})
	var connect *ConnectError
	if !errors.As(err, &connect) || connect.Addr != silent.Addr().String() || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestANodeThatCannotBeUsedIsRefusedWithTheReason(t *testing.T) {
	for want, hello := range map[string]wire.Hello{
		"version 9":             {Version: 9, Role: wire.RoleNode},
		"the node is leaving":   {Version: wire.ProtocolVersion, Role: wire.RoleNode, Error: "the node is leaving"},
		"says that it is not a": {Version: wire.ProtocolVersion, Role: wire.RoleClient},
	} {
		f := newFake(t)
		f.hello = hello
		if _, err := Dial(t.Context(), []string{f.addr}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	a, b := newFake(t), newFake(t)
	b.hello.ClusterID = 8
	c := dial(t, nil, a, b)
	a.close()
	_, err := c.Get(t.Context(), "k")
	if err == nil || !strings.Contains(err.Error(), "another cluster") {
		t.Errorf("a node of another cluster: %v", err)
	}
	if _, err := Dial(t.Context(), nil); err == nil {
		t.Error("dialled nothing")
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	f := newFake(t)
	arrived := make(chan struct{})
	f.answer = func(*wire.Request, func(*wire.Response)) { close(arrived) }
	c := dial(t, nil, f)
	result := make(chan error)
	go func() { result <- c.Set(context.Background(), "k", nil) }()
	<-arrived
	c.Close()
	if err := <-result; !errors.Is(err, ErrClosed) || !Indeterminate(err) {
		t.Errorf("a call that Close broke off: %v", err)
	}
	if err := c.Ping(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("a call after Close: %v", err)
	}
	c.Close()
}

func TestAnAnswerThatNobodyAskedForEndsTheConnection(t *testing.T) {
	f := newFake(t)
	f.answer = func(q *wire.Request, _ func(*wire.Response)) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.conns[0].Write(wire.AppendResponse(nil, &wire.Response{ID: q.ID + 1}))
	}
	c := dial(t, nil, f)
	var lost *InterruptedError
	if err := c.Set(t.Context(), "k", nil); !errors.As(err, &lost) {
		t.Errorf("got %v", err)
	}
}
