package replica

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// newFullTrio is a trio that evicts nothing, of which these nodes have no room left.
func newFullTrio(t *testing.T, full ...int) *trio {
	t.Helper()
	w := &trio{T: t}
	for i := range w.nodes {
		w.nodes[i] = foundedWith(t, uint64(i+1), 3, storage.None)
	}
	for _, i := range full {
		fillUp(t, w.nodes[i], 0)
	}
	return w
}

// fillUp puts records into the store of a shard until not the smallest fits. They are of keys that no test asks for.
func fillUp(t *testing.T, n *Node, shard int) {
	t.Helper()
	s := n.Shards()[shard]
	for size := 1000; size > 0; size /= 4 {
		for i := 0; ; i++ {
			k, of := n.Key(n.View(), fmt.Appendf(nil, "filler %d %d", size, i))
			set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 9}, Stamp: 1}, Value: make([]byte, size)}
			if of == shard && s.store.Put(k, &set, recoverWall).Outcome == storage.Full {
				break
			}
			if i > 1<<20 {
				t.Fatal("is never full")
			}
		}
	}
}

func TestAWriteIsAcknowledgedByThoseThatHaveRoomAndTheFullOwnerIsOwedNoHint(t *testing.T) {
	w := newFullTrio(t, 0)
	value := strings.Repeat("x", 300)
	for i := range 50 {
		if status := w.set(i%3, "", fmt.Sprint("k", i), value); status != wire.StatusOK {
			t.Fatalf("set %d: status %d", i, status)
		}
	}
	for i := range 50 {
		if got := w.get(i%3, "", fmt.Sprint("k", i)); got != value {
			t.Fatalf("k%d: %.40q", i, got)
		}
	}
	for i, n := range w.nodes {
		if owed := n.Shards()[0].OwedTo(1); owed != 0 {
			t.Errorf("node %d owes the full one %d hints", i+1, owed)
		}
	}
	if s := w.nodes[0].Shards()[0]; s.stats.Full == 0 {
		t.Error("the full node counts nothing")
	}
}

func TestWhatTooFewOwnersHaveRoomForIsOutOfMemoryAndReadsAndDeletionsGoOn(t *testing.T) {
	w := newFullTrio(t)
	for i := range 20 {
		w.set(0, "", fmt.Sprint("k", i), strings.Repeat("x", 1000))
	}
	fillUp(t, w.nodes[0], 0)
	fillUp(t, w.nodes[1], 0)
	for _, r := range []wire.Request{
		{Op: wire.OpSet, Key: []byte("new"), Value: make([]byte, 100)}, // more than what the last filler left
		{Op: wire.OpIncr, Key: []byte("count"), By: 1},
		{Op: wire.OpAppend, Key: []byte("list"), Value: []byte("v")},
		{Op: wire.OpSet, Key: []byte("once"), Value: make([]byte, 100), Condition: wire.Absent},
	} {
		resp := w.ask(2, r)
		if err := resp.AsError(); resp.Status != wire.StatusOutOfMemory || !strings.Contains(err.Error(), "n1 full") || !strings.Contains(err.Error(), "n2 full") {
			t.Errorf("%v: %v", r.Op, err)
		}
	}
	for i := range 20 {
		if got := w.get(0, "", fmt.Sprint("k", i)); len(got) != 1000 {
			t.Errorf("k%d: %.40q", i, got)
		}
	}
	if status := w.set(0, "", "k0", strings.Repeat("y", 1000)); status != wire.StatusOK {
		t.Errorf("as long a value as before: status %d", status)
	}
	for i := range 20 {
		if resp := w.ask(0, wire.Request{Op: wire.OpDelete, Key: fmt.Append(nil, "k", i)}); resp.Status != wire.StatusOK {
			t.Errorf("delete %d: %v", i, resp.AsError())
		}
	}
	if status := w.set(0, "", "new", "v"); status != wire.StatusOK {
		t.Errorf("once there is room: status %d", status)
	}
	if got := w.get(0, "", "new"); got != "v" {
		t.Errorf("got %q", got)
	}
}

