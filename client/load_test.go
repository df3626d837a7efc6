package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// source is what a Loader loads from: it counts, and waits while it is held.
type source struct {
	loads atomic.Int32
	hold  chan struct{}
	value string
	err   error
}

func (s *source) load(ctx context.Context) ([]byte, error) {
	s.loads.Add(1)
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return []byte(s.value), s.err
}

func newBytes(kv KV, opts ...LoadOption) *Loader[[]byte] {
	return NewLoader(NewTyped[[]byte](kv, WithCodec(Raw)), opts...)
}

// result is what one caller got.
type result struct {
	value string
	err   error
}

// callAll lets n callers ask at the same time; each writes over the value it gets.
func callAll(n int, get func(i int) ([]byte, error)) func() []result {
	results := make([]result, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			b, err := get(i)
			results[i] = result{string(b), err}
			for j := range b {
				b[j] = 'x'
			}
		})
	}
	return func() []result { wg.Wait(); return results }
}

func wantAll(t *testing.T, results []result, value string) {
	t.Helper()
	for i, r := range results {
		if r.value != value || r.err != nil {
			t.Fatalf("caller %d got %q, %v", i, r.value, r.err)
		}
	}
}

func wantOne(t *testing.T, l *Loader[[]byte], s *source, value string, loads int32) {
	t.Helper()
	got, err := l.GetOrLoad(t.Context(), "k", s.load)
	if err != nil || string(got) != value || s.loads.Load() != loads {
		t.Fatalf("%q, %v after %d loads; wanted %q after %d", got, err, s.loads.Load(), value, loads)
	}
}

func TestCallersOfOneKeyShareALoadAndEachGetsAValueOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &source{value: "v", hold: make(chan struct{})}
		l := newBytes(m)
		defer l.Close()
		wait := callAll(100, func(int) ([]byte, error) { return l.GetOrLoad(t.Context(), "k", s.load) })
		synctest.Wait()
		close(s.hold)
		wantAll(t, wait(), "v")
		wantOne(t, l, s, "v", 1)
		if c := l.Counters(); c.Loads != 1 || c.Shared != 99 || c.Hits != 1 || c.Failed != 0 {
			t.Fatalf("%+v", c)
		}
	})
}

func TestTypedValuesAreLoadedKeptAndRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		users := NewTyped[user](m, WithType("user", 2))
		l := NewLoader(users)
		defer l.Close()
		_ = NewTyped[user](m, WithType("user", 1)).Set(t.Context(), "k", user{Name: "of another version"})
		for range 3 {
			got, err := l.GetOrLoad(t.Context(), "k", func(context.Context) (user, error) { return ada, nil })
			if err != nil || !sameUser(got, ada) {
				t.Fatal(got, err)
			}
			synctest.Wait()
			if got, err := users.Get(t.Context(), "k"); err != nil || !sameUser(got, ada) {
				t.Fatal(got, err)
			}
		}
		if c := l.Counters(); c.Loads != 1 || c.Hits != 2 {
			t.Fatalf("%+v", c)
		}
		refused := NewLoader(NewTyped[chan int](newMemory()))
		defer refused.Close()
		var failed *CodecError
		if _, err := refused.GetOrLoad(t.Context(), "k", func(context.Context) (chan int, error) { return make(chan int), nil }); !errors.As(err, &failed) {
			t.Fatal(err)
		}
	})
}

func TestACallerWhoseContextEndsLeavesAndTheLoadGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &source{value: "v", hold: make(chan struct{})}
		l := newBytes(m)
		defer l.Close()
		first, leave := context.WithCancel(t.Context())
		waitFirst := callAll(1, func(int) ([]byte, error) { return l.GetOrLoad(first, "k", s.load) })
		synctest.Wait()
		waitOthers := callAll(5, func(int) ([]byte, error) { return l.GetOrLoad(t.Context(), "k", s.load) })
		synctest.Wait()
		leave()
		var failed *LoadError
		if err := waitFirst()[0].err; !errors.As(err, &failed) || failed.Key != "k" || !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		close(s.hold)
		wantAll(t, waitOthers(), "v")
		wantOne(t, l, s, "v", 1)
	})
}

