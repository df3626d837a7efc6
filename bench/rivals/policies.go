package main

import (
	"encoding/binary"
	"fmt"

	"github.com/Yiling-J/theine-go"
	"github.com/cespare/xxhash/v2"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/maypok86/otter/v2"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
)

// This file owns the caches whose choice of what to keep is compared: those whose limit can be so many entries, however few.
// The least limits of the others hold more than many traces ask for.

// policy is a cache of numbers, which works off all that it was told before it is asked again, as far as it can be made to.
type policy interface {
	get(key uint64) bool
	set(key uint64)
	close()
}

// policies are all there are, in the order of the table.
var policies = []struct {
	name string
	new  func(entries int) (policy, error)
}{
	{"shoal", newShoalPolicy},
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

// shoalPolicy is one store of one shard. Its entries have values as the other parts of a comparison have, or ghosts, which
// have no value, would weigh more beside them than in use.
type shoalPolicy struct {
	store *storage.Store
	value vclock.Set
	key   [keyBytesLeast]byte
}

const policyValueBytes = 100

// newShoalPolicy looks for the limit of bytes under which so many entries are held.
func newShoalPolicy(entries int) (policy, error) {
	least, most := int64(storage.BytesLeast), storage.BytesLeast+int64(entries)*2*(keyBytesLeast+policyValueBytes+shoalBeside)
	for most-least > most/512 {
		half := (least + most) / 2
		p, err := shoalPolicyOf(half)
		if err != nil {
			return nil, err
		}
		if p.fills(entries) {
			most = half
		} else {
			least = half
		}
	}
	return shoalPolicyOf(most)
}

func shoalPolicyOf(bytesMax int64) (*shoalPolicy, error) {
	store, err := storage.New(storage.Config{BytesMax: bytesMax, Partitions: 1, Shards: 1, Hash: xxhash.Sum64, Seed: 1})
	if err != nil {
		return nil, fmt.Errorf("shoal of %d bytes: %w", bytesMax, err)
	}
	p := &shoalPolicy{store: store}
	p.value = vclock.Set{
		Dot:   vclock.Dot{Stamp: vclock.StampAt(wall), Actor: vclock.Actor{Node: 1, Boot: 1}},
		Value: newValue(policyValueBytes),
	}
	return p, nil
}

// fills reports whether so many entries are held when there are more than have room, half of which were asked for again.
func (s *shoalPolicy) fills(entries int) bool {
	for i := range 4 * entries {
		s.set(uint64(i))
		if i%2 == 0 {
			s.get(uint64(i))
		}
	}
	return s.store.Stats().Keys >= entries
}

func (s *shoalPolicy) named(key uint64) storage.Key {
	binary.LittleEndian.PutUint64(s.key[:], key)
	return storage.Key{Bytes: s.key[:], Hash: xxhash.Sum64(s.key[:])}
}

func (s *shoalPolicy) get(key uint64) bool {
	set, _ := s.store.Get(s.named(key), wall)
	return !set.IsZero()
}

func (s *shoalPolicy) set(key uint64) {
	s.value.Dot.Stamp++
	s.store.Put(s.named(key), &s.value, wall)
}

func (s *shoalPolicy) close() {}
