package replica

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// restart starts node 1 of a trio anew, without its memory.
func (w *trio) restart() *Shard {
	w.Helper()
	n, err := New(Config{
		Self: vclock.Actor{Node: 1, Boot: 2}, Shards: 1, BytesMax: 1 << 20, PendingMax: 100, PendingMem: 1 << 20,
		BootFloor: vclock.StampAt(recoverNow(w.now).Wall), Hash: xxhash.Sum64, Limits: wire.DefaultLimits(),
		Coordinator: coordinator.DefaultConfig(), Hints: hints.DefaultConfig(), Refill: antientropy.DefaultConfig(), RefillsMax: 2,
	}, w.nodes[0].View().Map, recoverNow(w.now))
	if err != nil {
		w.Fatal(err)
	}
	n.SetUp(2, true)
	n.SetUp(3, true)
	w.nodes[0] = n
	w.view(0)
	return n.Shards()[0]
}

func (w *trio) recovered(s *Shard) {
	w.Helper()
	for n := 0; s.Recovering() > 0; n++ {
		if w.tick(); n > 1000 {
			w.Fatalf("%d partitions are not recovered", s.Recovering())
		}
	}
}

// Two owners tell what a third has lost: the values of one of them and what versions the other has are all that comes.
func TestARestartedNodeHasEverythingBackAndValuesComeOnce(t *testing.T) { // I1
	w := newTrio(t)
	value := strings.Repeat("v", 400)
	const keys = 300
	for i := range keys {
		if status := w.set(i%3, "", fmt.Sprint("key", i), value); status != wire.StatusOK {
			t.Fatal(status)
		}
	}
	for i := range 10 { // counters and deletions are told otherwise
		w.ask(0, wire.Request{Op: wire.OpIncr, Key: fmt.Append(nil, "count", i), By: 7})
		w.ask(0, wire.Request{Op: wire.OpDelete, Key: fmt.Append(nil, "key", i)})
	}
	w.now += time.Second
	s := w.restart()
	w.recovered(s)
	var st Stats
	s.Add(&st)
	once := int64(keys * (len(value) + 60))
	if st.Background.Refilled > once*5/4 {
		t.Errorf("%d bytes came for about %d", st.Background.Refilled, once)
	}
	if r := st.Recovery; r.Partitions != 16 || r.Recovered != 16 || r.Bytes < once*3/4 || r.Took <= 0 || r.Left != 0 {
		t.Errorf("%+v", r)
	}
	for i := range keys + 10 {
		name, want := fmt.Sprint("key", i), int64(len(value))
		if i >= keys {
			name, want = fmt.Sprint("count", i-keys), 7
		}
		k, _ := w.nodes[0].Key(w.nodes[0].View(), []byte(name))
		set, floor := s.store.Get(k, recoverNow(w.now).Wall)
		got := int64(len(set.Value))
		if set.Packed {
			got, _, _ = set.Total()
		}
		if floor != 0 || set.Tombstone != (i < 10) || !set.Tombstone && got != want {
			t.Errorf("%s: %d with floor %v, want %d", name, got, floor, want)
		}
	}
}

// What one owner has otherwise, or alone, comes from that one.
func TestWhatTheTellerOfValuesLacksComesFromTheOther(t *testing.T) { // I1
	w := newTrio(t)
	wall := recoverNow(0).Wall
	put := func(node int, key string, stamp vclock.Stamp, deadline vclock.Deadline) {
		k, _ := w.nodes[node].Key(w.nodes[node].View(), []byte(key))
		set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 9}, Stamp: vclock.StampAt(wall-100) + stamp}, Value: fmt.Append(nil, stamp), Deadline: deadline}
		w.nodes[node].Shards()[0].store.Put(k, &set, wall)
	}
	for i := range 200 {
		key := fmt.Sprint("key", i)
		put(1+i%2, key, 5, vclock.Deadline{})
		switch i / 2 % 4 {
		case 0: // nothing
		case 1:
			put(2-i%2, key, 4, vclock.Deadline{})
		case 2:
			put(2-i%2, key, 5, vclock.Deadline{At: wall * 2, Stamp: 1})
		case 3:
			put(2-i%2, key, 5, vclock.Deadline{})
		}
	}
	s := w.restart()
	w.recovered(s)
	for i := range 200 {
		k, _ := w.nodes[0].Key(w.nodes[0].View(), fmt.Append(nil, "key", i))
		set, floor := s.store.Get(k, wall)
		late := i/2%4 == 2
		if set.Dot.Stamp != vclock.StampAt(wall-100)+5 || string(set.Value) != "0.5" && string(set.Value) != "5" || floor != 0 || (set.Deadline.At > 0) != late {
			t.Errorf("key%d: %+v with floor %v", i, set, floor)
		}
	}
}

