package client

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"runtime/debug"
	"time"
)

// loadFlight is one load of one key, from when somebody wants it until it is in the cache.
//
//	waits for a turn ── has one ──▶ loads ── settled ──▶ writes ──▶ over
//	       └── everyone left ──────────────────────────────────────▲
//
// It stands in Loader.flights all the while: whoever comes while it writes gets what was loaded, and no load begins
// before the cache has what the one before brought. Its fields are under Loader.mu, but value and err may be read once
// done is closed.
type loadFlight struct {
	key     string
	done    chan struct{} // closed when it is settled
	quit    chan struct{} // closed when everyone has left before it had a turn
	refresh bool          // nobody need wait for it: the cache has the value still
	callers int
	begun   bool // it has a turn
	settled bool
	value   []byte // as it is stored
	err     error
}

// trip is what a flight needs of the caller who began it.
type trip[T any] struct {
	ctx  context.Context // for its values
	load Load[T]
	opts []CallOption
	ttl  time.Duration
}

// join adds a caller to the flight of key, if there is one that is worth waiting for, and else says how many flights of
// such keys are over.
func (l *Loader[T]) join(key string) (f *loadFlight, landed uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f = l.flights[key]; f == nil || f.refresh && !f.settled {
		return nil, *l.landings(key)
	}
	f.callers++
	l.counts.shared.Add(1)
	return f, 0
}

// landings counts the flights that are over of keys that share key's place. Called with mu held.
func (l *Loader[T]) landings(key string) *uint64 {
	return &l.landed[maphash.String(l.seed, key)%uint64(len(l.landed))]
}

// begin joins the flight of key or makes one. It returns nil, if that is asked for, where a flight may have brought the key
// since its caller found out how many had landed, and looked for it in the cache: look again.
func (l *Loader[T]) begin(key string, landed uint64, again bool, trip trip[T]) *loadFlight {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.flights[key]
	switch {
	case f != nil: // a refresh too: what it replaces has expired meanwhile
		f.callers++
		l.counts.shared.Add(1)
	case again && *l.landings(key) != landed:
		return nil
	default:
		f = &loadFlight{key: key, done: make(chan struct{}), quit: make(chan struct{}), callers: 1}
		l.depart(f, trip)
	}
	return f
}

// depart lets f run. Called with mu held.
func (l *Loader[T]) depart(f *loadFlight, trip trip[T]) {
	if l.closed {
		l.settle(f, nil, &LoadError{Key: f.key, Err: ErrClosed})
		return
	}
	l.flights[f.key] = f
	l.tasks.Go(func() { l.fly(f, trip) })
}

// leave takes a caller off f. A flight that nobody waits for any more, and that has no turn yet, is over.
func (l *Loader[T]) leave(f *loadFlight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.callers--; f.callers == 0 && !f.begun && !f.settled {
		l.settle(f, nil, nil)
		l.remove(f)
		close(f.quit)
	}
}

// settle decides what f brings, unless that is decided. Called with mu held.
func (l *Loader[T]) settle(f *loadFlight, value []byte, err error) bool {
	if f.settled {
		return false
	}
	if f.begun && err != nil && !errors.Is(err, ErrNotFound) {
		l.counts.failed.Add(1)
	}
	f.settled, f.value, f.err = true, value, err
	close(f.done)
	return true
}

// remove makes way for the next flight of f's key. Called with mu held.
func (l *Loader[T]) remove(f *loadFlight) {
	if l.flights[f.key] == f {
		delete(l.flights, f.key)
	}
}

// fly waits for a turn, loads, and writes what was loaded.
func (l *Loader[T]) fly(f *loadFlight, trip trip[T]) {
	defer l.land(f)
	if !l.turn(f) {
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(trip.ctx))
	defer cancel()
	defer context.AfterFunc(l.life, cancel)()
	value, ttl := l.run(ctx, f, trip)
	if ttl == 0 {
		return
	}
	select {
	case l.writes <- struct{}{}:
		defer func() { <-l.writes }()
	default: // the cache is slow: what the source brings must not queue up behind it
		l.counts.unwritten.Add(1)
		return
	}
	opts := append(trip.opts[:len(trip.opts):len(trip.opts)], WithTTL(l.spread(ttl)))
	if err := l.typed.kv.Set(ctx, f.key, value, opts...); err != nil {
		l.counts.cacheErrors.Add(1)
	}
}

// turn waits until f may load; false when it is over instead.
func (l *Loader[T]) turn(f *loadFlight) bool {
	if f.refresh {
		return true
	}
	select {
	case l.turns <- struct{}{}:
	case <-f.quit:
		return false
	case <-l.life.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		l.settle(f, nil, &LoadError{Key: f.key, Err: ErrClosed})
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.begun = !f.settled; !f.begun { // everyone left at the same moment
		<-l.turns
	}
	return f.begun
}

// run loads and settles f, and returns what is to be written, and for how long; 0 for nothing.
func (l *Loader[T]) run(ctx context.Context, f *loadFlight, trip trip[T]) (value []byte, ttl time.Duration) {
	defer func() { <-l.turns }()
	ctx, cancel := context.WithTimeout(ctx, l.o.timeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { l.overrun(f, ctx.Err()) })()
	l.counts.loads.Add(1)
	began := time.Now()
	v, err := guarded(ctx, trip.load)
	took := time.Since(began)
	switch {
	case errors.Is(err, ErrNotFound):
		value, ttl, err = []byte(absent), l.o.missTTL, ErrNotFound
	case err != nil:
		err = l.failed(f, err)
	default:
		if value, err = l.typed.encode(f.key, v); err == nil {
			value, ttl = bytes.Clone(value), trip.ttl // a raw value is what load returned, and its to use
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case ttl == 0: // how long a failure takes says nothing
	case l.cost == 0:
		l.cost = took
	default:
		l.cost += (took - l.cost) / 8
	}
	if !l.settle(f, value, err) {
		return nil, 0 // it came too late: another flight may have brought the key
	}
	return value, ttl
}

// guarded makes an error of a panic. One that ends its goroutine does not return: see land.
func guarded[T any](ctx context.Context, load Load[T]) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return load(ctx)
}

// failed is what callers are told of a load's error.
func (l *Loader[T]) failed(f *loadFlight, err error) error {
	if l.life.Err() != nil {
		err = ErrClosed
	}
	return &LoadError{Key: f.key, Err: err}
}

// overrun ends a flight whose load goes on after its context has ended. It keeps its turn until it returns, and the key
// is free for another.
func (l *Loader[T]) overrun(f *loadFlight, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settle(f, nil, l.failed(f, err)) {
		l.remove(f)
	}
}

// land ends f.
func (l *Loader[T]) land(f *loadFlight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(f, nil, &LoadError{Key: f.key, Err: &PanicError{}}) // nothing else leaves it open
	l.remove(f)
	*l.landings(f.key)++
}
