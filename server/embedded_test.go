package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
)

// waiting is how many of the program's requests have no answer yet.
func (e *embedded) waiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.seats)
}

// I18
func TestEmbeddedCallsEndWithTheirContextAndLateAnswersFindNobody(t *testing.T) {
	nodes := cluster(t, 3)
	n := nodes[2]
	kv := n.Client()
	for i := range 20 {
		if err := kv.Set(t.Context(), fmt.Sprint("k", i), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	thaw1, thaw2 := nodes[0].freeze(), nodes[1].freeze()
	ctx, cancel := context.WithCancel(t.Context())
	errs := make([]error, 20)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			switch i % 3 {
			case 0:
				errs[i] = kv.Set(ctx, fmt.Sprint("k", i), fmt.Append(nil, i))
			case 1:
				_, errs[i] = kv.Get(ctx, fmt.Sprint("k", i))
			default:
				_, errs[i] = kv.MGet(ctx, []string{"k1", "k2", "k3"})
			}
		})
	}
	eventually(t, "all of them wait for the others", func() bool { return n.inside.waiting() == 7+7+6*3 })
	cancel()
	wg.Wait()
	for i, err := range errs {
		if !errors.Is(err, context.Canceled) || client.Indeterminate(err) != (i%3 == 0) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if left := n.inside.waiting(); left != 0 {
		t.Errorf("%d places are kept for nobody", left)
	}
	thaw1()
	thaw2()
	for i := range 20 { // while the late answers come
		if got, err := kv.Get(t.Context(), fmt.Sprint("k", i)); err != nil || string(got) != fmt.Sprint(i) {
			t.Fatalf("k%d: %q, %v", i, got, err)
		}
	}
}

func TestEmbeddedCallsUnderWayAreBounded(t *testing.T) {
	nodes := cluster(t, 3)
	n := nodes[2]
	n.inside.room = make(chan struct{}, 2)
	kv := n.Client()
	thaw1, thaw2 := nodes[0].freeze(), nodes[1].freeze()
	defer thaw1()
	defer thaw2()
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		wg.Go(func() { errs[i] = kv.Set(t.Context(), "k", nil) })
	}
	eventually(t, "two are under way", func() bool { return n.inside.waiting() == 2 })
	ended, end := context.WithCancel(t.Context())
	third := make(chan error)
	go func() { third <- kv.Set(ended, "k", nil) }()
	select {
	case err := <-third:
		t.Fatalf("a third was not kept waiting: %v", err)
	default:
	}
	end()
	if err := <-third; !errors.Is(err, context.Canceled) || n.inside.waiting() != 2 {
		t.Fatalf("%v, %d under way", err, n.inside.waiting())
	}
	thaw1()
	thaw2()
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// What never left is no write that may have happened.
func TestAWriteWhoseTimeEndsWhileItWaitsForItsTurnIsNotInDoubt(t *testing.T) {
	e := newEmbedded(start(t, Quick(testConfig(t, "n1"))))
	e.room = make(chan struct{}) // no call's turn ever comes
	ended, end := context.WithCancel(t.Context())
	end()
	_, err := e.Do(ended, &wire.Request{Op: wire.OpSet, Key: []byte("k")})
	var interrupted *client.InterruptedError
	if !errors.As(err, &interrupted) || !errors.Is(err, context.Canceled) || client.Indeterminate(err) {
		t.Errorf("%v", err)
	}
}

func TestANodeThatStopsEndsTheProgramsCalls(t *testing.T) {
	nodes := cluster(t, 3)
	n := nodes[2]
	kv := n.Client()
	defer nodes[0].freeze()()
	defer nodes[1].freeze()()
	var wg sync.WaitGroup
	var set, get, mget error
	wg.Go(func() { set = kv.Set(t.Context(), "k", []byte("v")) })
	wg.Go(func() { _, get = kv.Get(t.Context(), "k") })
	wg.Go(func() { _, mget = kv.MGet(t.Context(), []string{"k", "l"}) })
	eventually(t, "all of them wait for the others", func() bool { return n.inside.waiting() == 4 })
	n.kill()
	wg.Wait()
	for op, err := range map[wire.Op]error{wire.OpSet: set, wire.OpGet: get, wire.OpMGet: mget} {
		var interrupted *client.InterruptedError
		if !errors.As(err, &interrupted) || !errors.Is(err, ErrStopped) || interrupted.Op != op || interrupted.Indeterminate != op.Writes() {
			t.Errorf("%v: %v", op, err)
		}
	}
	for _, kv := range []client.KV{kv, n.Client()} {
		var refused *client.NotReadyError
		if err := kv.Set(t.Context(), "k", nil); !errors.As(err, &refused) {
			t.Errorf("after its end: %v", err)
		}
	}
}

func TestAProgramGetsItsPlaceWhenThereIsOneAgain(t *testing.T) {
	n := cluster(t, 1)[0]
	n.callersMu.Lock()
	for len(n.callers) < n.clientsMax {
		n.lastCaller++
		n.callers[n.lastCaller] = n.inside
	}
	full := n.lastCaller
	n.callersMu.Unlock()
	var refused *client.OverloadedError
	if _, err := n.Client().Get(t.Context(), "k"); !errors.As(err, &refused) {
		t.Fatal(err)
	}
	n.forget(full)
	if _, err := n.Client().Get(t.Context(), "k"); !errors.Is(err, client.ErrNotFound) {
		t.Fatal(err)
	}
}

