package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/vclock"
	"pgregory.net/rapid"
)

func TestPoliciesAreParsedByTheirNames(t *testing.T) {
	for i, name := range PolicyNames() {
		if p, err := ParsePolicy(name); err != nil || int(p) != i || p.String() != name {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	if _, err := ParsePolicy("LRU"); !errors.Is(err, ErrPolicy) || !strings.Contains(err.Error(), "use one of adaptive, s3fifo") {
		t.Errorf("%v", err)
	}
	if _, err := New(Config{BytesMax: 1 << 20, Policy: policies, Partitions: 1, Shards: 1, Hash: testHash}); !errors.Is(err, ErrConfig) {
		t.Errorf("%v", err)
	}
}

// drive looks keys up, puts what is missing, and returns how many hit.
func drive(s *Store, keys func(i int) int, n int) (hits int) {
	set := value(alice, s.newestStamp(), strings.Repeat("x", 100))
	for i := range n {
		set.Dot.Stamp++
		k := key(fmt.Sprint(keys(i)))
		if held, _ := s.Get(k, wall); !held.IsZero() {
			hits++
			continue
		}
		s.Put(k, set, wall)
	}
	return hits
}

// newestStamp is one that is not behind anything the store has been given by drive.
func (s *Store) newestStamp() vclock.Stamp { return vclock.Stamp(s.stats.Hits+s.stats.Misses) + 1 }

// exactLRU is what a cache of so many keys hits that forgets what was not asked for for the longest time.
func exactLRU(most int, keys func(i int) int, n int) (hits int) {
	at, order := map[int]int{}, []int{}
	for i := range n {
		k := keys(i)
		if _, ok := at[k]; ok {
			hits++
		}
		at[k] = i
		for order = append(order, k); len(at) > most; order = order[1:] {
			if first := i + 1 - len(order); at[order[0]] == first {
				delete(at, order[0])
			}
		}
	}
	return hits
}

func zipf(seed uint64, n uint64) func(int) int {
	z := rand.NewZipf(rand.New(rand.NewPCG(seed, 1)), 1.1, 1, n)
	drawn := []int{}
	return func(i int) int {
		for len(drawn) <= i {
			drawn = append(drawn, int(z.Uint64()))
		}
		return drawn[i]
	}
}

// recent draws, for each new key, two of the so many latest.
func recent(window int) func(int) int {
	rng := rand.New(rand.NewPCG(4, 5))
	drawn := []int{}
	return func(i int) int {
		for len(drawn) <= i {
			drawn = append(drawn, len(drawn)/2+rng.IntN(window))
		}
		return drawn[i]
	}
}

func TestLRUHitsAsAnExactOneOfAsManyKeys(t *testing.T) {
	for name, keys := range map[string]func(int) int{"skewed": zipf(1, 20_000), "recent": recent(1800)} {
		s := newStore(t, Config{BytesMax: 200 << 10, Policy: LRU})
		const n = 100_000
		got := drive(s, keys, n)
		want := exactLRU(s.Stats().Keys, keys, n)
		if got < want-n/30 || got > want+n/30 { // the newest third is not kept in order
			t.Errorf("%s: %d hits of %d, an exact one has %d", name, got, n, want)
		}
	}
}

func TestLFUKeepsWhatIsAskedForMostThroughAScan(t *testing.T) {
	s := newStore(t, Config{BytesMax: 100 << 10, Policy: LFU})
	scan := func(i int) int {
		if i%2 == 0 {
			return i / 2 % 200
		}
		return 1000 + i
	}
	drive(s, scan, 10_000)
	if hits := drive(s, scan, 10_000); hits < 4_990 {
		t.Errorf("%d of 5000 requests for what is in use hit", hits)
	}
}

// What stays is worth less with each round, whether or not it was asked for again: what was popular once is examined like the rest.
func TestLFUHalvesWhatARecordIsWorthWithEachRound(t *testing.T) {
	s := newStore(t, Config{Policy: LFU})
	for worth, want := range map[uint64]uint64{15: 7, 7: 3, 1: 0} {
		slot, keep := s.worthKeeping(main, worth<<worthShift)
		if worthOf(slot) != want || !keep {
			t.Errorf("%d: %d, kept %t", worth, worthOf(slot), keep)
		}
		if slot, keep = s.worthKeeping(small, worth<<worthShift); worthOf(slot) != worth || !keep {
			t.Errorf("%d, from the small log: %d, kept %t", worth, worthOf(slot), keep)
		}
	}
	if _, keep := s.worthKeeping(main, 0); keep {
		t.Error("what is worth nothing is kept")
	}
}

// What suits one kind of load does not suit another: the small log has much where what is new is asked for soon, and little where
// what is in use would just fit, and the rest is asked for once.
func TestAdaptiveTakesTheShareThatSuitsTheLoad(t *testing.T) {
	s := newStore(t, Config{BytesMax: 200 << 10})
	drive(s, recent(1000), 100_000)
	if s.smallShare < 250 {
		t.Errorf("%d thousandths where what is new is asked for soon", s.smallShare)
	}
	rng := rand.New(rand.NewPCG(6, 7))
	drive(s, func(i int) int {
		if i%2 == 0 {
			return 1_000_000 + rng.IntN(900)
		}
		return 2_000_000 + i
	}, 200_000)
	if s.smallShare > 100 {
		t.Errorf("%d thousandths where what is in use just fits", s.smallShare)
	}
}

// Of a loop that does not fit, and that ghosts do not reach round, what came first stays: one that began anew for each key would never hit.
func TestAdaptiveHitsOfALoopThatDoesNotFit(t *testing.T) {
	s := newStore(t, Config{BytesMax: 200 << 10})
	const keys, rounds = 4000, 20
	hits := drive(s, func(i int) int { return i % keys }, keys*rounds)
	if fit := s.Stats().Keys; hits < fit*(rounds-1)*8/10 {
		t.Errorf("%d of %d hit, of each round %d could", hits, keys*rounds, fit)
	}
}

// What was asked for often is not driven out by what is asked for twice in a row, and then no more.
func TestAdaptiveKeepsWhatIsWorthMore(t *testing.T) {
	s := newStore(t, Config{BytesMax: 200 << 10})
	const hot = 500
	drive(s, func(i int) int { return i % hot }, 20*hot)
	drive(s, func(i int) int { return 1_000_000 + i/2 }, 10_000)
	if hits := drive(s, func(i int) int { return i }, hot); hits < hot*9/10 {
		t.Errorf("%d of %d are left", hits, hot)
	}
}

// A shadow that sees every key, with the share that the store has all along, hits as often.
func TestAShadowHitsAsTheStoreDoes(t *testing.T) {
	s := newStore(t, Config{BytesMax: 30 << 10})
	x := s.shadows
	x.took = smallShareFirst
	keys, n := zipf(2, 2000), 30_000
	asked := 0
	hits := 0
	for i := range n {
		x.asked = 0 // no share is ever chosen
		hits += drive(s, func(int) int { return keys(i) }, 1)
		asked++
	}
	missed := int(x.each[smallShareFirst].misses >> missShift)
	if got := asked - missed; x.rate != 0 || got < hits-n/100 || got > hits+n/100 {
		t.Errorf("%d hits, the store %d, rate %d", got, hits, x.rate)
	}
	if a, b := x.each[0].misses, x.each[len(x.each)-1].misses; a == b {
		t.Error("shares make no difference")
	}
}

func TestShadowsAreBoundedAndWatchASampleWhereKeysAreMany(t *testing.T) {
	s := newStore(t, Config{BytesMax: 8 << 20})
	drive(s, zipf(3, 1_000_000), 300_000)
	x := s.shadows
	if x.rate == 0 {
		t.Error("every key is watched")
	}
	for i := range x.each {
		if n := len(x.each[i].nodes) - 1; n > shadowKeys(8<<20) || n < shadowLeast/2 {
			t.Errorf("shadow %d knows %d keys", i, n)
		}
	}
	if got := ShadowBytes(8 << 20); got > 8<<20/shadowPart {
		t.Errorf("shadows may take %d bytes", got)
	}
}

// verify checks that lists, chains and counts tell the same.
func (x *shadows) verify(t *rapid.T) {
	for i := range x.each {
		sh := &x.each[i]
		in := 0
		for list := range sh.lists {
			l := &sh.lists[list]
			nodes, bytes := 0, int64(0)
			for n, older := l.oldest, uint16(0); n != 0; n, older = sh.nodes[n].newer, n {
				g := &sh.nodes[n]
				nodes++
				bytes += int64(g.bytes)
				if int(g.list) != list || g.older != older || sh.find(g.key) != n || g.newer == 0 && l.newest != n {
					t.Fatalf("shadow %d, list %d: node %d is wrong: %+v", i, list, n, g)
				}
			}
			if nodes != l.nodes || bytes != l.bytes {
				t.Fatalf("shadow %d, list %d: %d nodes of %d bytes, and counts %+v", i, list, nodes, bytes, l)
			}
			in += nodes
		}
		for n := sh.unused; n != 0; n = sh.nodes[n].chain {
			in++
		}
		if in != len(sh.nodes)-1 {
			t.Fatalf("shadow %d: %d nodes of %d", i, in, len(sh.nodes)-1)
		}
	}
}

// full is a store that evicts nothing, filled until it takes no more.
func full(t *testing.T) *Store {
	s := newStore(t, Config{BytesMax: 64 << 10, Policy: None})
	for i := range 10_000 {
		if r := s.Put(key(fmt.Sprint("filler ", i)), value(alice, 5, strings.Repeat("x", 100)), wall); r.Outcome == Full {
			if i < 200 {
				t.Fatalf("full after %d records", i)
			}
			return s
		}
	}
	t.Fatal("is never full")
	return nil
}

func TestAStoreThatEvictsNothingRefusesWhatDoesNotFitAndReadsGoOn(t *testing.T) {
	s := full(t)
	before := s.Stats()
	for i := range 1000 {
		if r := s.Put(key(fmt.Sprint("more ", i)), value(alice, 5, strings.Repeat("x", 100)), wall); r.Outcome != Full {
			t.Fatalf("put %d: %v", i, r.Outcome)
		}
	}
	for i := range before.Keys {
		if set, floor := s.Get(key(fmt.Sprint("filler ", i)), wall); len(set.Value) != 100 || floor != 0 {
			t.Fatalf("filler %d: %+v, floor %v", i, set, floor)
		}
	}
	if st := s.Stats(); st.Evicted != 0 || st.Keys != before.Keys {
		t.Errorf("%+v, before %+v", st, before)
	}
	if r := s.Put(key("filler 1"), value(bob, 6, strings.Repeat("y", 100)), wall); r.Outcome != Stored {
		t.Errorf("as long a value for a key it holds: %v", r.Outcome)
	}
	deleted := value(alice, 7, "")
	deleted.Tombstone = true
	for i := range 50 {
		if r := s.Put(key(fmt.Sprint("filler ", i)), deleted, wall); r.Outcome != Stored {
			t.Fatalf("deletion %d: %v", i, r.Outcome)
		}
	}
	if r := s.Put(key("more 1"), value(alice, 5, strings.Repeat("x", 100)), wall); r.Outcome != Stored {
		t.Errorf("once there is room: %v", r.Outcome)
	}
}

// Who has heard of a newer version must not go on telling the older one.
func TestAStoreThatEvictsNothingForgetsTheOlderVersionOfWhatItHasNoRoomFor(t *testing.T) {
	s := full(t)
	k := key("filler 3")
	if r := s.Put(k, value(bob, 9, strings.Repeat("y", 20_000), dot(alice, 5)), wall); r.Outcome != Full {
		t.Fatalf("%v", r.Outcome)
	}
	if set, floor := s.Get(k, wall); !set.IsZero() || floor != 5 || s.Ghost(k).Stamp != 5 {
		t.Errorf("%+v, floor %v", set, floor)
	}
	if r := s.Put(k, value(bob, 9, "short", dot(alice, 5)), wall); r.Outcome != Stored {
		t.Errorf("the newer one, where it fits: %v", r.Outcome)
	}
}
