package storage

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/shoalcache/shoal/vclock"
	"pgregory.net/rapid"
)

// pool is memory of several stores that hands out anew what was given back, as an arena does, and holds everyone to it: nobody gives
// twice or what is not his, nobody writes what he has given back, and all take no more than limit.
type pool struct {
	mu     sync.Mutex
	limit  int64
	now    int64
	owners map[*byte]*lease
	idle   map[int][][]byte // by size, filled with givenBack
	wrong  string           // what was done against the rules first
}

// lease is a store's part in a pool.
type lease struct {
	*pool
	now int64
}

// givenBack fills what was given back, so that who still reads it sees.
const givenBack = 0xdd

func newPool(limit int64) *pool {
	return &pool{limit: limit, owners: map[*byte]*lease{}, idle: map[int][][]byte{}}
}

func (l *lease) Take(n int) (b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if idle := l.idle[n]; len(idle) > 0 {
		b, l.idle[n] = idle[0], idle[1:]
	} else {
		b = make([]byte, n)
		fill(b)
	}
	for i := range b {
		if b[i] != givenBack {
			l.fault("%d bytes were written at %d after they had been given back", n, i)
			break
		}
	}
	l.owners[&b[0]] = l
	l.now += int64(n)
	if l.pool.now += int64(n); l.pool.now > l.limit {
		l.fault("%d bytes are taken of %d", l.pool.now, l.limit)
	}
	return b
}

func (l *lease) Give(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owners[&b[0]] != l {
		l.fault("%d bytes were given back twice, or by another store", len(b))
		return
	}
	delete(l.owners, &b[0])
	l.now -= int64(len(b))
	l.pool.now -= int64(len(b))
	fill(b)
	l.idle[len(b)] = append(l.idle[len(b)], b)
}

func (p *pool) fault(format string, args ...any) {
	if p.wrong == "" {
		p.wrong = fmt.Sprintf(format, args...)
	}
}

func fill(b []byte) {
	for i := range b {
		b[i] = givenBack
	}
}

// shard is a store behind its lock, as a node has them, and the latest stamp stored of each key.
type shard struct {
	mu     sync.Mutex
	s      *Store
	memory *lease
	now    int64
	stamp  vclock.Stamp
	latest [shardPartitions]map[string]vclock.Stamp
	hits   int
	misses int
}

const (
	shardPartitions = 8
	shardKeys       = 3000
)

// Four stores of one memory, each behind its lock, under all that clients and time do to them at once: what is read is what was written
// last under that key, to the last byte, or nothing, and all memory is accounted for. Answers are read while the lock is held: they are
// good until the next call.
func TestShardsOfOneMemoryNeverMixUpWhatTheyHold(t *testing.T) { // I16
	steps := 40_000
	if testing.Short() {
		steps = 6_000
	}
	policies := []Policy{Adaptive, S3FIFO, LRU, LFU}
	memory, shards := newPool(0), []*shard{}
	for i, policy := range policies {
		x := &shard{memory: &lease{pool: memory}, now: wall}
		x.s = newStore(t, Config{
			BytesMax: 150<<10 + int64(i)*50<<10, Policy: policy, Partitions: shardPartitions * uint32(len(policies)),
			Shard: uint32(i), Shards: uint32(len(policies)), Hash: sum64, Seed: uint64(i) * 0x9e3779b97f4a7c15, Memory: x.memory,
		})
		memory.limit += x.s.stats.BytesMax + x.s.recordBytesMax // which it may take before it has made room
		for p := range x.latest {
			x.latest[p] = map[string]vclock.Stamp{}
		}
		shards = append(shards, x)
	}
	var workers sync.WaitGroup
	for w := range 6 {
		workers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 5))
			for range steps {
				if err := shards[rng.IntN(len(shards))].step(rng); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	workers.Wait()
	for _, x := range shards {
		st := x.s.Stats()
		if x.hits < steps/20 || x.misses == 0 || st.Evicted == 0 || st.Expired == 0 {
			t.Errorf("%v: %d hits, %d misses, %+v", x.s.policy, x.hits, x.misses, st)
		}
		verified(t, x.s)
		for p := range uint32(shardPartitions) {
			x.s.Drop(p*x.s.shards + x.s.shard)
		}
		if x.s.settle(); x.s.stats.BytesUsed != 0 || x.s.blockBytes != 0 {
			t.Errorf("%v: %d bytes of blocks are left, %+v", x.s.policy, x.s.blockBytes, x.s.Stats())
		}
	}
	if memory.wrong != "" {
		t.Error(memory.wrong)
	}
}

