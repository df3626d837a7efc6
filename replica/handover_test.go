package replica

import (
	"fmt"
	"testing"
	"time"

	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// departing is a node of ten that owns a key, or does not, and owes it to an owner that is down.
func departing(t *testing.T, owns bool) (n *Node, key []byte, target uint64) {
	t.Helper()
	n = founded(t, 1, 10)
	key = keyOf(t, n, 1, owns)
	p := n.View().Table.Partition(ring.Slot(key))
	target = n.View().Others(p)[0].Node
	n.SetUp(target, false)
	look(n, 0)
	set := departed(recoverWall)
	if !n.Shards()[0].owes(hints.Owed{Target: target, Partition: p, Key: key, Set: &set}) {
		t.Fatal("it is not kept")
	}
	return n, key, target
}

func departed(wall int64) vclock.Set {
	return vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: vclock.StampAt(wall)}, Value: []byte("v")}
}

// asksToKeep is whom the node asks to keep a hint now, 0 for nobody.
func asksToKeep(t *testing.T, n *Node, now time.Duration) (whom uint64, m wire.Message) {
	t.Helper()
	var out Outbox
	n.Shards()[0].Tick(recoverNow(now), &out)
	for id := uint64(1); id <= 10; id++ {
		for _, x := range messages(t, &out, id) {
			if x.Kind == wire.KindOwe {
				whom, m = id, x
			}
		}
	}
	return whom, m
}

// An owner may count already, and a fallback that counts is worth more: so fallbacks come first, and neither the target nor who leaves.
func TestWhoLeavesAsksTheKeysFallbacksAndThenItsOwners(t *testing.T) {
	n, key, target := departing(t, false)
	p := n.View().Table.Partition(ring.Slot(key))
	var want []uint64
	for _, owner := range []bool{false, true} {
		for _, x := range n.View().Table.List(p) {
			if id := n.View().Table.Nodes()[x.Node].ID; x.Owner == owner && id != 1 && id != target {
				want = append(want, id)
			}
		}
	}
	if whom, _ := asksToKeep(t, n, 0); whom != 0 {
		t.Fatalf("it asks node %d without being told", whom)
	}
	n.Shards()[0].HandOver(true)
	var got []uint64
	for i := range want {
		whom, m := asksToKeep(t, n, time.Duration(2*i)*time.Second)
		got = append(got, whom)
		if m.Target != target || string(m.Key) != string(key) || m.Expires != 0 || string(m.Set.Value) != "v" {
			t.Errorf("it asks with %+v", m)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("it asks %v, want %v", got, want)
	}
	leaving := *n.View().Map.Node(want[0])
	leaving.State, leaving.Version = ring.Leaving, leaving.Version+1
	if _, err := n.Merge(n.View().Map.With(leaving)); err != nil {
		t.Fatal(err)
	}
	look(n, time.Minute)
	if whom, _ := asksToKeep(t, n, time.Hour); whom != 0 {
		t.Errorf("it asks node %d, and all were asked", whom)
	}
	if whom, _ := asksToKeep(t, n, time.Hour+2*time.Second); whom == want[0] || whom == 0 {
		t.Errorf("it asks node %d, which leaves as well", whom)
	}
}

func TestANodeThatLeavesByTheMapHandsOverWithoutBeingTold(t *testing.T) {
	n, key, target := departing(t, true)
	me := *n.View().Map.Node(1)
	me.State, me.Version = ring.Leaving, me.Version+1
	if _, err := n.Merge(n.View().Map.With(me)); err != nil {
		t.Fatal(err)
	}
	look(n, 0)
	whom, m := asksToKeep(t, n, 0)
	if whom == 0 {
		t.Fatal("it asks nobody")
	}
	wanted, _ := n.HintQueues(n.View(), func(_ int, f func(*Shard)) { f(n.Shards()[0]) }).Peer(target)
	if !wanted {
		t.Error("what is on its disk does not come back")
	}
	s := n.Shards()[0]
	k, shard, ok := n.Route(n.View(), &wire.Message{Kind: wire.KindStoreReply, ID: m.ID}, nil)
	if !ok || shard != 0 {
		t.Fatal("its answer finds no shard")
	}
	s.Receive(recoverNow(0), whom, n.View().Placement, k, &wire.Message{Kind: wire.KindStoreReply, ID: m.ID, Outcome: wire.OutcomeHinted}, nil, &Outbox{})
	var stats Stats
	if s.Add(&stats); s.OwedTo(target) != 0 || stats.Hints.HandedOver != 1 {
		t.Errorf("%s is owed still: %+v", key, stats.Hints)
	}
	if wanted, _ := n.HintQueues(n.View(), func(_ int, f func(*Shard)) { f(s) }).Peer(99); !wanted {
		t.Error("it does not hand over what is on disk")
	}
}

// Two that hand over would hand to and fro; what a write waits for is kept all the same, but by a node about to end.
func TestWhoHandsOverKeepsNothingThatAnotherHandsOver(t *testing.T) {
	n, key, target := departing(t, false)
	s := n.Shards()[0]
	owe := func(expires int64) wire.Outcome {
		m := wire.Message{Kind: wire.KindOwe, ID: 5, Key: key, Target: target, Set: departed(recoverWall + 1), Expires: expires}
		k, _, _ := n.Route(n.View(), &m, nil)
		var out Outbox
		s.Receive(recoverNow(0), 2, n.View().Placement, k, &m, nil, &out)
		return messages(t, &out, 2)[0].Outcome
	}
	taken := func() int64 {
		var stats Stats
		s.Add(&stats)
		return stats.Hints.Taken
	}
	if got := owe(0); got != wire.OutcomeHinted || taken() != 1 {
		t.Errorf("handed over to one that stays: %v, %d taken", got, taken())
	}
	s.HandOver(true)
	if got, counted := owe(0), owe(recoverWall+1000); got != wire.OutcomeNotReady || counted != wire.OutcomeHinted || taken() != 1 {
		t.Errorf("to one that leaves: %v, and %v what counts; %d taken", got, counted, taken())
	}
	s.HandOver(false)
	s.Drain()
	if got, counted := owe(0), owe(recoverWall+1000); got != wire.OutcomeNotReady || counted != wire.OutcomeNotReady {
		t.Errorf("to one that stops: %v and %v", got, counted)
	}
}

// Nobody would ever deliver it, nor take it over.
func TestANodeKeepsNoHintForItself(t *testing.T) {
	n := founded(t, 1, 10)
	key := keyOf(t, n, 1, true)
	s := n.Shards()[0]
	m := wire.Message{Kind: wire.KindOwe, ID: 5, Key: key, Target: 1, Set: departed(recoverWall)}
	k, _, _ := n.Route(n.View(), &m, nil)
	var out Outbox
	s.Receive(recoverNow(0), 2, n.View().Placement, k, &m, nil, &out)
	if got := messages(t, &out, 2)[0].Outcome; got == wire.OutcomeHinted || s.OwedTo(1) != 0 {
		t.Errorf("%v, and %d are owed", got, s.OwedTo(1))
	}
}
