package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/shoalcache/shoal/wire"
)

type spanKey struct{}

// tracer notes what hooks are called with, each with the span around it.
type tracer struct {
	mu    sync.Mutex
	lines []string
}

func (r *tracer) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *tracer) hooks() Hooks {
	return Hooks{
		Dial: func(_ context.Context, addr string) func(error) {
			return func(err error) { r.note("dial %t", err == nil) }
		},
		Call: func(ctx context.Context, op wire.Op, key []byte) (context.Context, func(CallEnd)) {
			name := fmt.Sprintf("%v %s in %v", op, bytes.Clone(key), ctx.Value(spanKey{}))
			return context.WithValue(ctx, spanKey{}, op), func(e CallEnd) {
				r.note("%s: %d attempts, addr %t, err %t", name, e.Attempts, e.Addr != "", e.Err != nil)
			}
		},
		Batch: func(ctx context.Context, name string, n int) (context.Context, func(error)) {
			return context.WithValue(ctx, spanKey{}, name), func(err error) { r.note("%s of %d, err %t", name, n, err != nil) }
		},
	}
}

func TestHooksSeeDialsCallsAndBatches(t *testing.T) {
	f := newFake(t)
	var r tracer
	c := dial(t, []Option{WithHooks(r.hooks())}, f)
	ctx := t.Context()
	if err := c.Set(ctx, "k", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(ctx, "nothing"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := c.MGet(ctx, []string{"k", "nothing"}); err != nil {
		t.Fatal(err)
	}
	if err := c.MSet(ctx, []Pair{{Key: "a"}}); err != nil {
		t.Fatal(err)
	}
	var b Batch
	b.Get("a")
	if _, err := c.Do(ctx, &b); err != nil {
		t.Fatal(err)
	}
	f.answer = func(q *wire.Request, reply func(*wire.Response)) {
		reply(&wire.Response{Status: wire.StatusNotReady, Err: &wire.Error{Op: q.Op}})
	}
	if err := c.Delete(ctx, "k"); err == nil {
		t.Fatal("it was deleted")
	}
	want := []string{
		"dial true",
		"set k in <nil>: 1 attempts, addr true, err false",
		"get nothing in <nil>: 1 attempts, addr true, err false",
		"mget  in MGet: 1 attempts, addr true, err false", "MGet of 2, err false",
		"set a in MSet: 1 attempts, addr true, err false", "MSet of 1, err false",
		"get a in Do: 1 attempts, addr true, err false", "Do of 1, err false",
		"delete k in <nil>: 4 attempts, addr true, err true",
	}
	if !slices.Equal(r.lines, want) {
		t.Errorf("got\n%s", strings.Join(r.lines, "\n"))
	}
}

func TestHooksMayReturnNothing(t *testing.T) {
	f := newFake(t)
	c := dial(t, []Option{WithHooks(Hooks{
		Dial:  func(context.Context, string) func(error) { return nil },
		Call:  func(context.Context, wire.Op, []byte) (context.Context, func(CallEnd)) { return nil, nil },
		Batch: func(context.Context, string, int) (context.Context, func(error)) { return nil, nil },
	})}, f)
	if err := c.MSet(t.Context(), []Pair{{Key: "k"}}); err != nil {
		t.Error(err)
	}
}

func TestAClientLogsWhatComesAndGoesIfItIsGivenALog(t *testing.T) {
	fakes := cluster(t, 2)
	var mu sync.Mutex
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(writer(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return text.Write(b)
	}), &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := routed(t, []Option{WithLogger(log)}, fakes...)
	settled(t, c, 2)
	fakes[1].close()
	for _, want := range []string{"connected", "the cluster map changed", "lost the connection", "cannot connect"} {
		eventually(t, want, func() bool {
			_, _ = c.Exists(t.Context(), keyOf(t, fakes, 1))
			mu.Lock()
			defer mu.Unlock()
			return strings.Contains(text.String(), want)
		})
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
