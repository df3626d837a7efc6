package main

import (
	"context"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/fastcache"
	"github.com/allegro/bigcache/v3"
	"github.com/coocood/freecache"
)

// This file owns the rivals that keep bytes: their limit is one of bytes, and the collector sees few objects. What each has
// beside key and value decides what limit lets so many entries fit.

const (
	fastcacheBeside = 4
	freecacheBeside = 24
	bigcacheBeside  = 20 // and a length before it, of one byte or two
)

type fastcacheCache struct{ c *fastcache.Cache }

func newFastcache(r room) (cache, error) {
	return fastcacheCache{fastcache.New(r.bytes(fastcacheBeside))}, nil
}

func (f fastcacheCache) get(dst, key []byte) ([]byte, bool) { return f.c.HasGet(dst[:0], key) }
func (f fastcacheCache) set(key, value []byte)              { f.c.Set(key, value) }
func (f fastcacheCache) settle()                            {}
func (f fastcacheCache) close()                             { f.c.Reset() }

type freecacheCache struct{ c *freecache.Cache }

func newFreecache(r room) (cache, error) {
	return freecacheCache{freecache.NewCache(r.bytes(freecacheBeside))}, nil
}

func (f freecacheCache) get(dst, key []byte) ([]byte, bool) {
	value, err := f.c.GetWithBuf(key, dst)
	return value, err == nil
}

func (f freecacheCache) getMany(dst []byte, keys [][]byte) (hits int) {
	values, errs := f.c.MultiGet(keys)
	for i, value := range values {
		if errs[i] == nil {
			copy(dst, value)
			hits++
		}
	}
	return hits
}

// set leaves out what is too large for a segment, as its users do who do not look at the error.
func (f freecacheCache) set(key, value []byte) { _ = f.c.Set(key, value, 0) }
func (f freecacheCache) settle()               {}
func (f freecacheCache) close()                {}

type bigcacheCache struct{ c *bigcache.BigCache }

// newBigcache tells bigcache beforehand how many entries will come: it has the least memory then.
func newBigcache(r room) (cache, error) {
	const shardsMost, shardLeast = 1024, 512 // its default, and entries of one
	shards := shardsMost
	for shards > 1 && r.entries < shards*shardLeast {
		shards /= 2
	}
	config := bigcache.Config{
		Shards: shards, LifeWindow: 24 * time.Hour, // and nothing that looks for what has passed
		MaxEntriesInWindow: r.count(), MaxEntrySize: r.keyBytes + r.valueBytes + bigcacheBeside + 2,
	}
	if r.evicts {
		config.HardMaxCacheSize = max(1, r.bytes(bigcacheBeside+2)>>20)
	}
	c, err := bigcache.New(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("bigcache: %w", err)
	}
	return bigcacheCache{c}, nil
}

func (b bigcacheCache) get(_, key []byte) ([]byte, bool) {
	value, err := b.c.Get(text(key))
	return value, err == nil
}

// set copies the bytes of the key, too.
func (b bigcacheCache) set(key, value []byte) { _ = b.c.Set(text(key), value) }
func (b bigcacheCache) settle()               {}
func (b bigcacheCache) close()                { _ = b.c.Close() }