// Partitions that are read while they wait are recovered first, and one whose owners are not up lets others go before it.
func TestTheWaitingPartitionThatIsReadMostGoesFirst(t *testing.T) {
	n := restarted(t, 3)
	n.SetUp(2, true)
	n.SetUp(3, true)
	look(n, 0)
	s := n.Shards()[0]
	for range 3 {
		s.fetched(t, n, 6)
	}
	s.fetched(t, n, 12)
	var order []uint32
	for range 3 {
		asked := pulled(t, n, 0, 2, 3)
		order = append(order, asked[2].Partition)
		for id, p := range asked {
			m := wire.Message{Kind: wire.KindPullReply, ID: p.ID, Partition: p.Partition}
			s.Receive(recoverNow(time.Minute), id, 0, storage.Key{}, &m, nil, &Outbox{})
		}
	}
	if order[0] != 6 || order[1] != 12 || order[2] != 0 {
		t.Errorf("recovered %v, want 6, 12, and then the first", order)
	}
}

// fetched lets another node ask for some key of a partition.
func (s *Shard) fetched(t *testing.T, n *Node, partition uint32) {
	t.Helper()
	for i := 0; ; i++ {
		m := wire.Message{Kind: wire.KindFetch, ID: 1, Key: fmt.Append(nil, "key", i)}
		if k, _ := n.Key(n.View(), m.Key); k.Partition == partition {
			s.Receive(recoverNow(0), 2, n.View().Placement, k, &m, nil, &Outbox{})
			return
		}
	}
}

// A link that broke costs what was on its way, not what had come.
func TestARefillGoesOnWhereItWasWhenAnOwnerIsBack(t *testing.T) {
	n := restarted(t, 3)
	n.SetUp(2, true)
	n.SetUp(3, true)
	look(n, 0)
	s := n.Shards()[0]
	asked := pulled(t, n, 0, 2, 3)
	for id, p := range asked {
		m := wire.Message{Kind: wire.KindPullReply, ID: p.ID, Partition: p.Partition, Cursor: 77, Boot: id}
		s.Receive(recoverNow(time.Minute), id, 0, storage.Key{}, &m, nil, &Outbox{})
	}
	n.SetUp(2, false)
	look(n, time.Minute)
	if len(s.refill.active) != 0 {
		t.Fatal("it holds up others")
	}
	n.SetUp(2, true)
	look(n, time.Minute)
	for again := 0; ; again++ { // the others have their turn first
		asked := pulled(t, n, 0, 2, 3)
		if p := asked[2]; p.Partition == 0 {
			if p.Cursor != 77 {
				t.Errorf("begins at %d", p.Cursor)
			}
			return
		}
		for id, p := range asked {
			m := wire.Message{Kind: wire.KindPullReply, ID: p.ID, Partition: p.Partition}
			s.Receive(recoverNow(time.Minute), id, 0, storage.Key{}, &m, nil, &Outbox{})
		}
		if again > 100 {
			t.Fatal("it has no turn")
		}
	}
}

func TestNoMoreRefillsWaitHalfDoneThanMayBeUnderWay(t *testing.T) {
	n := restarted(t, 3) // RefillsMax is 1
	s := n.Shards()[0]
	for range 5 {
		n.SetUp(2, true)
		n.SetUp(3, true)
		look(n, 0)
		for id, p := range pulled(t, n, 0, 2, 3) {
			m := wire.Message{Kind: wire.KindPullReply, ID: p.ID, Partition: p.Partition, Cursor: 77, Boot: id}
			s.Receive(recoverNow(time.Minute), id, 0, storage.Key{}, &m, nil, &Outbox{})
		}
		n.SetUp(2, false)
		look(n, time.Minute)
		begun := 0
		for _, w := range s.refill.waiting {
			if w.begun != nil {
				begun++
			}
		}
		if begun != 1 {
			t.Fatalf("%d wait half done", begun)
		}
	}
}

// TestRefillsThatCannotBeginCostNothing: while an owner is down, a tick looks at none of those that wait for it, however many they are,
// and at all of them again once anything has changed.
func TestRefillsThatCannotBeginCostNothing(t *testing.T) {
	w := newTrio(t)
	s := w.restart()
	w.up(2, false)
	w.tick()
	looked := 0
	up := func(p uint32) bool { looked++; return s.view.ownersUp(p) }
	if _, ok := s.refill.hottest(1, up); ok || looked != 16 || !s.refill.stuck || len(s.refill.waiting) != 16 {
		t.Fatalf("one can begin: %v; %d of %d were looked at, stuck %v", ok, looked, len(s.refill.waiting), s.refill.stuck)
	}
	w.up(2, true)
	if s.refill.stuck {
		t.Fatal("nothing is looked at though an owner is back")
	}
	w.recovered(s)
}
