package storage

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/shoalcache/shoal/vclock"
)

// wall is the time at which tests happen; deadlines lie around it.
const wall = 1_700_000_000_000

var (
	alice = vclock.Actor{Node: 1, Boot: 1}
	bob   = vclock.Actor{Node: 2, Boot: 1}
)

// TestMain lets the laws run a few thousand cases each, well within seconds; -rapid.checks=N on the
// command line wins.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.seed", "1") // the same cases each time; make laws draws others
	_ = flag.Set("rapid.checks", "3000")
	flag.Parse()
	if testing.Short() {
		_ = flag.Set("rapid.checks", "100")
	}
	os.Exit(m.Run())
}

// given are hashes that tests say keys have.
var given = map[string]uint64{}

func testHash(b []byte) uint64 {
	if h, ok := given[string(b)]; ok {
		return h
	}
	return sum64(b)
}

func sum64(b []byte) uint64 { return xxhash.Sum64(b) }

func newStore(t testing.TB, c Config) *Store {
	t.Helper()
	if c.BytesMax == 0 {
		c.BytesMax = 1 << 20
	}
	if c.Partitions == 0 {
		c.Partitions, c.Shards = 4, 1
	}
	if c.Hash == nil {
		c.Hash = testHash
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// key makes the key of a name; its partition is one of four.
func key(name string) Key {
	delete(given, name)
	h := sum64([]byte(name))
	return Key{Bytes: []byte(name), Hash: h, Partition: uint32(h>>32) % 4}
}

func dot(a vclock.Actor, stamp vclock.Stamp) vclock.Dot { return vclock.Dot{Actor: a, Stamp: stamp} }

// value is a version written by a, having seen what is given.
func value(a vclock.Actor, stamp vclock.Stamp, v string, seen ...vclock.Dot) *vclock.Set {
	set := &vclock.Set{Dot: dot(a, stamp), Value: []byte(v)}
	for _, d := range seen {
		set.Context.Add(d)
	}
	return set
}

func until(set *vclock.Set, at int64, stamp vclock.Stamp) *vclock.Set {
	set.Deadline = vclock.Deadline{At: at, Stamp: stamp}
	return set
}

func copied(s vclock.Set) vclock.Set {
	s.Value = slices.Clone(s.Value)
	s.Context = s.Context.CopyInto(nil)
	return s
}

func identical(a, b *vclock.Set) bool {
	return a.Compare(b) == vclock.Equal && a.Deadline == b.Deadline && a.Context.Equal(&b.Context)
}

func mustPut(t *testing.T, s *Store, k Key, set *vclock.Set) {
	t.Helper()
	if k.Hash != testHash(k.Bytes) {
		given[string(k.Bytes)] = k.Hash
	}
	if r := s.Put(k, set, wall); r.Outcome != Stored {
		t.Fatalf("put of %q at %v: %v", k.Bytes, set.Dot.Stamp, r.Outcome)
	}
}

var fillers int // so far

// evict puts other keys of the same partition, which are asked for, until k is no longer held.
func evict(t *testing.T, s *Store, k Key) {
	t.Helper()
	for range 10_000 {
		if set, _ := s.Peek(k, wall); set.IsZero() {
			return
		}
		fillers++
		filler := key(fmt.Sprintf("filler %d", fillers))
		filler.Partition = k.Partition
		mustPut(t, s, filler, value(alice, 1, strings.Repeat("x", 200)))
		s.Get(filler, wall)
	}
	t.Fatalf("%q is never evicted", k.Bytes)
}

func TestValidateReturnsEveryProblemAtOnce(t *testing.T) {
	for _, c := range []struct {
		config   Config
		problems int
	}{
		{Config{}, 3},
		{Config{BytesMax: 1 << 20, Partitions: 4, Shards: 1, Hash: sum64}, 0},
		{Config{BytesMax: 1 << 20, Partitions: 4, Shards: 1, Shard: 1, Hash: sum64}, 1},
		{Config{BytesMax: 1 << 20, Partitions: 4, Shards: 5, Hash: sum64}, 1},
		{Config{BytesMax: 1 << 20, GhostBytesMax: 1 << 20, RecordBytesMax: -1, Partitions: 4, Shards: 1, Hash: sum64}, 2},
		{Config{BytesMax: 1 << 20, GhostBytesMax: 1, RecordBytesMax: 2 << 30, Partitions: 4, Shards: 1, Hash: sum64}, 2},
	} {
		_, err := New(c.config)
		problems := 0
		if err != nil {
			if !errors.Is(err, ErrConfig) {
				t.Errorf("%+v: %v is no ErrConfig", c.config, err)
			}
			problems = len(err.(interface{ Unwrap() []error }).Unwrap())
		}
		if problems != c.problems {
			t.Errorf("%d problems, want %d: %v", problems, c.problems, err)
		}
	}
}

func TestAnEmptyStoreAnswersNothingWithFloorZero(t *testing.T) {
	s := newStore(t, Config{})
	if set, floor := s.Get(key("a"), wall); !set.IsZero() || floor != 0 {
		t.Errorf("got %v, floor %v", set, floor)
	}
	if st := s.Stats(); st.Misses != 1 || st.Hits != 0 || st.BytesUsed != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestGetReturnsEveryPartOfWhatWasPut(t *testing.T) {
	s := newStore(t, Config{})
	set := until(value(alice, 9, "value", dot(bob, 5), dot(vclock.Actor{Node: 3, Boot: 7}, 6)), wall+1, 8)
	set.Context.Floor = 2
	mustPut(t, s, key("a"), set)
	got, floor := s.Get(key("a"), wall)
	if !identical(&got, set) || floor != 0 {
		t.Errorf("got %+v, floor %v, want %+v", got, floor, set)
	}
	gone := &vclock.Set{Dot: dot(bob, 10), Tombstone: true, Context: vclock.Context{Seen: []vclock.Dot{set.Dot}}}
	mustPut(t, s, key("a"), gone)
	if got, _ := s.Get(key("a"), wall); !got.Tombstone || got.Dot != gone.Dot || len(got.Value) != 0 {
		t.Errorf("got %+v, want the tombstone", got)
	}
	if st := s.Stats(); st.Keys != 0 || st.Tombstones != 1 || st.Hits != 1 || st.Misses != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestThePutCopiesWhatItKeeps(t *testing.T) {
	s := newStore(t, Config{})
	k, set := key("a"), value(alice, 9, "value", dot(bob, 5))
	mustPut(t, s, k, set)
	set.Value[0], set.Context.Seen[0].Stamp, k.Bytes[0] = 'X', 1, 'X'
	if got, _ := s.Get(key("a"), wall); string(got.Value) != "value" || got.Context.Seen[0].Stamp != 5 {
		t.Errorf("got %+v", got)
	}
}

func TestAKeyOfAnotherShardPanics(t *testing.T) {
	s := newStore(t, Config{Partitions: 8, Shard: 1, Shards: 2})
	s.Get(Key{Partition: 7}, wall)
	defer func() {
		if recover() == nil {
			t.Error("partition 2 was served by shard 1 of 2")
		}
	}()
	s.Get(Key{Partition: 2}, wall)
}

func TestAddLeavesNoCountOut(t *testing.T) {
	var one, sum Stats
	fields := reflect.ValueOf(&one).Elem()
	for i := range fields.NumField() {
		if f := fields.Field(i); f.CanInt() {
			f.SetInt(int64(i) + 1)
		} else {
			f.SetUint(uint64(i) + 1)
		}
	}
	sum.Add(one)
	if sum != one {
		t.Errorf("%+v added to nothing is %+v", one, sum)
	}
	if sum.Add(one); sum.Keys != 2*one.Keys || sum.Forked != 2*one.Forked {
		t.Errorf("%+v added twice is %+v", one, sum)
	}
}
