package main

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/maypok86/otter/v2"
)

// This file owns the rivals that keep objects: their limit is one of entries, they keep whatever value they are given, so
// that each set needs a copy of its own, and the collector walks them all.

type otterCache struct{ c *otter.Cache[string, []byte] }

func newOtter(r room) (cache, error) {
	c, err := otter.New(&otter.Options[string, []byte]{MaximumSize: r.count()})
	if err != nil {
		return nil, fmt.Errorf("otter: %w", err)
	}
	return otterCache{c}, nil
}

func (o otterCache) get(dst, key []byte) ([]byte, bool) {
	value, ok := o.c.GetIfPresent(text(key))
	return append(dst[:0], value...), ok
}

func (o otterCache) set(key, value []byte) { o.c.Set(text(key), bytes.Clone(value)) }
func (o otterCache) settle()               { o.c.CleanUp() }
func (o otterCache) close()                { o.c.StopAllGoroutines() }

type theineCache struct {
	c *theine.Cache[string, []byte]
}

func newTheine(r room) (cache, error) {
	c, err := theine.NewBuilder[string, []byte](int64(r.count())).Build()
	if err != nil {
		return nil, fmt.Errorf("theine: %w", err)
	}
	return theineCache{c}, nil
}

func (t theineCache) get(dst, key []byte) ([]byte, bool) {
	value, ok := t.c.Get(text(key))
	return append(dst[:0], value...), ok
}

func (t theineCache) set(key, value []byte) { t.c.Set(text(key), bytes.Clone(value), 1) }
func (t theineCache) settle()               { t.c.Wait() }
func (t theineCache) close()                { t.c.Close() }

type ristrettoCache struct {
	c *ristretto.Cache[[]byte, []byte]
}

// newRistretto has ten counters for each entry and buffers of 64, as its documents advise.
func newRistretto(r room) (cache, error) {
	n := int64(r.count())
	c, err := ristretto.NewCache(&ristretto.Config[[]byte, []byte]{
		NumCounters: 10 * n, MaxCost: n, BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, fmt.Errorf("ristretto: %w", err)
	}
	return ristrettoCache{c}, nil
}

func (r ristrettoCache) get(dst, key []byte) ([]byte, bool) {
	value, ok := r.c.Get(key)
	return append(dst[:0], value...), ok
}

// set may be dropped, where many came before it that were not worked off.
func (r ristrettoCache) set(key, value []byte) { r.c.Set(key, bytes.Clone(value), 1) }
func (r ristrettoCache) settle()               { r.c.Wait() }
func (r ristrettoCache) close()                { r.c.Close() }

// plain is what one would write without a library.
type plain struct {
	mu     sync.Mutex
	values map[string][]byte
}

func newMap(room) (cache, error) { return &plain{values: map[string][]byte{}}, nil }

func (p *plain) get(dst, key []byte) ([]byte, bool) {
	p.mu.Lock()
	value, ok := p.values[text(key)]
	dst = append(dst[:0], value...)
	p.mu.Unlock()
	return dst, ok
}

func (p *plain) set(key, value []byte) {
	value = bytes.Clone(value)
	p.mu.Lock()
	p.values[text(key)] = value
	p.mu.Unlock()
}

func (p *plain) settle() {}
func (p *plain) close()  {}