// step is what one request, or time, does to a shard.
func (x *shard) step(rng *rand.Rand) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	often := rng.Float64()
	name := fmt.Sprint("key ", int(often*often*often*shardKeys))
	k := Key{Bytes: []byte(name), Hash: sum64([]byte(name))}
	p := int(k.Hash>>32) % shardPartitions
	k.Partition = uint32(p)*x.s.shards + x.s.shard
	switch op := rng.IntN(1000); {
	case op < 450:
		if err := x.read(k, x.latest[p][name]); err != nil {
			return err
		}
	case op < 850:
		x.stamp += 2 // a mark may lie one above a stamp
		set := value(alice, x.stamp, "")
		set.Value = checked(k.Bytes, x.stamp, sizes(rng))
		if op%3 == 0 {
			until(set, x.now+rng.Int64N(3000), x.stamp)
		}
		if err := x.put(p, k, set); err != nil {
			return err
		}
	case op < 900:
		x.stamp += 2
		set := until(&vclock.Set{Dot: dot(alice, x.stamp), Tombstone: true}, x.now+2000, x.stamp)
		if err := x.put(p, k, set); err != nil {
			return err
		}
	case op < 930: // what was just read is handed in again, as it lies there
		if set, _ := x.s.Get(k, x.now); len(set.Value) > 0 {
			if r := x.s.Put(k, &set, x.now); r.Outcome != Known {
				return fmt.Errorf("%s again: %+v", name, r)
			}
		}
	case op < 960:
		x.s.Retime(k, dot(alice, x.latest[p][name]), vclock.Deadline{At: x.now + rng.Int64N(2000), Stamp: x.stamp}, x.now)
	case op < 998:
		x.now += rng.Int64N(100)
		x.s.Tick(x.now, nil)
	default:
		x.s.Drop(k.Partition)
		clear(x.latest[p])
	}
	if x.memory.now > x.s.stats.BytesMax {
		return fmt.Errorf("%v: %d bytes are taken of %d", x.s.policy, x.memory.now, x.s.stats.BytesMax)
	}
	return nil
}

func (x *shard) put(p int, k Key, set *vclock.Set) error {
	x.latest[p][string(k.Bytes)] = x.stamp
	if r := x.s.Put(k, set, x.now); r.Outcome != Stored {
		return fmt.Errorf("%v: %s at %v: %+v", x.s.policy, k.Bytes, x.stamp, r)
	}
	if set.Tombstone || set.Deadline.Passed(x.now) {
		return nil
	}
	held, _ := x.s.Peek(k, x.now)
	return right(k.Bytes, &held, x.stamp)
}

func (x *shard) read(k Key, latest vclock.Stamp) error {
	set, floor := x.s.Get(k, x.now)
	switch {
	case set.IsZero() && floor < latest:
		return fmt.Errorf("%v: %s is gone, floor %v, and was stored at %v", x.s.policy, k.Bytes, floor, latest)
	case set.IsZero():
		x.misses++
		return nil
	case set.Deadline.Passed(x.now):
		return fmt.Errorf("%v: %s is told at %d, and its deadline is %d", x.s.policy, k.Bytes, x.now, set.Deadline.At)
	case set.Tombstone && set.Dot.Stamp == latest:
		return nil
	}
	x.hits++
	return right(k.Bytes, &set, latest)
}

// sizes are mostly small, and up to 64 KiB.
func sizes(rng *rand.Rand) int {
	switch n := rng.IntN(100); {
	case n < 80:
		return 16 + rng.IntN(300)
	case n < 97:
		return 16 + rng.IntN(4<<10)
	default:
		return 16 + rng.IntN(64<<10-15)
	}
}

// checked is a value of n bytes: its stamp, a sum over its key and all of it, and bytes that follow from the stamp.
func checked(key []byte, stamp vclock.Stamp, n int) []byte {
	b := make([]byte, n)
	binary.LittleEndian.PutUint64(b, uint64(stamp))
	x := uint64(stamp)
	for i := 16; i < n; i++ {
		x = x*6364136223846793005 + 1442695040888963407
		b[i] = byte(x >> 56)
	}
	binary.LittleEndian.PutUint64(b[8:], sumOf(key, b))
	return b
}

func sumOf(key, b []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(key)
	_, _ = d.Write(b[:8])
	_, _ = d.Write(b[16:])
	return d.Sum64()
}

// right tells what is wrong with a version of a key that is held, if anything is.
func right(key []byte, set *vclock.Set, stamp vclock.Stamp) error {
	switch b := set.Value; {
	case set.Dot.Stamp != stamp:
		return fmt.Errorf("%s is held at %v, and was stored at %v", key, set.Dot.Stamp, stamp)
	case len(b) < 16 || binary.LittleEndian.Uint64(b) != uint64(stamp) || binary.LittleEndian.Uint64(b[8:]) != sumOf(key, b):
		return fmt.Errorf("%s at %v holds %d bytes that are not its own", key, stamp, len(b))
	}
	return nil
}

// verified is Store.verify outside of rapid's laws.
func verified(t *testing.T, s *Store) {
	t.Helper()
	rapid.MakeFuzz(func(t *rapid.T) { s.verify(t) })(t, nil)
}
