package replica

import (
	"testing"
	"time"

	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// begun is node 1 of three, back without its memory, with an empty purse in its first shard.
func begun(t *testing.T) (*Node, *Shard) {
	n := restarted(t, 3)
	n.SetUp(2, true)
	n.SetUp(3, true)
	look(n, 0)
	s := n.Shards()[0]
	s.purse.fill(0, Pace{Rate: 1 << 20})
	return n, s
}

func TestPagesAreAskedForWhileThePurseHasSomethingLeft(t *testing.T) {
	n, s := begun(t)
	if asked := pulled(t, n, 0, 2, 3); len(asked) != 0 {
		t.Fatalf("asked %v", asked)
	}
	s.purse.fill(1000, Pace{Rate: 1 << 20})
	asked := pulled(t, n, 0, 2, 3)
	if len(asked) != 2 || asked[2].Limit != pageLeast {
		t.Fatalf("asked %v", asked)
	}
	if s.purse.left != 1000-2*pageLeast {
		t.Fatalf("%d left, with two pages of %d under way", s.purse.left, pageLeast)
	}
	k := vclock.Set{Dot: vclock.Dot{Stamp: 5}, Value: make([]byte, 1000)}
	page := wire.Message{Kind: wire.KindPullReply, ID: asked[2].ID, Partition: asked[2].Partition, Cursor: 7, Body: wire.AppendPageRecord(nil, []byte("k"), &k, 0)}
	var out Outbox
	s.Receive(recoverNow(time.Minute), 2, 0, storage.Key{}, &page, nil, &out)
	if cost := int64(pageOverhead + len(page.Body)); s.purse.left != 1000-pageLeast-cost || s.purse.bytes[workRefill] != cost {
		t.Errorf("%d left after %d", s.purse.left, s.purse.bytes[workRefill])
	}
	if got := messages(t, &out, 2); len(got) != 0 {
		t.Errorf("asked for more: %v", got)
	}
	s.purse.fill(1, Pace{Rate: 1 << 20})
	if asked := pulled(t, n, 0, 2); asked[2].Cursor != 7 {
		t.Errorf("asked %v", asked)
	}
}

func TestAPullWaitsForThePurseAndIsToldOnce(t *testing.T) {
	n, s := begun(t)
	ask := func(id uint64) *Outbox {
		var out Outbox
		m := wire.Message{Kind: wire.KindPull, ID: id, Partition: 0, Limit: 1000}
		s.Receive(recoverNow(0), 2, n.View().Placement, storage.Key{}, &m, nil, &out)
		return &out
	}
	tick := func() []wire.Message {
		var out Outbox
		s.Tick(recoverNow(0), &out)
		return messages(t, &out, 2)
	}
	ask(8)
	if out := ask(9); len(out.Peers) != 0 {
		t.Fatal("told though nothing is left")
	}
	ask(8) // again, after a while
	if got := tick(); len(got) != 0 {
		t.Fatalf("told %v though nothing is left", got)
	}
	s.purse.fill(pageOverhead, Pace{Rate: 1 << 20})
	if got := tick(); len(got) != 1 || got[0].ID != 8 || got[0].Kind != wire.KindPullReply {
		t.Fatalf("told %v", got)
	}
	s.purse.fill(limitless, Pace{Rate: 1 << 20})
	if got := tick(); len(got) != 1 || got[0].ID != 9 {
		t.Errorf("told %v", got)
	}
	if got := messages(t, ask(10), 2); len(got) != 1 {
		t.Errorf("told %v at once", got)
	}
	s.purse.fill(0, Pace{})
	for id := range uint64(1000) {
		ask(id)
	}
	if len(s.asked) != askedMax {
		t.Errorf("%d pulls wait", len(s.asked))
	}
}

// Who asks again under the next placement is answered under that.
func TestPullsThatWaitEndWithTheirPlacement(t *testing.T) {
	n, s := begun(t)
	s.asked = append(s.asked, asked{2, wire.Message{Kind: wire.KindPull, ID: 8}})
	n.m = recoverMap(4)
	if err := n.look(); err != nil {
		t.Fatal(err)
	}
	look(n, 0)
	if len(s.asked) != 0 {
		t.Error("a pull of an earlier placement waits on")
	}
}

func TestHintsArePaidAndWaitForThePurse(t *testing.T) {
	n, s := begun(t)
	for i := range byte(3) {
		key := []byte{'k', i}
		for !n.View().Owns(2, partitionOf(n, key)) || partitionOf(n, key)%recoverShards != 0 {
			key = append(key, 'x')
		}
		set := vclock.Set{Dot: vclock.Dot{Stamp: 5}}
		if !s.owes(hints.Owed{Target: 2, Partition: partitionOf(n, key), Key: key, Set: &set}) {
			t.Fatal("not kept")
		}
	}
	sent := func() (hinted int) {
		var out Outbox
		s.Tick(recoverNow(0), &out)
		for _, m := range messages(t, &out, 2) {
			if m.Kind == wire.KindStore {
				hinted++
			}
		}
		return hinted
	}
	if got := sent(); got != 0 {
		t.Fatalf("%d hints sent though nothing is left", got)
	}
	s.purse.fill(1, Pace{})
	if got := sent(); got != 1 || s.purse.left >= 0 {
		t.Errorf("%d hints sent for one byte, %d left", got, s.purse.left)
	}
	s.purse.fill(limitless, Pace{})
	if got := sent(); got != 2 {
		t.Errorf("then %d", got)
	}
}

// partitionOf is the partition of an inner key.
func partitionOf(n *Node, key []byte) uint32 {
	k, _ := n.Key(n.View(), key)
	return k.Partition
}
