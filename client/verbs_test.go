package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// inProcess is a Doer on a fake's store.
type inProcess struct{ fake *fake }

func (d inProcess) Do(_ context.Context, q *wire.Request) (r wire.Response, err error) {
	d.fake.store(q, func(p *wire.Response) { r = *p })
	return r, nil
}

// onBoth runs a test of KV over the network and in process.
func onBoth(t *testing.T, test func(t *testing.T, kv KV)) {
	t.Run("client", func(t *testing.T) { test(t, dial(t, nil, newFake(t))) })
	t.Run("embedded", func(t *testing.T) { test(t, Embedded(inProcess{newFake(t)})) })
}

func TestHeadAndExistsTellOfAKeyWithoutItsValue(t *testing.T) {
	onBoth(t, func(t *testing.T, kv KV) {
		ctx := t.Context()
		if _, err := kv.Head(ctx, "k"); !errors.Is(err, ErrNotFound) {
			t.Errorf("head of nothing: %v", err)
		}
		if is, err := kv.Exists(ctx, "k"); is || err != nil {
			t.Errorf("exists of nothing: %t, %v", is, err)
		}
		if err := kv.Set(ctx, "k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		if item, err := kv.Head(ctx, "k"); err != nil || item.Stamp != 1 || item.Value != nil {
			t.Errorf("head: %+v, %v", item, err)
		}
		if is, err := kv.Exists(ctx, "k"); !is || err != nil {
			t.Errorf("exists: %t, %v", is, err)
		}
	})
}

func TestABatchAnswersInTheOrderOfItsOperations(t *testing.T) {
	onBoth(t, func(t *testing.T, kv KV) {
		var pairs []Pair
		for i := range 500 {
			pairs = append(pairs, Pair{Key: fmt.Sprint("k", i), Value: []byte(fmt.Sprint("v", i))})
		}
		if err := kv.MSet(t.Context(), pairs, WithTTL(time.Minute)); err != nil {
			t.Fatal(err)
		}
		var b Batch
		for i := range 500 {
			b.Get(fmt.Sprint("k", i))
			b.Get("nothing")
		}
		b.Set("set", []byte("x"), WithLevel(LevelAll))
		b.Touch("k1", time.Second)
		b.Head("k2")
		b.Delete("k3")
		if b.Len() != 1004 {
			t.Errorf("%d operations", b.Len())
		}
		results, err := kv.Do(t.Context(), &b)
		if err != nil || len(results) != b.Len() {
			t.Fatalf("%d results, %v", len(results), err)
		}
		for i := range 500 {
			if r := results[2*i]; r.Err != nil || string(r.Value) != fmt.Sprint("v", i) {
				t.Fatalf("operation %d: %q, %v", 2*i, r.Value, r.Err)
			}
			if r := results[2*i+1]; !errors.Is(r.Err, ErrNotFound) {
				t.Fatalf("operation %d: %v", 2*i+1, r.Err)
			}
		}
		for i, r := range results[1000:] {
			if r.Err != nil {
				t.Errorf("operation %d: %v", 1000+i, r.Err)
			}
		}
		b.Reset()
		if results, err := kv.Do(t.Context(), &b); results != nil || err != nil {
			t.Errorf("an empty batch: %v, %v", results, err)
		}
	})
}

