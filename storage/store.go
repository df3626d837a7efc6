package storage

import (
	"fmt"
	"math/bits"

	"github.com/shoalcache/shoal/vclock"
)

// Key is a key as a request carries it through a node: hash and partition are computed once, by the caller.
type Key struct {
	Bytes     []byte
	Hash      uint64 // cluster-wide hash of Bytes
	Partition uint32
	Lone      bool  // no other replica is to have it: what this one forgot, nobody can tell it
	Fewer     uint8 // how many of the partition's owners are not to have it, the last of each datacenter; at most FewerMost
}

// limits are those that a store began with, from which Resize works out others.
type limits struct {
	bytes, ghosts int64
	room          int64 // for the largest record, beside itself and the ghosts' full share
}

// Store is the engine of one shard. It is not safe for concurrent use, and a Key or partition of another
// shard is the caller's mistake: it panics.
type Store struct {
	began          limits
	hash           func([]byte) uint64
	mix            uint64
	memory         Memory
	usedMax        int64 // for what is used: what BytesMax leaves beside ragged segments and the reserve
	ghostBytesMax  int64
	recordBytesMax int64
	shard, shards  uint32

	partitions []partition // those of this shard, by number / shards
	stats      Stats
	wall       int64 // of the latest call

	segments []segment // by number; 0 is none
	shift    uint8     // a segment has 1 << shift bytes
	free     []uint32  // segments with memory, that freed first first
	unused   []uint32  // and numbers without
	inUse    int
	logs     [logs]log
	newest   uint64 // place of the record that this call has written: it stays
	orders   uint32 // of segments, so far

	policy     Policy
	smallShare int64 // of the small log, in thousandths
	full       bool  // it had to evict, and little has gone since
	spilling   bool  // it has only begun to, and the small log is larger than its share
	shadows    *shadows

	freePages []uint32

	blocks     [][]byte // bodies that are large for a segment, by number
	noBlocks   []uint32 // numbers of none
	blockBytes int64
	leaving    [][]byte // blocks that go back when the call ends

	actors  actors
	summary summary

	cleaning      uint32 // segment from which what is live is being moved, if its order is still this
	cleaningOrder uint32
	cleanAt       int32
	barren        uint32 // orders when no segment was worth it

	sweepSegment uint32 // where Tick goes on
	sweepAt      int32

	met    record       // the one that a call has found
	other  record       // one that it only looks at
	lent   []vclock.Dot // context of the last answer
	told   vclock.Set   // what a walk shows: here, or each record would allocate one
	own    []vclock.Dot // context of the record a Put meets: a lent answer may be what is put
	hashes []uint64     // of a page that is walked

	touched byte // so that what is only read for the cache is read
}

// New makes an empty store; the error wraps ErrConfig once per problem.
func New(c Config) (*Store, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	s := &Store{
		hash:       c.Hash,
		mix:        c.Seed | 1,
		policy:     c.Policy,
		memory:     c.Memory,
		began:      limits{c.BytesMax, c.GhostBytesMax, recordRoom(&c)},
		shard:      c.Shard,
		shards:     c.Shards,
		shift:      uint8(bits.TrailingZeros64(uint64(c.segmentBytes()))),
		segments:   make([]segment, 1),
		partitions: make([]partition, (c.Partitions-c.Shard+c.Shards-1)/c.Shards),
	}
	s.segments[0].log = noLog
	for i := range s.partitions {
		s.partitions[i].number = uint16(i)
	}
	s.recordBytesMax = min(int64(c.RecordBytesMax), c.usedMax()-c.GhostBytesMax-s.began.room)
	s.limit(c.BytesMax)
	if s.smallShare = smallShares[smallShareFirst]; c.Policy == Adaptive {
		s.shadows = newShadows(shadowKeys(c.BytesMax))
	}
	return s, nil
}

// limit sets how much the store may take. Ghosts keep their part of it.
func (s *Store) limit(bytesMax int64) {
	s.stats.BytesMax = bytesMax
	s.usedMax = bytesMax - (reserve+ragged)<<s.shift
	high, low := bits.Mul64(uint64(bytesMax), uint64(s.began.ghosts))
	part, _ := bits.Div64(high, low, uint64(s.began.bytes))
	s.ghostBytesMax = min(max(int64(part), ghostFixed), s.usedMax/2)
}

// Resize lets the store take so many bytes from now on, but not less than BytesFloor; what is over them is forgotten at once. The
// largest record, segments, and what the policy knows beside them keep the size that they began with. Stats.BytesMax says what it
// came to.
func (s *Store) Resize(bytesMax int64) {
	if now := s.stats.BytesMax; bytesMax < now {
		bytesMax = max(bytesMax, min(s.BytesFloor(), now))
	}
	if bytesMax == s.stats.BytesMax {
		return
	}
	s.limit(bytesMax)
	s.settle()
	s.shed()
}

