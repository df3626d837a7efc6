package storage

import (
	"fmt"

	"github.com/shoalcache/shoal/vclock"
)

// Key is a key as a request carries it through a node: hash and partition are computed once, by the caller.
type Key struct {
	Bytes     []byte
	Hash      uint64 // cluster-wide hash of Bytes
	Partition uint32
	Lone      bool // no other replica is to have it: what this one forgot, nobody can tell it
}

// Store is the engine of one shard. It is not safe for concurrent use, and a Key or partition of another
// shard is the caller's mistake: it panics.
type Store struct {
	ghostBytesMax  int64
	recordBytesMax int64
	shard, shards  uint32

	partitions []partition // those of this shard, by number / shards
	records    list        // by last use
	ghosts     list        // by when they became ghosts
	stats      Stats

	sweepPartition int // where Tick goes on
	sweepSlot      int

	lent []vclock.Dot // context of the last answer
	told vclock.Set   // what a walk shows: here, or each record would allocate one
	own  []vclock.Dot // context of the record a Put meets: a lent answer may be what is put
}

// New makes an empty store; the error wraps ErrConfig once per problem.
func New(c Config) (*Store, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	s := &Store{
		ghostBytesMax:  c.GhostBytesMax,
		recordBytesMax: c.recordBytesFit(),
		shard:          c.Shard,
		shards:         c.Shards,
		stats:          Stats{BytesMax: c.BytesMax},
		partitions:     make([]partition, (c.Partitions-c.Shard+c.Shards-1)/c.Shards),
	}
	s.records.init()
	s.ghosts.init()
	return s, nil
}

// Get returns the version held, zero if none, and the floor of the key: the stamp at or below which this
// replica may have forgotten it. The set's slices are valid until the next call on the store. Being asked for keeps a
// record from eviction. A version past its deadline at wall (milliseconds since 1970) becomes a ghost and is answered as
// nothing.
func (s *Store) Get(k Key, wall int64) (vclock.Set, vclock.Stamp) {
	set, floor, e := s.look(k, wall)
	if e != nil {
		s.records.remove(e)
		s.records.push(e)
	}
	if set.IsZero() || set.Tombstone {
		s.stats.Misses++
	} else {
		s.stats.Hits++
	}
	return set, floor
}

// Peek is Get for the store's own household: it neither counts nor keeps a record from eviction.
func (s *Store) Peek(k Key, wall int64) (vclock.Set, vclock.Stamp) {
	set, floor, _ := s.look(k, wall)
	return set, floor
}

func (s *Store) look(k Key, wall int64) (set vclock.Set, floor vclock.Stamp, record *entry) {
	p := s.at(k.Partition)
	e, held := s.find(p, k, wall)
	floor = max(p.forgotten(k, e, held), p.recovery)
	if held {
		return e.load(&s.lent), floor, e
	}
	return set, floor, nil
}

// Ghost is what is left of a key that is not held, zero if nothing but a mark is.
func (s *Store) Ghost(k Key) Ghost {
	e := s.at(k.Partition).index[k.Hash]
	if e == nil || e.isRecord() {
		return Ghost{}
	}
	return e.ghost()
}

// find returns the entry of k's hash, nil if there is none, and whether it holds k at wall.
func (s *Store) find(p *partition, k Key, wall int64) (e *entry, held bool) {
	e = p.index[k.Hash]
	if e == nil {
		return nil, false
	}
	if e.expired(wall) {
		s.expire(e)
	}
	return e, e.holds(k.Bytes)
}

// at returns a partition of this shard by its number in the cluster.
func (s *Store) at(number uint32) *partition {
	if number%s.shards != s.shard {
		panic(fmt.Sprintf("storage: partition %d does not belong to shard %d of %d", number, s.shard, s.shards))
	}
	return &s.partitions[number/s.shards]
}
