package bench

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/shoalcache/shoal/wire"
)

// shelf is a store in memory that a fake node serves, and that may lie.
type shelf struct {
	mu     sync.Mutex
	random *rand.Rand
	values map[string][]byte
	first  map[string][]byte // the first value ever of each key
	late   map[string][]byte // writes that failed, and happen later
	gets   int
	lie    func(s *shelf, q *wire.Request, value []byte) []byte // what every tenth get finds; nil: the truth
	flaky  bool                                                 // writes fail, and happen or do not or do later; reads miss
}

func (s *shelf) answer(q *wire.Request) *wire.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, key := &wire.Response{ID: q.ID}, string(q.Key)
	if q.Op == wire.OpGet {
		value, ok := s.values[key]
		s.gets++
		switch {
		case !ok || s.flaky && s.random.IntN(10) == 0:
			p.Status = wire.StatusNotFound
		case s.lie != nil && s.gets%10 == 0:
			p.Value = s.lie(s, q, value)
		default:
			p.Value = value
		}
		return p
	}
	if value, ok := s.late[key]; ok && s.random.IntN(3) == 0 {
		delete(s.late, key)
		s.values[key] = value
	}
	value := bytes.Clone(q.Value)
	if s.flaky && s.random.IntN(5) == 0 {
		p.Status = wire.StatusTimeout
		switch s.random.IntN(4) {
		case 0:
			s.values[key] = value
		case 1:
			s.late[key] = value
		case 2:
			p.Status = wire.StatusOverloaded
		}
		return p
	}
	if _, ok := s.first[key]; !ok {
		s.first[key] = value
	}
	s.values[key] = value
	return p
}

// verified drives a shelf with many writers of few keys.
func verified(t *testing.T, s *shelf) Report {
	t.Helper()
	s.random, s.values, s.first, s.late = seeded(), map[string][]byte{}, map[string][]byte{}, map[string][]byte{}
	r, err := Run(t.Context(), Config{
		Addrs: []string{fake(t, s.answer)}, Conns: 6, Depth: 8, Requests: 6000, ReadShare: 0.4, ModifyShare: 0.2, Keys: 7,
		Sizes: []Size{{Least: stampBytes, Most: 200, Weight: 1}}, Load: true, Verify: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 6000 || r.Verified.Reads < 1500 {
		t.Fatalf("%+v, %+v", r, r.Verified)
	}
	return r
}

// I2
func TestVerifyFindsNothingWrongWithAStoreThatIsRight(t *testing.T) {
	if r := verified(t, &shelf{}); r.Verified.Bad() != 0 || r.Failed() != 0 || r.Misses != 0 {
		t.Fatalf("%+v, %+v", r.Verified, r)
	}
}

// Writes that fail and happen nevertheless, at once or later, and misses are no reason to suspect a store.
func TestVerifyRaisesNoFalseAlarm(t *testing.T) {
	r := verified(t, &shelf{flaky: true})
	if r.Verified.Bad() != 0 || r.Misses == 0 || r.Indeterminate == 0 || r.Errors["overloaded"] == 0 || r.Indeterminate != r.Errors["timeout"] {
		t.Fatalf("%+v, %+v", r.Verified, r)
	}
}

func TestVerifyCatchesAStoreThatLies(t *testing.T) {
	for name, c := range map[string]struct {
		lie  func(s *shelf, q *wire.Request, value []byte) []byte
		what func(v *Verified) (caught, others uint64)
	}{
		"an old value": {
			func(s *shelf, q *wire.Request, _ []byte) []byte { return s.first[string(q.Key)] },
			func(v *Verified) (uint64, uint64) { return v.Stale, v.Corrupt + v.Foreign },
		},
		"another key's value": {
			func(s *shelf, q *wire.Request, value []byte) []byte {
				for key, other := range s.values {
					if key != string(q.Key) {
						return other
					}
				}
				return value
			},
			func(v *Verified) (uint64, uint64) { return v.Foreign, v.Corrupt + v.Stale },
		},
		"a flipped bit": {
			func(s *shelf, _ *wire.Request, value []byte) []byte {
				value = bytes.Clone(value)
				value[s.random.IntN(len(value))] ^= 1 << s.random.IntN(8)
				return value
			},
			func(v *Verified) (uint64, uint64) { return v.Corrupt, v.Stale + v.Foreign },
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := verified(t, &shelf{lie: c.lie})
			caught, others := c.what(r.Verified)
			if lies := r.Verified.Reads / 10; caught < lies*9/10 || caught > lies+1 || others != 0 {
				t.Fatalf("%d lies: %+v", lies, r.Verified)
			}
		})
	}
}

// The last resort: with more writes under way than the history can tell apart, some become reads.
func TestVerifyEndsWithFewerKeysThanWriters(t *testing.T) {
	s := &shelf{values: map[string][]byte{}, first: map[string][]byte{}}
	r, err := Run(t.Context(), Config{Addrs: []string{fake(t, s.answer)}, Conns: 2, Depth: 64, Requests: 2000, ReadShare: 0.01, Keys: 2, Verify: true})
	if err != nil || r.Requests != 2000 || r.Writes == 0 || r.Reads == 0 || r.Verified.Bad() != 0 {
		t.Fatalf("%+v, %+v, %v", r, r.Verified, err)
	}
}

func TestVerifiedRunsDoNotSeeWhatIsNotTheirs(t *testing.T) {
	addr := node(t)
	for range 2 {
		r, err := Run(t.Context(), Config{Addrs: []string{addr}, Conns: 4, Requests: 500, ReadShare: 0.5, Keys: 10, Verify: true})
		if err != nil || r.Verified.Bad() != 0 || r.Misses == 0 {
			t.Fatalf("%+v, %+v, %v", r, r.Verified, err)
		}
	}
}