// BytesFloor is the least that the store can do with: room for the largest record beside its ghosts; where nothing is evicted, for
// what it has.
func (s *Store) BytesFloor() int64 {
	idle := int64(reserve+ragged) << s.shift
	ghosts := float64(s.began.ghosts) / float64(s.began.bytes)
	least := max(int64(float64(s.recordBytesMax+s.began.room+idle)/(1-ghosts))+1, idle+usedMin)
	if s.policy == None {
		least = max(least, idle+s.stats.BytesUsed*deadPart/(deadPart-1), s.blockBytes+int64(s.inUse+reserve)<<s.shift)
	}
	return least
}

// SegmentBytes is how much at a time the store takes and gives back, but for large values.
func (s *Store) SegmentBytes() int64 { return 1 << s.shift }

// Get returns the version held, zero if none, and the floor of the key: the stamp at or below which this
// replica may have forgotten it. The set's slices are valid until the next call on the store. Being asked for keeps a
// record from eviction. A version past its deadline at wall (milliseconds since 1970) becomes a ghost and is answered as
// nothing.
func (s *Store) Get(k Key, wall int64) (vclock.Set, vclock.Stamp) {
	set, floor, e := s.look(k, wall)
	if s.watches() {
		s.shadow(k.Hash, true, e.held, e.bytes(s))
	}
	if e.held {
		s.use(e)
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

func (s *Store) look(k Key, wall int64) (set vclock.Set, floor vclock.Stamp, e entry) {
	p := s.at(k.Partition)
	e = s.find(p, k, wall)
	floor = max(s.forgotten(p, k, &e), p.recovery)
	if e.held {
		return s.met.set(&s.lent), floor, e
	}
	s.settle() // what expired has left a ghost
	return set, floor, e
}

// Ghost is what is left of a key that is not held, zero if nothing but a mark is.
func (s *Store) Ghost(k Key) Ghost {
	e := s.lookup(s.at(k.Partition), k)
	if !e.ghost() {
		return Ghost{}
	}
	return left(e.b)
}

// entry is what the index has of a hash: nothing, a record or a ghost.
type entry struct {
	at    spot
	slot  uint64
	b     []byte // where it lies; nil: there is none
	held  bool   // it is the record of the key, and s.met is that
	stamp vclock.Stamp
}

func (e *entry) known() bool  { return e.b != nil }
func (e *entry) ghost() bool  { return e.b != nil && e.slot&ghostFlag != 0 }
func (e *entry) record() bool { return e.b != nil && e.slot&ghostFlag == 0 }

// bytes is what a record that is held counts.
func (e *entry) bytes(s *Store) int64 {
	if !e.held {
		return 0
	}
	return s.weight(e.b, sizeOf(e.b))
}

// lookup returns the entry of k's hash; one that is not held, but a record, is that of another key, and it is what s.met is
// of.
func (s *Store) lookup(p *partition, k Key) entry {
	for x := s.probe(p, k.Hash); x.mem != nil; {
		at, slot, ok := x.next()
		if !ok {
			break
		}
		_, b := s.of(slot & placeMask)
		switch {
		case slot&ghostFlag != 0:
			if g := left(b); g.Hash == k.Hash {
				return entry{at: at, slot: slot, b: b, stamp: g.Stamp}
			}
		case s.isOf(b, k.Bytes):
			s.read(b, &s.met)
			return entry{at: at, slot: slot, b: b, held: true, stamp: s.met.stamp}
		case s.hashOf(b) == k.Hash:
			s.read(b, &s.met)
			return entry{at: at, slot: slot, b: b, stamp: s.met.stamp}
		}
	}
	return entry{}
}

// find is lookup once what is past its deadline at wall has become a ghost.
func (s *Store) find(p *partition, k Key, wall int64) entry {
	s.wall = wall
	e := s.lookup(p, k)
	if e.record() && s.met.deadline.Passed(wall) {
		e = s.expire(p, k.Hash, e)
	}
	return e
}

// pointsAt returns where the index has the entry that lies at loc, if that is live.
func (s *Store) pointsAt(loc uint64, b []byte) (spot, bool) {
	if b[0]&flagBlock != 0 && blockOf(b, sizeOf(b)) == noBlock {
		return spot{}, false
	}
	p := &s.partitions[partitionOf(b)]
	for x := s.probe(p, s.hashOf(b)); x.mem != nil; {
		at, slot, ok := x.next()
		if !ok {
			break
		}
		if slot&placeMask == loc {
			return at, true
		}
	}
	return spot{}, false
}

// at returns a partition of this shard by its number in the cluster.
func (s *Store) at(number uint32) *partition {
	if number%s.shards != s.shard {
		panic(fmt.Sprintf("storage: partition %d does not belong to shard %d of %d", number, s.shard, s.shards))
	}
	return &s.partitions[number/s.shards]
}
