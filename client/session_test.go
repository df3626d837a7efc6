package client

import (
	"errors"
	"fmt"
	"testing"

	"github.com/shoalcache/shoal/wire"
)

// staleNode is a node whose answers the test says, by level; writes get a stamp each, from 10 on.
type staleNode struct {
	*fake
	answers map[Level]wire.Response
	stamp   uint64
	asked   []Level
}

func newStaleNode(t *testing.T) *staleNode {
	n := &staleNode{fake: newFake(t), answers: map[Level]wire.Response{}, stamp: 9}
	n.answer = func(q *wire.Request, reply func(*wire.Response)) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if q.Op.Writes() {
			n.stamp++
			reply(&wire.Response{Stamp: n.stamp})
			return
		}
		n.asked = append(n.asked, q.Level)
		r := n.answers[q.Level]
		if q.Op == wire.OpMGet {
			r = wire.Response{}
			for range q.Keys {
				it := n.answers[q.Level]
				r.Items = append(r.Items, wire.Item{Status: it.Status, Stamp: it.Stamp, Value: it.Value})
			}
		}
		reply(&r)
	}
	return n
}

func told(value string, stamp uint64) wire.Response {
	return wire.Response{Value: []byte(value), Stamp: stamp}
}

// I10.
func TestASessionReadsWhatItHasWrittenWhoeverAnswersFirst(t *testing.T) {
	n := newStaleNode(t)
	c, s := dial(t, nil, n.fake), NewSession(0)
	if err := c.Set(t.Context(), "k", nil, WithSession(s)); err != nil { // stamped 10
		t.Fatal(err)
	}
	for _, step := range []struct {
		name             string
		one, quorum, all wire.Response
		want             string
		err              error
		asked            []Level
	}{
		{"fresh", told("new", 10), told("x", 99), told("x", 99), "new", nil, []Level{wire.LevelOne}},
		{"stale at one", told("old", 9), told("new", 10), told("x", 99), "new", nil, []Level{wire.LevelOne, wire.LevelQuorum}},
		{"stale at a quorum", told("old", 9), told("old", 9), told("new", 10), "new", nil, []Level{wire.LevelOne, wire.LevelQuorum, wire.LevelAll}},
		{"a miss at one", wire.Response{Status: wire.StatusNotFound}, told("new", 10), told("x", 99), "new", nil, []Level{wire.LevelOne, wire.LevelQuorum}},
		{"a miss that may have been forgotten", wire.Response{Status: wire.StatusNotFound, Forgotten: true}, told("x", 99), told("x", 99), "", ErrNotFound, []Level{wire.LevelOne}},
		{"a later one", told("later", 12), told("x", 99), told("x", 99), "later", nil, []Level{wire.LevelOne}},
		{"never back", told("new", 10), told("later", 12), told("x", 99), "later", nil, []Level{wire.LevelOne, wire.LevelQuorum}},
		{"deleted since", wire.Response{Status: wire.StatusNotFound, Stamp: 13}, told("x", 99), told("x", 99), "", ErrNotFound, []Level{wire.LevelOne}},
	} {
		n.answers = map[Level]wire.Response{wire.LevelOne: step.one, wire.LevelQuorum: step.quorum, wire.LevelAll: step.all}
		n.asked = nil
		got, err := c.Get(t.Context(), "k", WithLevel(wire.LevelOne), WithSession(s))
		if string(got) != step.want || !errors.Is(err, step.err) || fmt.Sprint(n.asked) != fmt.Sprint(step.asked) {
			t.Errorf("%s: %q, %v, asked %v", step.name, got, err, n.asked)
		}
	}
	if got, err := c.Get(t.Context(), "other", WithLevel(wire.LevelOne), WithSession(s)); !errors.Is(err, ErrNotFound) || got != nil {
		t.Errorf("a key it has not met: %q, %v", got, err)
	}
}