func TestALoadThatEveryoneLeftIsKeptForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &source{value: "v", hold: make(chan struct{})}
		l := newBytes(m)
		defer l.Close()
		short, end := context.WithTimeout(t.Context(), time.Millisecond)
		defer end()
		if _, err := l.GetOrLoad(short, "k", s.load); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		close(s.hold)
		synctest.Wait()
		wantOne(t, l, s, "v", 1)
	})
}

func TestALoadThatPanicsOrEndsItsGoroutineIsAnErrorForAllAndNoHang(t *testing.T) {
	for name, end := range map[string]func(){
		"panic": func() { panic("no source") }, "panic with an error": func() { panic(errors.New("no source")) },
		"panic with nil": func() { panic(nil) }, "ends its goroutine": runtime.Goexit,
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newBytes(newMemory(), WithLoads(1))
			defer l.Close()
			hold := make(chan struct{})
			wait := callAll(10, func(int) ([]byte, error) {
				return l.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) {
					<-hold
					end()
					return nil, nil
				})
			})
			synctest.Wait()
			close(hold)
			for _, r := range wait() {
				var failed *LoadError
				var panicked *PanicError
				if !errors.As(r.err, &failed) || !errors.As(r.err, &panicked) || panicked.Error() == "" {
					t.Fatalf("%s: %v", name, r.err)
				}
				if name == "panic" && (panicked.Value != "no source" || !strings.Contains(string(panicked.Stack), "load_test.go")) {
					t.Fatalf("%v at %s", panicked.Value, panicked.Stack)
				}
			}
			wantOne(t, l, &source{value: "v"}, "v", 1) // its turn is free
			if c := l.Counters(); c.Loads != 2 || c.Failed != 1 {
				t.Fatalf("%s: %+v", name, c)
			}
		})
	}
}

func TestALoadThatFailsIsAnErrorForAllAndIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &source{err: errors.New("no source")}
		l := newBytes(m)
		defer l.Close()
		for i := range int32(3) {
			if _, err := l.GetOrLoad(t.Context(), "k", s.load); !errors.Is(err, s.err) || s.loads.Load() != i+1 {
				t.Fatal(err, s.loads.Load())
			}
			synctest.Wait()
		}
		if len(m.items) > 0 || l.Counters().Failed != 3 {
			t.Fatalf("%v, %+v", m.items, l.Counters())
		}
	})
}

func TestThatThereIsNoneIsRememberedForAShortTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &source{err: fmt.Errorf("no row: %w", ErrNotFound)}
		l := newBytes(m, WithMissTTL(10*time.Second), WithJitter(0))
		defer l.Close()
		ask := func(loads int32) {
			t.Helper()
			if v, err := l.GetOrLoad(t.Context(), "k", s.load); !errors.Is(err, ErrNotFound) || v != nil || s.loads.Load() != loads {
				t.Fatalf("%q, %v after %d loads", v, err, s.loads.Load())
			}
			synctest.Wait()
		}
		ask(1)
		ask(1)
		if _, err := l.typed.Get(t.Context(), "k"); !errors.Is(err, ErrNotFound) {
			t.Fatalf("read as a value: %v", err)
		}
		time.Sleep(10*time.Second - 1)
		ask(1)
		time.Sleep(time.Nanosecond)
		s.value, s.err = "v", nil
		wantOne(t, l, s, "v", 2)
		if c := l.Counters(); c.Absent != 2 || c.Failed != 0 || c.CacheErrors != 0 {
			t.Fatalf("%+v", c)
		}
	})
}

func TestWithoutAMissTTLNothingIsRememberedOfMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &source{err: ErrNotFound}
		l := newBytes(m, WithMissTTL(0))
		defer l.Close()
		for i := range int32(3) {
			if _, err := l.GetOrLoad(t.Context(), "k", s.load); !errors.Is(err, ErrNotFound) || s.loads.Load() != i+1 {
				t.Fatal(err, s.loads.Load())
			}
			synctest.Wait()
		}
	})
}

func TestChanceTakesUpToTheJitterFromATTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &source{value: "v"}
		l := newBytes(m, WithJitter(0.5), WithLoadDefaults(WithTTL(time.Minute)))
		defer l.Close()
		left := func(opts ...CallOption) time.Duration {
			delete(m.items, "k")
			if _, err := l.GetOrLoad(t.Context(), "k", s.load, opts...); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return time.Until(m.items["k"].Deadline)
		}
		for chance, want := range map[float64]time.Duration{0: time.Minute, 0.5: 45 * time.Second, 1: 30 * time.Second} {
			l.random = func() float64 { return chance }
			if got := left(); got != want {
				t.Errorf("a TTL of %v where chance was %v", got, chance)
			}
		}
		l.random = func() float64 { return 1 }
		if got := left(WithTTL(time.Hour)); got != 30*time.Minute {
			t.Errorf("the call's own TTL became %v", got)
		}
		if got := l.spread(1); got != time.Millisecond {
			t.Errorf("the least TTL became %v", got)
		}
	})
}

func TestAValueThatComesToExpireIsLoadedAnewInTheBackgroundOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l := newBytes(m, WithJitter(0), WithLoadDefaults(WithTTL(time.Minute)))
		defer l.Close()
		l.random = func() float64 { return 1 - 1/math.E } // -ln of the rest is 1: a load's time before the end
		version := 0
		get := func() string {
			t.Helper()
			b, err := l.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) {
				time.Sleep(2 * time.Second)
				version++
				return []byte(fmt.Sprint("v", version)), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		get()
		synctest.Wait()
		began := time.Now()
		time.Sleep(58*time.Second - time.Millisecond)
		if got := get(); got != "v1" || l.Counters().Refreshes != 0 {
			t.Fatalf("%s, %+v", got, l.Counters())
		}
		time.Sleep(time.Millisecond)
		for range 10 {
			if got := get(); got != "v1" || time.Since(began) != 58*time.Second {
				t.Fatalf("it waited, or got %s", got)
			}
		}
		time.Sleep(2 * time.Second) // the first has expired: v2 was there before
		if got := get(); got != "v2" || l.Counters().Refreshes != 1 || l.Counters().Loads != 2 {
			t.Fatalf("%s, %+v", got, l.Counters())
		}
		l.o.early = 0
		time.Sleep(time.Minute - time.Millisecond)
		if get(); l.Counters().Refreshes != 1 {
			t.Fatalf("%+v", l.Counters())
		}
	})
}

// behind is a cache whose clock is a minute behind this one's.
type behind struct{ *memory }

func (m behind) GetItem(ctx context.Context, key string, opts ...CallOption) (Item, error) {
	it, err := m.memory.GetItem(ctx, key, opts...)
	it.Deadline = it.Deadline.Add(-time.Minute)
	return it, err
}

func TestAValueThatHasExpiredByThisClockAloneIsNotLoadedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{value: "v"}
		l := newBytes(behind{newMemory()}, WithLoadDefaults(WithTTL(30*time.Second)))
		defer l.Close()
		for range 10 {
			wantOne(t, l, s, "v", 1)
			synctest.Wait()
		}
	})
}

func TestWhatExpiresDuringItsRefreshIsNotLoadedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &source{value: "v"}
		l := newBytes(m, WithJitter(0), WithLoadDefaults(WithTTL(5*time.Second)))
		defer l.Close()
		wantOne(t, l, s, "v", 1)
		synctest.Wait()
		l.cost = time.Hour
		s.hold, s.value = make(chan struct{}), "w"
		for range 2 {
			if got, err := l.GetOrLoad(t.Context(), "k", s.load); string(got) != "v" || err != nil {
				t.Fatalf("%q, %v", got, err)
			}
			synctest.Wait()
		}
		time.Sleep(6 * time.Second)
		wait := callAll(3, func(int) ([]byte, error) { return l.GetOrLoad(t.Context(), "k", s.load) })
		synctest.Wait()
		close(s.hold)
		wantAll(t, wait(), "w")
		if s.loads.Load() != 2 {
			t.Fatalf("%d loads", s.loads.Load())
		}
	})
}

