package storage

import "testing"

// collide makes keys of one hash in one partition.
func collide(name string) Key {
	given[name] = 42
	return Key{Bytes: []byte(name), Hash: 42, Partition: 3}
}

// Invariant 1, where two keys share an entry.
func TestACollidingKeyIsAFalseMissAndNeverAStaleHit(t *testing.T) {
	s := newStore(t, Config{})
	a, b := collide("a"), collide("b")
	mustPut(t, s, a, value(alice, 10, "of a"))
	if set, floor := s.Get(b, wall); !set.IsZero() || floor != 10 {
		t.Errorf("b: %q, floor %v, want nothing and the other key's 10", set.Value, floor)
	}
	if r := s.Put(b, value(alice, 10, "of b"), wall); r.Outcome != Behind || r.Known.Stamp != 10 || r.Conflict {
		t.Errorf("b at the stamp of a: %+v", r)
	}
	if r := s.Retime(b, dot(alice, 10), until(value(alice, 1, ""), wall, 99).Deadline, wall); r.Outcome != Gone {
		t.Errorf("retime of b: %v", r.Outcome)
	}
	if set, _ := s.Get(a, wall); string(set.Value) != "of a" || set.Deadline.At != 0 {
		t.Errorf("a: %+v", set)
	}

	if r := s.Put(b, value(bob, 20, "of b"), wall); r.Outcome != Stored || r.Conflict {
		t.Errorf("b above a: %+v", r)
	}
	if set, _ := s.Get(b, wall); string(set.Value) != "of b" || len(set.Context.Seen) != 0 {
		t.Errorf("b: %+v", set)
	}
	if set, floor := s.Get(a, wall); !set.IsZero() || floor != 20 {
		t.Errorf("a: %q, floor %v, want nothing and 20", set.Value, floor)
	}
	if r := s.Put(a, value(alice, 10, "of a"), wall); r.Outcome != Behind {
		t.Errorf("a came back below b: %v", r.Outcome)
	}
	if records, ghosts := s.Count(3); records != 1 || ghosts != 0 || s.Stats().Evicted != 1 {
		t.Errorf("%d records, %d ghosts, %d evicted", records, ghosts, s.Stats().Evicted)
	}
}

func TestTheGhostOfAKeyHoldsForEveryKeyOfItsHash(t *testing.T) {
	s := newStore(t, Config{})
	mustPut(t, s, collide("a"), until(value(alice, 10, "of a"), wall, 10))
	if _, floor := s.Get(collide("b"), wall); floor != 10 {
		t.Errorf("floor %v, want 10", floor)
	}
	mustPut(t, s, collide("b"), value(alice, 11, "of b"))
	if _, floor := s.Get(collide("a"), wall); floor != 11 {
		t.Errorf("floor %v of the key whose ghost was taken, want 11", floor)
	}
}

func TestOneHashInTwoPartitionsIsTwoKeys(t *testing.T) {
	s := newStore(t, Config{})
	a, b := collide("a"), collide("b")
	b.Partition = 2
	mustPut(t, s, a, value(alice, 10, "of a"))
	mustPut(t, s, b, value(alice, 5, "of b"))
	s.Drop(b.Partition)
	if set, floor := s.Get(a, wall); string(set.Value) != "of a" || floor != 0 {
		t.Errorf("a: %q, floor %v", set.Value, floor)
	}
}
