package gossip

import (
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

func actor(node, boot uint64) vclock.Actor { return vclock.Actor{Node: node, Boot: boot} }

// Invariant 1.
func TestTheHighestBootCountsWhateverIsSaidOfAFormerOneLater(t *testing.T) {
	v := newView(actor(1, 1), 7)
	v.join(actor(2, 5), Node{Boot: 5})
	v.leave(actor(2, 4))
	if a, _ := v.snapshot(); a[2].Boot != 5 {
		t.Error("the death of a former boot took the later one out")
	}
	v.leave(actor(2, 5))
	if v.join(actor(2, 4), Node{Boot: 4}) || v.admit(actor(2, 4), Meta{ClusterID: 7}) == nil {
		t.Error("a former boot returned after the later one died")
	}
	if err := v.admit(actor(2, 5), Meta{ClusterID: 7}); err != nil {
		t.Errorf("the same boot may come back: %v", err)
	}
	if err := v.admit(actor(2, 6), Meta{ClusterID: 7}); err != nil {
		t.Errorf("a later boot may come: %v", err)
	}
}

func TestOnlyRealChangesCount(t *testing.T) {
	v := newView(actor(1, 1), 7)
	n := Node{Boot: 1, Addr: "a", Meta: Meta{Name: "n"}}
	v.join(actor(2, 1), n)
	_, before := v.snapshot()
	v.join(actor(2, 1), n)
	v.leave(actor(3, 1))
	if _, after := v.snapshot(); after != before {
		t.Error("nothing changed, and it counted")
	}
}

// Invariant 2.
func TestANodeMeetsOneClusterOnly(t *testing.T) {
	of := func(ids ...uint64) (m []Meta) {
		for _, id := range ids {
			m = append(m, Meta{ClusterID: id})
		}
		return m
	}
	for _, c := range []struct {
		ours   uint64
		theirs []uint64
		ok     bool
		after  uint64
	}{
		{7, []uint64{7, 7}, true, 7},
		{7, []uint64{7, 0}, true, 7},
		{7, []uint64{0}, true, 7}, // one that joins
		{7, []uint64{7, 8}, false, 7},
		{7, []uint64{8}, false, 7},
		{0, []uint64{0, 7}, true, 7},
		{0, []uint64{0}, false, 0},
		{0, nil, false, 0},
		{0, []uint64{7, 8}, false, 0},
	} {
		v := newView(actor(1, 1), c.ours)
		if err := v.meet(of(c.theirs...)); err == nil != c.ok || v.cluster != c.after {
			t.Errorf("%d meets %v: %v, then of %d", c.ours, c.theirs, err, v.cluster)
		}
	}
	fresh := newView(actor(1, 1), 0)
	if fresh.admit(actor(2, 1), Meta{ClusterID: 7}) == nil {
		t.Error("a node that has not joined took one in")
	}
	if err := fresh.admit(actor(1, 1), Meta{}); err != nil {
		t.Errorf("a node does not believe in itself: %v", err)
	}
}

func TestStrangersCannotMakeANodeRememberWithoutBound(t *testing.T) {
	v := newView(actor(1, 1), 7)
	m := Meta{ClusterID: 7}
	v.join(actor(1, 1), Node{Boot: 1})
	for node := range uint64(3 * nodesMax) {
		if v.admit(actor(node+2, 1), m) == nil {
			v.join(actor(node+2, 1), Node{Boot: 1})
		}
	}
	if len(v.newest) > nodesMax {
		t.Errorf("%d remembered", len(v.newest))
	}
	v.leave(actor(3, 1))
	if err := v.admit(actor(9*nodesMax, 1), m); err != nil {
		t.Errorf("room was made, and yet: %v", err)
	}
	if v.newest[1] != 1 {
		t.Error("forgot its own boot")
	}
}
