package main

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/internal/arena"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
)

const (
	shoalShards     = 16   // the least that a node has
	shoalPartitions = 4096 // of a cluster
	// wall is what every call is told the time is. A node reads its clock once for a batch of requests.
	wall = 1_700_000_000_000
	// shoalBeside is what an entry has beside key and value in its log.
	shoalBeside = 15
	// shoalGhost is what a ghost has in its log, and ghostPart the part of all that ghosts may take by default.
	shoalGhost, ghostPart = 23, 10
)

// shoal is our engine as a node drives it: one store and one lock for each shard, memory off the heap.
type shoal struct {
	shards [shoalShards]shard
	memory *arena.Arena
}

type shard struct {
	sync.Mutex
	store *storage.Store
	set   vclock.Set // the last one that was put
	_     [64]byte   // neighbours share no cache line
}

func newShoal(r room) (cache, error) {
	bytes := shoalBytes(r)
	memory, err := arena.New(arena.Config{Limit: bytes, Spare: 32 << 20, Slot: int(storage.SegmentOf(bytes / shoalShards))})
	if err != nil {
		return nil, fmt.Errorf("shoal: %w", err)
	}
	c := &shoal{memory: memory}
	seeds := rand.New(rand.NewPCG(1, 3))
	for i := range c.shards {
		s := &c.shards[i]
		store, err := storage.New(storage.Config{
			BytesMax: bytes / shoalShards, Partitions: shoalPartitions, Shard: uint32(i), Shards: shoalShards,
			Hash: xxhash.Sum64, Seed: seeds.Uint64(), Memory: memory,
		})
		if err != nil {
			c.close()
			return nil, fmt.Errorf("shoal: %w", err)
		}
		s.store = store
		s.set.Dot = vclock.Dot{Stamp: vclock.StampAt(wall), Actor: vclock.Actor{Node: 1, Boot: 1}}
	}
	return c, nil
}

// shoalBytes is the limit under which so many entries fit, beside the ghosts that come with them.
func shoalBytes(r room) int64 {
	entries := int64(r.entries * (r.keyBytes + r.valueBytes + shoalBeside))
	used := entries
	for range 8 { // ghosts are a part of all, and have their place in the index
		ghosts := int(used / ghostPart / shoalGhost)
		used = entries + storage.IndexBytes(r.entries+ghosts, shoalPartitions) + used/ghostPart
	}
	bytes := shoalShards * storage.BytesFor(used/shoalShards)
	if !r.evicts {
		bytes *= 2
	}
	return bytes
}

// place is a key as a request carries it. Its partition owes nothing to the bits that the index goes by; a node takes it from
// the slot of the key, another hash.
func place(key []byte) storage.Key {
	h := xxhash.Sum64(key)
	return storage.Key{Bytes: key, Hash: h, Partition: uint32(h * 0xd6e8feb86659fd93 >> 52 % shoalPartitions)}
}

func (c *shoal) get(dst, key []byte) ([]byte, bool) {
	k := place(key)
	s := &c.shards[k.Partition%shoalShards]
	s.Lock()
	set, _ := s.store.Get(k, wall)
	dst = append(dst[:0], set.Value...)
	s.Unlock()
	return dst, !set.IsZero()
}

func (c *shoal) set(key, value []byte) {
	k := place(key)
	s := &c.shards[k.Partition%shoalShards]
	s.Lock()
	s.set.Dot.Stamp++ // or floors would refuse it
	s.set.Value = value
	result := s.store.Put(k, &s.set, wall)
	s.Unlock()
	if result.Outcome != storage.Stored {
		panic(fmt.Sprintf("shoal: a set came to %v: it is stamped wrongly, or too large for -entries", result.Outcome))
	}
}

func (c *shoal) settle() {}
func (c *shoal) close()  { c.memory.Close() }