// The first of two additions is refused by its own coordinator's store, and acknowledged by the others after they have replied
// to the second one's read: only that it was refused tells the second of it.
func TestAnAdditionThatItsOwnNodeHasNoRoomForIsNotLostByTheNext(t *testing.T) { // I9
	w := newFullTrio(t, 0)
	r := wire.Request{Op: wire.OpIncr, ID: 1, Key: []byte("count"), By: 1}
	var begun [2]Outbox
	for i := range begun {
		k, shard := w.nodes[0].Locate(w.nodes[0].View(), &r)
		w.nodes[0].Shards()[shard].Request(recoverNow(w.now), k, coordinator.Client{Conn: 1, ID: 1}, &r, nil, &begun[i])
	}
	under := w.nodes[0].View().Placement
	var replies [3]Outbox
	for j := 1; j < 3; j++ {
		for _, m := range messages(t, &begun[1], uint64(j+1)) {
			k, shard, _ := w.nodes[j].Route(w.nodes[j].View(), &m, &r)
			w.nodes[j].Shards()[shard].Receive(recoverNow(w.now), 1, under, k, &m, &r, &replies[j])
		}
	}
	w.carry(0, &begun[0])
	if len(w.answers) != 1 || string(w.answers[0].Value) != "1" {
		t.Fatalf("the first: %+v", w.answers)
	}
	w.carry(1, &replies[1])
	w.carry(2, &replies[2])
	if len(w.answers) != 2 || string(w.answers[1].Value) != "2" {
		t.Errorf("the second: %+v", w.answers)
	}
	if got := w.get(1, "", "count"); got != "2" {
		t.Errorf("it stands at %s", got)
	}
	if left := len(w.nodes[0].Shards()[0].calls.refused); left != 0 {
		t.Errorf("%d refusals are remembered of what is over", left)
	}
}

func TestEverySiblingStaysThoughItsCoordinatorHasNoRoom(t *testing.T) { // I10
	w := newFullTrio(t, 0)
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "s", Mode: "siblings"})
	context := w.ask(0, wire.Request{Op: wire.OpGet, Key: []byte("k"), Namespace: "s", Siblings: true}).Context
	for i := range 5 {
		if resp := w.ask(0, wire.Request{Op: wire.OpSet, Key: []byte("k"), Value: fmt.Append(nil, i), Namespace: "s", Context: context}); resp.Status != wire.StatusOK {
			t.Fatal(resp.AsError())
		}
	}
	if resp := w.ask(1, wire.Request{Op: wire.OpGet, Key: []byte("k"), Namespace: "s", Siblings: true}); len(resp.Items) != 5 {
		t.Errorf("%d siblings: %+v", len(resp.Items), resp)
	}
}

// Else the replica would vote that an acknowledged key was never there.
func TestARefilledRecordThatThereIsNoRoomForCountsAsForgotten(t *testing.T) { // I1
	n := foundedWith(t, 1, 3, storage.None)
	fillUp(t, n, 0)
	s := n.Shards()[0]
	s.enter(recoverNow(0), &Outbox{})
	k, _ := n.Key(n.View(), []byte("k"))
	e := &wire.PageEntry{Key: k.Bytes, Set: vclock.Set{Dot: vclock.Dot{Stamp: 5}, Value: []byte("v")}}
	serial := uint64(0)
	r := antientropy.NewRefill(s.cfg.Refill, k.Partition, []antientropy.Other{{Node: 2, Near: true}}, 0, &serial)
	pulls := r.Tick(1, func(uint64) bool { return true }, 1<<10, nil)
	page := &wire.Message{Partition: k.Partition, Body: wire.AppendPageRecord(nil, e.Key, &e.Set, 0)}
	in := antientropy.Inward{Hash: xxhash.Sum64, Limits: &s.cfg.Limits, Install: func(e *wire.PageEntry) antientropy.Verdict { return s.install(k.Partition, e) }}
	if _, err := r.Page(2, pulls[0].Message.ID, page, in); err != nil || !r.Done() || r.Mark() != 5 {
		t.Errorf("mark %v, done %t: %v", r.Mark(), r.Done(), err)
	}
	if s.stats.Full != 1 {
		t.Errorf("%d counted as full", s.stats.Full)
	}
}