func TestWithTheCacheDownCallersGetWhatIsLoadedAndOnlySoManyLoadsRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &source{value: "v", hold: make(chan struct{})}
		m.breakDown(&ConnectError{Addr: "a:1", Reason: "nobody there"})
		l := newBytes(m, WithLoads(7))
		defer l.Close()
		wait := callAll(100, func(i int) ([]byte, error) { return l.GetOrLoad(t.Context(), fmt.Sprint("k", i), s.load) })
		for range 13 {
			synctest.Wait()
			if n := s.loads.Load(); n%7 != 0 {
				t.Fatalf("%d loads at once", n)
			}
			for range 7 {
				s.hold <- struct{}{}
			}
		}
		synctest.Wait()
		if n := s.loads.Load(); n != 98 {
			t.Fatalf("%d loads after 13 times 7 were done", n)
		}
		close(s.hold)
		wantAll(t, wait(), "v")
		synctest.Wait() // the last writes come behind the answers
		if c := l.Counters(); c.Loads != 100 || c.CacheErrors != 200 || c.Failed != 0 {
			t.Fatalf("%+v", c)
		}
	})
}

// slow is a cache whose writes wait.
type slow struct {
	*memory
	hold chan struct{}
}

func (s slow) Set(ctx context.Context, key string, value []byte, opts ...CallOption) error {
	select {
	case <-s.hold:
		return s.memory.Set(ctx, key, value, opts...)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestASlowCacheDelaysNobodyAndWhatIsBeingWrittenIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := slow{newMemory(), make(chan struct{})}, &source{value: "v"}
		l := newBytes(m, WithLoads(1))
		defer l.Close()
		began := time.Now()
		for range 5 {
			wantOne(t, l, s, "v", 1)
		}
		got, err := l.GetOrLoad(t.Context(), "other", s.load) // there is no room for a second write
		if string(got) != "v" || err != nil || time.Since(began) > 0 {
			t.Fatalf("%q, %v after %v", got, err, time.Since(began))
		}
		synctest.Wait()
		close(m.hold)
		synctest.Wait()
		if c := l.Counters(); len(m.items) != 1 || c.Unwritten != 1 || c.Loads != 2 {
			t.Fatalf("%d items, %+v", len(m.items), c)
		}
	})
}

func TestWhatALoadReturnedIsItsOwnAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := slow{newMemory(), make(chan struct{})}
		l := newBytes(m)
		defer l.Close()
		buf := []byte("v")
		if _, err := l.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) { return buf, nil }); err != nil {
			t.Fatal(err)
		}
		buf[0] = 'x'
		close(m.hold)
		synctest.Wait()
		if got := string(m.items["k"].Value); got != "v" {
			t.Fatalf("%q is kept", got)
		}
	})
}

func TestALoadThatIgnoresItsContextHoldsUpNobodyForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l := newBytes(m, WithLoadTimeout(time.Second), WithLoads(2))
		hold := make(chan struct{})
		began := time.Now()
		wait := callAll(3, func(int) ([]byte, error) {
			return l.GetOrLoad(t.Context(), "k", func(context.Context) ([]byte, error) { <-hold; return []byte("late"), nil })
		})
		for _, r := range wait() {
			if !errors.Is(r.err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Fatalf("%v after %v", r.err, time.Since(began))
			}
		}
		s := &source{value: "v"}
		wantOne(t, l, s, "v", 1)
		synctest.Wait()
		close(hold)
		synctest.Wait()
		wantOne(t, l, s, "v", 1) // what came too late is dropped
		l.Close()
		if c := l.Counters(); c.Failed != 1 || c.Loads != 2 {
			t.Fatalf("%+v", c)
		}
	})
}

