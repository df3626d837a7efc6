package main

import (
	"fmt"

	"github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/maypok86/otter/v2"
)

// This file owns the caches whose choice of what to keep is compared: those whose limit can be so many entries, however few.
// The least limits of the others hold more than many traces ask for.

// policy is a cache of numbers, which works off all that it was told before it is asked again, as far as it can be made to.
type policy interface {
	get(key uint64) bool
	set(key uint64)
	close()
}

// policies are all but the engine's own, which bench.HitRatio drives, in the order of the table.
var policies = []struct {
	name string
	new  func(entries int) (policy, error)
}{
	{"otter", newOtterPolicy},
	{"theine", newTheinePolicy},
	{"ristretto", newRistrettoPolicy},
}

type otterPolicy struct {
	c *otter.Cache[uint64, struct{}]
}

func newOtterPolicy(entries int) (policy, error) {
	c, err := otter.New(&otter.Options[uint64, struct{}]{MaximumSize: entries, Executor: func(f func()) { f() }})
	if err != nil {
		return nil, fmt.Errorf("otter of %d entries: %w", entries, err)
	}
	return otterPolicy{c}, nil
}

func (o otterPolicy) get(key uint64) bool {
	_, ok := o.c.GetIfPresent(key)
	return ok
}

func (o otterPolicy) set(key uint64) {
	o.c.Set(key, struct{}{})
	o.c.CleanUp()
}

func (o otterPolicy) close() { o.c.StopAllGoroutines() }

type theinePolicy struct {
	c *theine.Cache[uint64, struct{}]
}

func newTheinePolicy(entries int) (policy, error) {
	c, err := theine.NewBuilder[uint64, struct{}](int64(entries)).Build()
	if err != nil {
		return nil, fmt.Errorf("theine of %d entries: %w", entries, err)
	}
	return theinePolicy{c}, nil
}

func (t theinePolicy) get(key uint64) bool {
	_, ok := t.c.Get(key)
	return ok
}

func (t theinePolicy) set(key uint64) {
	t.c.Set(key, struct{}{}, 1)
	t.c.Wait()
}

func (t theinePolicy) close() { t.c.Close() }

type ristrettoPolicy struct {
	c *ristretto.Cache[uint64, struct{}]
}

func newRistrettoPolicy(entries int) (policy, error) {
	n := int64(entries)
	c, err := ristretto.NewCache(&ristretto.Config[uint64, struct{}]{NumCounters: 10 * n, MaxCost: n, BufferItems: 64, IgnoreInternalCost: true})
	if err != nil {
		return nil, fmt.Errorf("ristretto of %d entries: %w", entries, err)
	}
	return ristrettoPolicy{c}, nil
}

func (r ristrettoPolicy) get(key uint64) bool {
	_, ok := r.c.Get(key)
	return ok
}

func (r ristrettoPolicy) set(key uint64) {
	r.c.Set(key, struct{}{}, 1)
	r.c.Wait()
}

func (r ristrettoPolicy) close() { r.c.Close() }