func TestASessionThatCannotBeMetIsAnErrorThatSaysSo(t *testing.T) {
	n := newStaleNode(t)
	c, s := dial(t, nil, n.fake), NewSession(0)
	if err := c.Set(t.Context(), "k", nil, WithSession(s)); err != nil {
		t.Fatal(err)
	}
	old := told("old", 9)
	n.answers = map[Level]wire.Response{wire.LevelDefault: old, wire.LevelQuorum: old, wire.LevelAll: old}
	_, err := c.Get(t.Context(), "k", WithSession(s))
	var behind *SessionError
	if !errors.As(err, &behind) || behind.Key != "k" || behind.Err != nil {
		t.Errorf("all owners are behind: %v", err)
	}
	n.answers[wire.LevelAll] = wire.Response{Status: wire.StatusQuorum, Err: &wire.Error{Op: wire.OpGet, Want: 3, Got: 2}}
	_, err = c.Get(t.Context(), "k", WithSession(s))
	if quorum := (*QuorumError)(nil); !errors.As(err, &behind) || !errors.As(err, &quorum) {
		t.Errorf("not all owners answer: %v", err)
	}
	missing := wire.Response{Status: wire.StatusNotFound}
	n.answers = map[Level]wire.Response{wire.LevelDefault: missing, wire.LevelQuorum: missing, wire.LevelAll: missing}
	for range 2 { // and from then on it is as a key that was never met
		if _, err = c.Get(t.Context(), "k", WithSession(s)); !errors.Is(err, ErrNotFound) {
			t.Errorf("all owners have nothing: %v", err)
		}
	}
	if n.asked = nil; !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if _, err = c.Get(t.Context(), "k", WithSession(s)); !errors.Is(err, ErrNotFound) || len(n.asked) != 1 {
		t.Errorf("%v, asked %v", err, n.asked)
	}
}

func TestPartsOfOneCallAreInItsSession(t *testing.T) {
	n := newStaleNode(t)
	c, s := dial(t, nil, n.fake), NewSession(0)
	if err := c.MSet(t.Context(), []Pair{{"a", nil}, {"b", nil}}, WithSession(s)); err != nil {
		t.Fatal(err)
	}
	n.answers = map[Level]wire.Response{wire.LevelOne: told("old", 9), wire.LevelQuorum: told("new", 12)}
	results, err := c.MGet(t.Context(), []string{"a", "c", "b"}, WithSession(s), WithLevel(wire.LevelOne))
	if err != nil || string(results[0].Value) != "new" || string(results[1].Value) != "old" || string(results[2].Value) != "new" {
		t.Errorf("%v, %v", results, err)
	}
	if err := c.MSet(t.Context(), nil, WithSession(s)); err != nil {
		t.Error(err)
	}
}

func TestASessionIsBoundedAndForgetsTheOldestFirst(t *testing.T) {
	s := NewSession(10)
	for i := range 1000 {
		s.meet(fmt.Sprint(i), uint64(i+1))
	}
	if n := s.memory.Len(); n > 20 {
		t.Errorf("%d keys", n)
	}
	for i := 990; i < 1000; i++ {
		if s.met(fmt.Sprint(i)) != uint64(i+1) {
			t.Errorf("key %d was among the last ten, and is forgotten", i)
		}
	}
	if s.met("5") != 0 {
		t.Error("the fifth of a thousand is remembered")
	}
}

func TestASessionMovedToAnotherClusterIsRefused(t *testing.T) {
	n, foreign := newStaleNode(t), newFake(t)
	foreign.hello.ClusterID = 8
	m := *foreign.cluster.Load()
	m.ClusterID = 8
	foreign.cluster.Store((&m).Clone())
	s := NewSession(0)
	if err := dial(t, nil, n.fake).Set(t.Context(), "k", nil, WithSession(s)); err != nil {
		t.Fatal(err)
	}
	c := dial(t, nil, foreign)
	if _, err := c.Get(t.Context(), "k", WithSession(s)); !errors.Is(err, ErrSession) {
		t.Errorf("get: %v", err)
	}
	if err := c.MSet(t.Context(), []Pair{{"a", nil}}, WithSession(s)); !errors.Is(err, ErrSession) {
		t.Errorf("mset: %v", err)
	}
	if foreign.mu.Lock(); len(foreign.seen) > 0 {
		t.Errorf("it was asked %v", foreign.seen)
	}
	foreign.mu.Unlock()
}
