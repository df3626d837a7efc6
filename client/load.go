package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// Loader reads through a cache: what is not there is loaded from where it comes from, once for all who ask at the same
// time in this process, and kept.
//
// It keeps three promises to its callers. A cache that is down costs them no more than its errors take to come: they get
// what was loaded, and at most WithLoads loads run at once. A caller whose context ends leaves, and the load goes on for
// the others. A load that panics is an error for all who wait for it.
//
// It cannot promise that a value is fresh: whoever comes while it is written to the cache gets what was loaded, which takes
// a cache that is down as long as a call may; a load that began before a write to the source may store what it read after
// whoever wrote has deleted the key, and WithTTL bounds for how long that is seen.
type Loader[T any] struct {
	typed  *Typed[T]
	o      loadOptions
	ttl    time.Duration  // of what is loaded, unless a call has its own
	random func() float64 // from 0 up to 1
	turns  chan struct{}  // one for each load that runs
	writes chan struct{}  // one for each write to the cache
	life   context.Context
	end    context.CancelFunc
	seed   maphash.Seed

	mu      sync.Mutex
	flights map[string]*loadFlight
	landed  [256]uint64   // flights that are over, by the hash of their key
	cost    time.Duration // mean of recent loads
	closed  bool
	tasks   sync.WaitGroup

	counts struct{ hits, absent, shared, loads, failed, refreshes, cacheErrors, unwritten atomic.Uint64 }
}

// NewLoader returns a Loader for the values of t. Close it when it is not needed any more.
func NewLoader[T any](t *Typed[T], opts ...LoadOption) *Loader[T] {
	l := &Loader[T]{
		typed: t, random: rand.Float64, seed: maphash.MakeSeed(), flights: map[string]*loadFlight{},
		o: loadOptions{missTTL: DefaultMissTTL, jitter: DefaultJitter, early: 1, loads: DefaultLoads, timeout: DefaultLoadTimeout},
	}
	for _, set := range opts {
		set(&l.o)
	}
	l.ttl = lifetime(DefaultLoadTTL, l.o.calls)
	l.turns, l.writes = make(chan struct{}, l.o.loads), make(chan struct{}, l.o.loads)
	l.life, l.end = context.WithCancel(context.Background())
	return l
}

// Close ends the contexts of the loads under way, whose callers are told ErrClosed, and returns when none runs any more.
func (l *Loader[T]) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.end()
	l.tasks.Wait()
}

// Load returns a key's value from where it comes from, or ErrNotFound if that knows that there is none. Its context has
// the values of that of the caller who began it, and ends after WithLoadTimeout and on Close.
type Load[T any] func(ctx context.Context) (T, error)

// GetOrLoad returns the value of key from the cache or from load, and then keeps it in the cache for WithTTL, less some
// jitter. An ErrNotFound from load is remembered under the same key for WithMissTTL, and returned until then. What the
// cache has of another type or version is loaded anew and replaced. Every caller gets a value of their own.
//
// The error is ErrNotFound, a *LoadError, a *CodecError for a value that cannot be stored, or one of a call that no cache
// would ever take.
func (l *Loader[T]) GetOrLoad(ctx context.Context, key string, load Load[T], opts ...CallOption) (T, error) {
	var none T
	ttl := l.ttl
	if len(opts) > 0 {
		ttl = lifetime(ttl, opts)
	}
	if ttl <= 0 {
		return none, &BadRequestError{Op: wire.OpSet, Text: fmt.Sprintf("a TTL of %v: use one above 0", ttl)}
	}
	opts = append(l.o.calls[:len(l.o.calls):len(l.o.calls)], opts...)
	for again := true; ; again = false {
		f, landed := l.join(key)
		if f != nil {
			return l.await(ctx, f)
		}
		v, item, err := l.typed.GetItem(ctx, key, opts...)
		trip := trip[T]{ctx: ctx, load: load, opts: opts, ttl: ttl}
		switch {
		case err == nil:
			l.counts.hits.Add(1)
			l.refresh(key, item.Deadline, trip)
			return v, nil
		case errors.Is(err, errAbsent):
			l.counts.absent.Add(1)
			return none, ErrNotFound
		case ctx.Err() != nil:
			return none, &LoadError{Key: key, Err: ctx.Err()}
		case hopeless(err):
			return none, err
		case !errors.Is(err, ErrNotFound):
			l.counts.cacheErrors.Add(1)
			again = false
		}
		if f = l.begin(key, landed, again, trip); f != nil {
			return l.await(ctx, f)
		}
	}
}

// lifetime is the TTL of opts, or the one given.
func lifetime(ttl time.Duration, opts []CallOption) time.Duration {
	o := callOptions{ttl: ttl}
	o.apply(opts)
	return o.ttl
}

// hopeless reports an error that is the caller's, and not the cache's.
func hopeless(err error) bool {
	var bad *BadRequestError
	var large *TooLargeError
	return errors.As(err, &bad) || errors.As(err, &large)
}

// await returns what f brings, or leaves it when ctx ends.
func (l *Loader[T]) await(ctx context.Context, f *loadFlight) (v T, err error) {
	defer l.leave(f)
	select {
	case <-f.done:
	case <-ctx.Done():
		return v, &LoadError{Key: f.key, Err: ctx.Err()}
	}
	if f.err != nil {
		return v, f.err
	}
	return l.typed.decode(f.key, bytes.Clone(f.value)) // a raw value is these very bytes
}

// refresh loads key anew before it expires, with a probability that grows as that comes near, if there is a turn to be
// had at once.
func (l *Loader[T]) refresh(key string, deadline time.Time, trip trip[T]) {
	if deadline.IsZero() || l.o.early == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ahead := time.Duration(float64(l.cost) * l.o.early * -math.Log(1-l.random()))
	left := time.Until(deadline)
	if left <= 0 || left > ahead || l.flights[key] != nil || l.closed { // of what has expired clocks disagree: it is still served
		return
	}
	select {
	case l.turns <- struct{}{}:
		l.counts.refreshes.Add(1)
		l.depart(&loadFlight{key: key, done: make(chan struct{}), begun: true, refresh: true}, trip)
	default:
	}
}

// spread takes from d what chance says, up to the jitter.
func (l *Loader[T]) spread(d time.Duration) time.Duration {
	return max(time.Duration(float64(d)*(1-l.o.jitter*l.random())), time.Millisecond)
}

// LoadCounters are what a Loader has done so far.
type LoadCounters struct {
	Hits        uint64 // calls answered from the cache
	Absent      uint64 // calls answered from the memory that there is none
	Shared      uint64 // calls that waited for a load that was under way
	Loads       uint64 // loads that ran, Refreshes included
	Failed      uint64 // of these, failed; ErrNotFound is no failure
	Refreshes   uint64 // loads before the value expired
	CacheErrors uint64 // reads and writes that failed, or brought what is no value of this type
	Unwritten   uint64 // loaded and not kept, because as many writes as there may be loads were under way
}

// Counters returns what the Loader has done so far.
func (l *Loader[T]) Counters() LoadCounters {
	c := &l.counts
	return LoadCounters{
		Hits: c.hits.Load(), Absent: c.absent.Load(), Shared: c.shared.Load(), Loads: c.loads.Load(), Failed: c.failed.Load(),
		Refreshes: c.refreshes.Load(), CacheErrors: c.cacheErrors.Load(), Unwritten: c.unwritten.Load(),
	}
}