func TestManyWritesTellWhichOfThemFailed(t *testing.T) {
	f := newFake(t)
	f.answer = func(q *wire.Request, reply func(*wire.Response)) {
		if bytes.HasPrefix(q.Key, []byte("bad")) {
			reply(&wire.Response{Status: wire.StatusQuorum, Err: &wire.Error{Op: q.Op, Want: 2, Got: 1}})
			return
		}
		f.store(q, reply)
	}
	c := dial(t, nil, f)
	err := c.MSet(t.Context(), []Pair{{Key: "a"}, {Key: "bad1"}, {Key: "b"}, {Key: "bad2"}})
	var many *MultiError
	var quorum *QuorumError
	if !errors.As(err, &many) || !errors.As(err, &quorum) || !Indeterminate(err) || !strings.Contains(err.Error(), "2 of 4") {
		t.Fatal(err)
	}
	for i, err := range many.Errs {
		if (err != nil) != (i%2 == 1) {
			t.Errorf("pair %d: %v", i, err)
		}
	}
	var b Batch
	b.Set("bad", nil)
	b.Get("nothing")
	if results, err := c.Do(t.Context(), &b); err != nil || !errors.As(results[0].Err, &quorum) {
		t.Errorf("a batch of which a part failed: %+v, %v", results, err)
	}
	b.Reset()
	b.Set("bad", nil)
	if _, err := c.Do(t.Context(), &b); !errors.As(err, &quorum) {
		t.Errorf("a batch of which all failed: %v", err)
	}
}

func TestWhatIsWrongWithOneOfManyIsRefusedBeforeAnyIsSent(t *testing.T) {
	f := newFake(t)
	c := dial(t, nil, f)
	var large *TooLargeError
	var bad *BadRequestError
	long := strings.Repeat("k", 64<<10+1)
	if err := c.MSet(t.Context(), []Pair{{Key: "k"}, {Key: long}}); !errors.As(err, &large) {
		t.Errorf("a long key: %v", err)
	}
	if err := c.MSet(t.Context(), make([]Pair, 10_001)); !errors.As(err, &large) {
		t.Errorf("many pairs: %v", err)
	}
	var b Batch
	b.Set("k", nil)
	b.Touch("k", -1)
	if _, err := c.Do(t.Context(), &b); !errors.As(err, &bad) || !strings.Contains(err.Error(), "operation 1") {
		t.Errorf("a bad operation: %v", err)
	}
	if slices.Contains(f.ops(), wire.OpSet) {
		t.Errorf("sent: %v", f.ops())
	}
}

