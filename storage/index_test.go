package storage

import (
	"fmt"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

// Another store tells its keys in an order of its own, and it may be this one's.
func TestKeysThatComeInTheOrderOfTheIndexAreAllHeld(t *testing.T) {
	for _, parts := range []uint32{1, 64} {
		var keys []string
		s := newStore(t, Config{BytesMax: 8 << 20, Partitions: parts, Shards: 1, Hash: sum64})
		mk := func(name string) Key {
			b := []byte(name)
			h := sum64(b)
			return Key{Bytes: b, Hash: h, Partition: uint32(sum64(append([]byte("p"), b...))) % parts}
		}
		stamp := vclock.Stamp(1)
		for i := range 5000 {
			stamp++
			mustPut(t, s, mk(fmt.Sprintf("k%d", i)), value(alice, stamp, fmt.Sprint("v", i)))
		}
		for p := range parts {
			s.Walk(p, 0, 1<<30, func(b []byte, _ *vclock.Set, _ vclock.Stamp) { keys = append(keys, string(b)) }, nil)
		}
		if len(keys) != 5000 {
			t.Errorf("%d parts: walked %d", parts, len(keys))
		}
		for round := range 3 {
			if round != 1 {
				s = newStore(t, Config{BytesMax: 8 << 20, Partitions: parts, Shards: 1, Hash: sum64})
			}
			for _, k := range keys {
				stamp++
				mustPut(t, s, mk(k), value(alice, stamp, "v"+k[1:]))
			}
			n := 0
			for p := range parts {
				for c := uint64(0); ; {
					c = s.Walk(p, c, 500, func(b []byte, _ *vclock.Set, _ vclock.Stamp) { n++ }, nil)
					if c == 0 {
						break
					}
				}
			}
			for _, k := range keys {
				if got, _ := s.Get(mk(k), wall); got.IsZero() {
					t.Errorf("%d parts: round %d: %s is lost", parts, round, k)
				}
			}
			if n != 5000 {
				t.Errorf("%d parts: round %d walked %d", parts, round, n)
			}
		}
	}
}