func TestAnEmbeddedNodesOwnLimitsHold(t *testing.T) {
	n := cluster(t, 1, func(c *Config) { c.Limits = wire.Limits{Frame: 1 << 20, Key: 100, Value: 1000, Actors: 64, Keys: 10} })[0]
	kv := n.Client()
	var refused *client.TooLargeError
	if err := kv.Set(t.Context(), "k", make([]byte, 1001)); !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if _, err := kv.MGet(t.Context(), make([]string, 11)); !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if err := kv.Set(t.Context(), "k", make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	// What comes past the program's own checks is refused by the node.
	for _, q := range []wire.Request{{Op: wire.OpSet, Key: make([]byte, 101)}, {Op: wire.OpMGet, Keys: [][]byte{{1}, make([]byte, 101)}}} {
		if r, err := n.inside.Do(t.Context(), &q); err != nil || r.Status != wire.StatusTooLarge && (len(r.Items) != 2 || r.Items[0].Status != wire.StatusTooLarge) {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	n = cluster(t, 1, func(c *Config) {
		c.Memory, c.Limits = 256<<20, wire.Limits{Frame: 24 << 20, Key: 100, Value: 20 << 20, Actors: 64, Keys: 10}
	})[0]
	large := make([]byte, 16<<20+1)
	if err := n.Client().Set(t.Context(), "k", large); err != nil {
		t.Fatal(err)
	}
	if got, err := n.Client().Get(t.Context(), "k"); err != nil || len(got) != len(large) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

func TestAnswersOfOneBatchShareNoMemory(t *testing.T) {
	e := newEmbedded(nil)
	calls := make([]*embeddedCall, 3)
	var frames []byte
	response := func(i int) wire.Response {
		return wire.Response{
			Status: wire.StatusQuorum, ID: uint64(i + 1), Value: fmt.Append(nil, "value", i), Items: []wire.Item{{Value: fmt.Append(nil, "item", i)}},
			Err: &wire.Error{Op: wire.OpScan, Text: fmt.Sprint("text", i)},
		}
	}
	for i := range calls {
		calls[i] = &embeddedCall{done: make(chan struct{}, 1)}
		e.sit(calls[i], 1)
		r := response(i)
		frames = wire.AppendResponse(frames, &r)
	}
	e.answer(frames, len(calls))
	clear(frames)
	for i, k := range calls {
		<-k.done
		if want := response(i); !reflect.DeepEqual(k.response, want) {
			t.Errorf("call %d got %+v, wanted %+v", i, k.response, want)
		}
	}
}

func TestAnswersThatCannotBeReadAreAnErrorAndNoPanic(t *testing.T) {
	n := cluster(t, 1)[0]
	e := n.inside
	k := &embeddedCall{done: make(chan struct{}, 1)}
	id, _ := e.sit(k, 1)
	good := wire.AppendResponse(nil, &wire.Response{ID: id, Value: []byte("v")})
	e.answer(nil, 0)
	e.answer([]byte{0, 0, 0, 0}, 1)
	e.answer(good[:7], 1)
	e.answer(bytes.Replace(good, []byte("v"), nil, 1), 1)
	bad := bytes.Clone(good)
	bad[len(bad)-1] = 0xc1 // where the error stands
	e.answer(bad, 1)
	<-k.done
	if k.response.Status != wire.StatusInternal {
		t.Fatalf("%+v", k.response)
	}
	e.answer(good, 1) // nobody waits for it any more
}

func TestShutdownLetsTheProgramsCallsFinishAndRefusesNewOnes(t *testing.T) {
	nodes := cluster(t, 3)
	n := nodes[2]
	kv := n.Client()
	thaw1, thaw2 := nodes[0].freeze(), nodes[1].freeze()
	defer thaw1()
	defer thaw2()
	set, stopped := make(chan error, 1), make(chan error, 1)
	go func() { set <- kv.Set(t.Context(), "k", []byte("v")) }()
	eventually(t, "a write is under way", func() bool { return n.busy() == 1 })
	go func() { stopped <- n.Shutdown(context.Background()) }()
	eventually(t, "a new call is refused", func() bool {
		_, err := kv.Get(t.Context(), "k", atOne)
		_, refused := errors.AsType[*client.NotReadyError](err)
		return refused
	})
	thaw1()
	thaw2()
	for what, c := range map[string]chan error{"the write": set, "the end": stopped} {
		if err := <-c; err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// embeddedCalls are a set and a get of a hundred bytes at a node that is alone.
func embeddedCalls(tb testing.TB) (set, get func() error) {
	n, err := Start(tb.Context(), Quick(Config{
		Name: "n1", ClientAddr: "127.0.0.1:0", PeerAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0", DataDir: tb.TempDir(), Memory: 64 << 20,
	}))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(n.kill)
	kv, ctx, value := n.Client(), tb.Context(), make([]byte, 100)
	set = func() error { return kv.Set(ctx, "key", value) }
	get = func() error { _, err := kv.Get(ctx, "key"); return err }
	return set, get
}

func TestAnEmbeddedCallAllocatesLittle(t *testing.T) {
	if testing.Short() {
		t.Skip("under the race detector, which runs what is short, pools forget")
	}
	set, get := embeddedCalls(t)
	if err := set(); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{"set": set, "get": get} {
		const most = 9 // 7 and 8, four of them for the timeout, and what the node does beside it
		if n := testing.AllocsPerRun(2000, func() { _ = call() }); n > most {
			t.Errorf("a %s allocates %v times", name, n)
		}
	}
}

func BenchmarkEmbeddedSet(b *testing.B) {
	set, _ := embeddedCalls(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := set(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEmbeddedGet(b *testing.B) {
	set, get := embeddedCalls(b)
	if err := set(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := get(); err != nil {
			b.Fatal(err)
		}
	}
}