func TestAScanTellsEveryKeyAndStopsWhenItsReaderDoes(t *testing.T) {
	onBoth(t, func(t *testing.T, kv KV) {
		var want []string
		for i := range 20 {
			key := fmt.Sprintf("user:%02d", i)
			want = append(want, key)
			for _, key := range []string{key, fmt.Sprint("other:", i)} {
				if err := kv.Set(t.Context(), key, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		var got []string
		for key, err := range kv.Scan(t.Context(), WithPrefix("user:")) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, key)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		for range kv.Scan(t.Context()) {
			break
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		for _, err := range kv.Scan(ctx) {
			if cancel(); err == nil {
				n++
			} else if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		if n != scanPage {
			t.Errorf("%d keys came after the context had ended, one page has %d", n, scanPage)
		}
	})
}

func TestAScanGoesOnWhereAnotherStopped(t *testing.T) {
	f := newFake(t)
	c := dial(t, nil, f)
	for i := range 10 {
		if err := c.Set(t.Context(), fmt.Sprint("k", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	cursor := ""
	var got []string
	for pages := 0; pages == 0 || cursor != ""; pages++ {
		for page, err := range c.ScanPages(t.Context(), cursor) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page.Keys...)
			cursor = page.Next
			break
		}
	}
	if len(got) != 10 {
		t.Errorf("got %q", got)
	}
	f.answer = func(q *wire.Request, reply func(*wire.Response)) { reply(&wire.Response{Value: q.Key}) }
	var internal *InternalError
	for page, err := range c.ScanPages(t.Context(), "here") {
		if !errors.As(err, &internal) || page.Next != "here" {
			t.Fatalf("a cursor that does not move on: %+v, %v", page, err)
		}
	}
}

// stuck is a Doer that answers only when its context ends; began says that it was asked.
type stuck struct{ began chan struct{} }

func (d stuck) Do(ctx context.Context, _ *wire.Request) (wire.Response, error) {
	d.began <- struct{}{}
	<-ctx.Done()
	return wire.Response{}, ctx.Err()
}

func TestTheTimeOfACallOfManyPartsIsThatOfOne(t *testing.T) {
	pairs := make([]Pair, 4*workers)
	f := newFake(t)
	f.answer = func(*wire.Request, func(*wire.Response)) {}
	hooked := WithHooks(Hooks{Call: func(ctx context.Context, _ wire.Op, _ []byte) (context.Context, func(CallEnd)) { return ctx, nil }})
	for name, kv := range map[string]KV{
		"embedded":          Embedded(stuck{make(chan struct{}, len(pairs))}),
		"with a call hook":  dial(t, []Option{steady, hooked}, f),
		"a full connection": dial(t, []Option{steady, WithInFlight(4)}, f),
	} {
		err := kv.MSet(t.Context(), pairs, WithTimeout(20*time.Millisecond))
		var many *MultiError
		if !errors.As(err, &many) {
			t.Fatalf("%s: %v", name, err)
		}
		begun := 0
		for i, err := range many.Errs {
			var timeout *TimeoutError
			if !errors.As(err, &timeout) {
				t.Fatalf("%s: pair %d: %v", name, i, err)
			}
			if timeout.Indeterminate || strings.Contains(timeout.Text, f.addr) {
				begun++
			}
		}
		if begun > workers { // whose turn comes when the time of the first is over fails at once
			t.Errorf("%s: %d of %d were begun", name, begun, len(pairs))
		}
	}
}

// failing is a Doer that answers with one failure.
type failing struct{ err error }

func (d failing) Do(context.Context, *wire.Request) (wire.Response, error) {
	return wire.Response{}, d.err
}

func TestAnEmbeddedNodesFailuresAreThoseOfTheNetwork(t *testing.T) {
	began := make(chan struct{}, 3)
	kv := Embedded(stuck{began})
	var timeout *TimeoutError
	if err := kv.Set(t.Context(), "k", nil, WithTimeout(time.Millisecond)); !errors.As(err, &timeout) || !timeout.Indeterminate {
		t.Errorf("a set that nobody answers: %v", err)
	}
	if _, err := kv.Get(t.Context(), "k", WithTimeout(time.Millisecond)); !errors.As(err, &timeout) || timeout.Indeterminate {
		t.Errorf("a get that nobody answers: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var set sync.WaitGroup
	set.Go(func() {
		var interrupted *InterruptedError
		if err := kv.Set(ctx, "k", nil); !errors.As(err, &interrupted) || !interrupted.Indeterminate || !errors.Is(err, context.Canceled) {
			t.Errorf("a set whose context ended: %v", err)
		}
	})
	for range 3 {
		<-began
	}
	cancel()
	set.Wait()
	if err := kv.Set(ctx, "k", nil); !errors.Is(err, context.Canceled) || Indeterminate(err) {
		t.Errorf("a set whose context was over: %v", err)
	}
	closed := errors.New("the node has stopped")
	if err := Embedded(failing{closed}).Set(t.Context(), "k", nil); !errors.Is(err, closed) {
		t.Errorf("a node that is gone: %v", err)
	}
}

// queue is a node that a call waits for in vain: nothing of it is ever begun.
type queue struct{}

func (queue) Do(ctx context.Context, q *wire.Request) (wire.Response, error) {
	<-ctx.Done()
	return wire.Response{}, &InterruptedError{Op: q.Op, Addr: "here", Err: ctx.Err()}
}

func TestAnEmbeddedNodeIsBelievedThatNothingWasDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := Embedded(queue{})
		if err := kv.Set(t.Context(), "k", nil, WithTimeout(time.Second)); err == nil || Indeterminate(err) {
			t.Errorf("its time was up: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := kv.Set(ctx, "k", nil, WithTimeout(time.Minute)); err == nil || Indeterminate(err) {
			t.Errorf("its context ended: %v", err)
		}
	})
}