func TestALoadThatNobodyWaitsForAnyMoreDoesNotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newBytes(newMemory(), WithLoads(1))
		defer l.Close()
		busy, s := &source{value: "b", hold: make(chan struct{})}, &source{value: "v"}
		wait := callAll(1, func(int) ([]byte, error) { return l.GetOrLoad(t.Context(), "busy", busy.load) })
		synctest.Wait()
		short, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		if _, err := l.GetOrLoad(short, "k", s.load); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		l.mu.Lock()
		if len(l.flights) != 1 { // and from that moment on nobody can join it
			t.Fatalf("%d flights", len(l.flights))
		}
		l.mu.Unlock()
		close(busy.hold)
		wantAll(t, wait(), "b")
		synctest.Wait()
		if s.loads.Load() != 0 {
			t.Fatal("it was loaded for nobody")
		}
		if l.turn(&loadFlight{key: "k", settled: true}) || len(l.turns) > 0 { // a turn came when everyone was gone
			t.Fatal("it would have been loaded for nobody, or keeps its turn")
		}
		wantOne(t, l, s, "v", 1)
	})
}

// late is a cache whose answer to the first read takes its time.
type late struct {
	*memory
	hold chan struct{}
}

func (m late) GetItem(ctx context.Context, key string, opts ...CallOption) (Item, error) {
	it, err := m.memory.GetItem(ctx, key, opts...)
	if m.reads == 1 {
		<-m.hold
	}
	return it, err
}

func TestACallerWhoseMissIsOldDoesNotLoadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := late{newMemory(), make(chan struct{})}, &source{value: "v"}
		l := newBytes(m)
		defer l.Close()
		wait := callAll(1, func(int) ([]byte, error) { return l.GetOrLoad(t.Context(), "k", s.load) })
		synctest.Wait()
		wantOne(t, l, s, "v", 1)
		synctest.Wait()
		close(m.hold)
		wantAll(t, wait(), "v")
		if s.loads.Load() != 1 {
			t.Fatal("it was loaded twice")
		}
	})
}

func TestCloseEndsLoadsAndThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &source{value: "v", hold: make(chan struct{})}
		l := newBytes(m, WithLoads(1))
		wait := callAll(4, func(i int) ([]byte, error) { return l.GetOrLoad(t.Context(), fmt.Sprint("k", i/2), s.load) })
		synctest.Wait()
		began := time.Now()
		l.Close()
		l.Close()
		if time.Since(began) > 0 {
			t.Fatal("it waited for the loads to end by themselves")
		}
		for _, r := range wait() {
			if !errors.Is(r.err, ErrClosed) {
				t.Fatal(r.err)
			}
		}
		if _, err := l.GetOrLoad(t.Context(), "k", s.load); !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
		_ = m.Set(t.Context(), "there", []byte("v"), WithTTL(time.Nanosecond))
		if v, err := l.GetOrLoad(t.Context(), "there", s.load); string(v) != "v" || err != nil {
			t.Fatalf("what is in the cache: %q, %v", v, err)
		}
	})
}

func TestWhatNoCacheWouldTakeIsNotLoaded(t *testing.T) {
	m, s := newMemory(), &source{value: "v"}
	l := newBytes(m)
	defer l.Close()
	var bad *BadRequestError
	if _, err := l.GetOrLoad(t.Context(), "k", s.load, WithTTL(0)); !errors.As(err, &bad) {
		t.Fatal(err)
	}
	never := newBytes(m, WithLoadDefaults(WithTTL(-1)))
	defer never.Close()
	if _, err := never.GetOrLoad(t.Context(), "k", s.load); !errors.As(err, &bad) {
		t.Fatal(err)
	}
	m.breakDown(&TooLargeError{Text: "a key of a mile"})
	var large *TooLargeError
	if _, err := l.GetOrLoad(t.Context(), "k", s.load); !errors.As(err, &large) {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := l.GetOrLoad(ended, "k", s.load); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if s.loads.Load() != 0 {
		t.Fatal("it was loaded")
	}
}

func TestAHitAllocatesWhatTheReadDoes(t *testing.T) {
	m, s := newMemory(), &source{value: "v"}
	l := newBytes(m)
	defer l.Close()
	_ = m.Set(t.Context(), "k", []byte("v"), WithTTL(time.Hour))
	load := s.load
	read := testing.AllocsPerRun(1000, func() { _, _, _ = l.typed.GetItem(t.Context(), "k") })
	through := testing.AllocsPerRun(1000, func() { _, _ = l.GetOrLoad(t.Context(), "k", load) })
	if through > read {
		t.Fatalf("%v allocations, the read alone %v", through, read)
	}
}
