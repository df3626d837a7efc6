package main

import "unsafe"

// This file owns what a subject is: a cache behind the few calls that all of them have.

// cache is one cache under measurement, used by one goroutine.
type cache interface {
	// get returns the value of a key and whether it is there. It is copied to the front of dst where the cache can do that
	// or shows its own bytes; bigcache alone returns a copy of its own making.
	get(dst, key []byte) ([]byte, bool)
	// set stores a copy of value. Who keeps keys (subject.keeps) keeps the very bytes of this one: nobody may change them.
	set(key, value []byte)
	// settle waits until nothing is left to do in the background.
	settle()
	// close ends what runs in the background and gives back what is off the heap.
	close()
}

// batcher is a cache that looks up several keys in one call.
type batcher interface {
	// getMany returns how many of the keys are there; their values are copied to dst, each over the last.
	getMany(dst []byte, keys [][]byte) int
}

// room is how much a cache is to hold.
type room struct {
	entries    int
	keyBytes   int
	valueBytes int
	evicts     bool // so many entries fit and no more; else there is room to spare, and all stay
}

// count is the limit of a cache that counts entries.
func (r room) count() int {
	if r.evicts {
		return r.entries
	}
	return r.entries + r.entries/8
}

// bytes is the limit of a cache that counts bytes, so many of them beside each key and value.
func (r room) bytes(beside int) int {
	n := r.entries * (r.keyBytes + r.valueBytes + beside)
	if !r.evicts {
		n *= 2
	}
	return n
}

// subject is a cache that can be made.
type subject struct {
	name  string
	new   func(room) (cache, error)
	keeps bool // the bytes of its keys, of which each entry needs its own then
	heap  bool // its entries are objects that the collector walks
	grows bool // it has no limit, and takes no part where entries are evicted
	least int  // bytes of its least limit
}

// reference is the subject that ratios are to.
const reference = "fastcache"

// subjects are all there are, in the order of the tables.
var subjects = []subject{
	{name: "shoal", new: newShoal},
	{name: reference, new: newFastcache, least: 32 << 20},
	{name: "freecache", new: newFreecache, least: 512 << 10},
	{name: "bigcache", new: newBigcache, least: 1 << 20},
	{name: "otter", new: newOtter, keeps: true, heap: true},
	{name: "theine", new: newTheine, keeps: true, heap: true},
	{name: "ristretto", new: newRistretto, heap: true},
	{name: "map", new: newMap, keeps: true, heap: true, grows: true},
}

// nothing is what an empty process holds.
const nothing = "nothing"

// named returns the subject of that name.
func named(name string) (subject, bool) {
	for _, s := range subjects {
		if s.name == name {
			return s, true
		}
	}
	return subject{name: nothing, new: func(room) (cache, error) { return void{}, nil }}, name == nothing
}

// void is no cache.
type void struct{}

func (void) get(dst, _ []byte) ([]byte, bool) { return dst[:0], false }
func (void) set(_, _ []byte)                  {}
func (void) settle()                          {}
func (void) close()                           {}

// text is a key as a string of the same bytes, without a copy: callers of such caches have strings.
func text(key []byte) string { return unsafe.String(unsafe.SliceData(key), len(key)) }
