package replica

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// awayAndBack lets the last node of a trio miss what f does, and all hints of it be lost.
func (w *trio) awayAndBack(f func()) {
	w.refilled()
	w.up(2, false)
	f()
	for range 60 { // every write is given up on, and owed
		w.tick()
	}
	for _, n := range w.nodes[:2] {
		n.Shards()[0].hints.Forget(func(uint64, uint32, string) bool { return true })
	}
	w.up(2, true)
}

// refilled lets time pass until all partitions are.
func (w *trio) refilled() {
	for w.nodes[0].Shards()[0].Recovering()+w.nodes[1].Shards()[0].Recovering()+w.nodes[2].Shards()[0].Recovering() > 0 {
		w.tick()
	}
}

// up lets nodes see one of them as up, or not, and it them.
func (w *trio) up(i int, up bool) {
	for j, n := range w.nodes {
		if j != i {
			n.SetUp(uint64(i+1), up)
			w.nodes[i].SetUp(uint64(j+1), up)
			w.view(j)
		}
	}
	w.view(i)
}

func (w *trio) exchangeStats() (s antientropy.ExchangeStats) {
	for _, n := range w.nodes {
		s.Add(n.Shards()[0].exchange.side.Stats)
	}
	return s
}

// values is how many a node has.
func (w *trio) values(i int) int { return w.nodes[i].Shards()[0].store.Stats().Keys }

func TestOwnersAgreeAgainThoughAllHintsAreLost(t *testing.T) { // I4
	w := newTrio(t)
	for k := range 100 {
		w.set(0, "", fmt.Sprint("k", k), "before")
	}
	w.awayAndBack(func() {
		for k := range 100 {
			switch {
			case k%4 == 0:
				w.set(0, "", fmt.Sprint("k", k), "after")
			case k%4 == 1:
				w.ask(1, wire.Request{Op: wire.OpDelete, Key: []byte(fmt.Sprint("k", k))})
			}
		}
	})
	for range 300 {
		w.tick()
	}
	s := w.exchangeStats()
	if s.Merged != 50 || s.False != 0 {
		t.Errorf("%+v, want 50 merged and none for nothing", s)
	}
	for k := range 100 {
		name := []byte(fmt.Sprint("k", k))
		key, _ := w.nodes[2].Key(w.nodes[2].View(), name)
		set, _ := w.nodes[2].Shards()[0].store.Peek(key, recoverNow(w.now).Wall)
		if want := [...]string{"after", "", "before", "before"}[k%4]; string(set.Value) != want {
			t.Errorf("the one that was away has %s = %q, want %q", name, set.Value, want)
		}
	}
	if w.values(0) != 75 || w.values(1) != 75 || w.values(2) != 75 {
		t.Errorf("nodes hold %d, %d and %d values", w.values(0), w.values(1), w.values(2))
	}
}

func TestAnExchangeTellsNobodyOfKeysThatAreNotHis(t *testing.T) {
	w := newTrio(t)
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "one", Replicas: 1})
	w.everywhere(wire.NamespaceChange{Action: wire.NamespaceCreate, Name: "two", Replicas: 2})
	w.awayAndBack(func() {
		for k := range 40 {
			w.set(0, "one", fmt.Sprint("k", k), "v")
			w.set(0, "two", fmt.Sprint("k", k), "v")
		}
	})
	for range 300 {
		w.tick()
	}
	if s := w.exchangeStats(); s.False != 0 || s.Merged == 0 {
		t.Errorf("%+v", s)
	}
	for k := range 40 {
		key := fmt.Sprint("k", k)
		if one, two := w.holds("one", key), w.holds("two", key); len(one) > 2 || len(two) != 3 { // in two datacenters, one of which has one node
			t.Errorf("%s: one each is held by %v, two by %v", key, one, two)
		}
	}
}

func TestOfTwoNodesOneAsks(t *testing.T) {
	w := newTrio(t)
	for i, want := range []int{2, 1, 0} {
		got := 0
		for _, p := range w.nodes[i].Shards()[0].exchange.peers {
			if !p.passive {
				got++
			}
		}
		if got != want {
			t.Errorf("node %d asks %d others, want %d", i, got, want)
		}
	}
}

// cutOff is that all have recovered, and then nothing arrives any more: what was under way is given up.
func (w *trio) cutOff() {
	w.refilled()
	w.cut = true
	for end := w.now + time.Minute; w.now < end; {
		w.tick()
	}
}

// TestWhoDropsAHintAsksItsTarget: even the node of the greater id, as soon as what was missed can be compared.
func TestWhoDropsAHintAsksItsTarget(t *testing.T) { // I4
	w := newTrio(t)
	w.cutOff()
	last := w.nodes[2].Shards()[0]
	begun := last.exchange.side.Stats.Begun
	no := hints.DefaultConfig()
	no.BytesMax = 1
	last.hints = hints.New(no)
	key := []byte("k")
	k, _ := w.nodes[2].Key(w.nodes[2].View(), key)
	set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 3, Boot: 1}, Stamp: vclock.StampAt(recoverWall)}, Value: key}
	if last.owes(hints.Owed{Target: 1, Partition: k.Partition, Key: key, Set: &set}) {
		t.Fatal("the hint was kept")
	}
	if !last.exchange.side.Urgent(1, k.Partition) || last.exchange.side.Urgent(2, k.Partition) {
		t.Error("its partition is not the first to be walked, or is for others")
	}
	w.cut = false
	for end := w.now + last.exchange.settles() + time.Second; w.now < end; {
		w.tick()
	}
	if got := last.exchange.side.Stats.Begun; got != begun+1 {
		t.Errorf("%d exchanges were begun", got-begun)
	}
	if last.exchange.side.Urgent(1, k.Partition) {
		t.Error("its partition is still walked before others")
	}
	for end := w.now + 5*time.Minute; w.now < end; {
		w.tick()
	}
	if got := last.exchange.side.Stats.Begun; got != begun+1 {
		t.Errorf("%d exchanges were begun in the end", got-begun)
	}
}

func TestAnExchangeWaitsUntilHintsAreThroughButNotForEver(t *testing.T) {
	w := newTrio(t)
	w.refilled()
	w.up(2, false)
	w.set(0, "", "k", "v")
	for range 60 {
		w.tick()
	}
	s := w.nodes[0].Shards()[0]
	if s.hints.OwedTo(3) == 0 {
		t.Fatal("no hint is owed")
	}
	w.cut = true // and is not taken, either
	w.up(2, true)
	begun := s.exchange.side.Stats.Begun
	at := func(d time.Duration) (with bool) {
		for end := w.now + d; w.now < end; {
			w.tick()
			with = with || s.exchange.active != nil && s.exchange.active.Peer() == 3
		}
		return with
	}
	if at(hintPatience - 2*time.Second) {
		t.Errorf("the exchange began while hints were owed; %d had begun before", begun)
	}
	if !at(20 * time.Second) {
		t.Error("it waits for hints that are never taken")
	}
}

func TestAnExchangeEndsWithItsPeerAndBeginsAgainSoonAfterItIsBack(t *testing.T) {
	w := newTrio(t)
	s := w.nodes[0].Shards()[0]
	w.refilled()
	for s.exchange.active == nil || s.exchange.active.Peer() != 3 {
		w.cut = true
		w.tick()
	}
	failed := s.exchange.side.Stats.Failed
	w.up(2, false)
	if s.exchange.active != nil || s.exchange.side.Stats.Failed != failed+1 {
		t.Errorf("the exchange goes on: %+v", s.exchange.side.Stats)
	}
	w.cut = false
	begun := s.exchange.side.Stats.Begun
	w.up(2, true)
	for range int(2 * exchangeSoon / (100 * time.Millisecond)) {
		w.tick()
	}
	if s.exchange.side.Stats.Begun == begun {
		t.Error("no exchange has begun")
	}
}

// TestWhatANodeHasNoRoomForItRemembersAsForgotten: an exchange does not bring the same again and again to a store that cannot take it.
func TestWhatANodeHasNoRoomForItRemembersAsForgotten(t *testing.T) {
	w := newTrio(t)
	w.awayAndBack(func() {
		for k := range 20 {
			w.set(0, "", fmt.Sprint("k", k), strings.Repeat("v", 200))
		}
		s := w.nodes[2].Shards()[0]
		small, err := storage.New(storage.Config{BytesMax: 1 << 20, Partitions: 16, Shards: 1, Hash: xxhash.Sum64, RecordBytesMax: 100})
		if err != nil {
			t.Fatal(err)
		}
		s.store, s.exchange.side.Store = small, small
	})
	for range 300 {
		w.tick()
	}
	before := w.exchangeStats()
	for range 1500 {
		w.tick()
	}
	if after := w.exchangeStats(); after.Merged != before.Merged || after.False != before.False || after.Begun <= before.Begun || before.Merged != 20 || w.values(2) != 0 {
		t.Errorf("%+v became %+v", before, after)
	}
}

// with is what a shard found with a node, of all partitions or of one.
func with(s *Shard, node uint64, partition *uint32) (found Comparison) {
	for _, c := range s.Comparisons(partition, nil) {
		if c.Node == node {
			found = c
		}
	}
	return found
}

func TestAShardTellsWhatItFoundWithEachNodeThatItAsks(t *testing.T) {
	w := newTrio(t)
	s := w.nodes[0].Shards()[0]
	w.awayAndBack(func() {
		for k := range 40 {
			w.set(0, "", fmt.Sprint("k", k), "v")
		}
	})
	differed, all := int64(0), Comparison{}
	for range 2000 { // and once more after it
		w.tick()
		all = with(s, 3, nil)
		differed = max(differed, all.Differing)
		if int64(len(all.Which)) != min(all.Differing, 16) {
			t.Fatalf("of the partitions that differed these are named: %+v", all)
		}
	}
	if differed == 0 || all.Differing != 0 || all.At == 0 || all.Compared == 0 {
		t.Errorf("%d partitions differed; found last: %+v", differed, all)
	}
	one, other := uint32(1), uint32(2)
	s.Repair(&one)
	for pending := int64(1); pending > 0; pending, _ = s.exchange.pending(s.view) {
		w.tick()
	}
	if got := with(s, 3, &one); got.At <= all.At || got.Compared != 1 || got.Differing != 0 {
		t.Errorf("of partition 1 it found %+v", got)
	}
	if got := with(s, 3, &other); got.Node != 3 || got.At != 0 {
		t.Errorf("of partition 2, of which nobody asked, it found %+v", got)
	}
	if got := with(s, 3, nil); got.Compared != all.Compared {
		t.Errorf("an exchange of one partition passes for one of all: %+v", got)
	}
}

func TestARepairWaitsForNodesThatAreDownAndSaysSo(t *testing.T) {
	w := newTrio(t)
	w.refilled()
	s := w.nodes[0].Shards()[0]
	s.exchange.cfg.Period = 0 // none but what is asked for
	w.up(2, false)
	s.Repair(nil)
	for range 50 {
		w.tick()
	}
	if pending, stalled := s.exchange.pending(s.view); pending != 1 || stalled != 1 {
		t.Errorf("%d pending, %d of them with nodes that are down: want 1, 1", pending, stalled)
	}
	w.up(2, true)
	for range 50 {
		w.tick()
	}
	if pending, stalled := s.exchange.pending(s.view); pending != 0 || stalled != 0 {
		t.Errorf("%d pending, %d of them with nodes that are down: want none", pending, stalled)
	}
	begun := s.exchange.side.Stats.Begun
	for range 1000 {
		w.tick()
	}
	if s.exchange.side.Stats.Begun != begun {
		t.Error("an exchange began that nobody has asked for")
	}
}

// TestAnExchangeThatDoesNotComeToItsEndBeginsAgain: if somebody waits for it, and about what he has asked for. One of a partition and one
// of all are one of all.
func TestAnExchangeThatDoesNotComeToItsEndBeginsAgain(t *testing.T) {
	one := uint32(3)
	part := scope{true, one}
	for name, c := range map[string]struct {
		first, then *uint32 // asked for before it begins, and while it is under way
		again       bool
		ends        func(*Shard, uint64)
		want        scope
	}{
		"its peer has another one": {&one, nil, false, refuse, part},
		"its peer is down":         {&one, nil, false, func(s *Shard, peer uint64) { s.exchange.peerDown(s, peer) }, part},
		"others have their turn":   {&one, nil, false, func(s *Shard, _ uint64) { s.exchange.giveWay(s) }, part},
		"and the same again":       {&one, &one, true, refuse, part},
		"and all":                  {&one, nil, true, refuse, scope{}},
		"of all, and one":          {nil, &one, true, refuse, scope{}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTrio(t)
			w.refilled()
			w.cut = true
			s := w.nodes[0].Shards()[0]
			s.exchange.end(s, false)
			s.Repair(c.first)
			for s.exchange.active == nil || !s.exchange.begun.awaited {
				w.tick()
			}
			if c.again {
				s.Repair(c.then)
			}
			peer := s.exchange.active.Peer()
			c.ends(s, peer)
			if p := s.exchange.peer(peer); s.exchange.active != nil || !p.asked || p.scope != c.want || p.due > s.now.Mono+hintPause*3/2 {
				t.Errorf("%+v", *p)
			}
		})
	}
}

// refuse lets the peer of the exchange under way say that it has another one.
func refuse(s *Shard, peer uint64) {
	s.exchanged(peer, &wire.Message{Kind: wire.KindExchangeReply, ID: s.exchange.serial & ownMask, Step: wire.StepCompare, Outcome: wire.OutcomeNotReady})
}

// TestADroppedHintIsNotForgottenWithTheExchangeThatItBegan: of two nodes the other asks, and does not know that it has missed something.
func TestADroppedHintIsNotForgottenWithTheExchangeThatItBegan(t *testing.T) { // I4
	w := newTrio(t)
	w.refilled()
	w.cut = true
	s := w.nodes[1].Shards()[0]
	s.exchange.end(s, false)
	s.exchange.hintDropped(s, 1)
	for s.exchange.active == nil || s.exchange.active.Peer() != 1 {
		w.tick()
	}
	refuse(s, 1)
	if p := s.exchange.peer(1); !p.missed || p.due > s.now.Mono+hintPause*3/2 {
		t.Errorf("%+v", *p)
	}
}

// TestADroppedHintIsNotForgottenWithAnExchangeOfAnotherPartition: an operator asked for that one alone.
func TestADroppedHintIsNotForgottenWithAnExchangeOfAnotherPartition(t *testing.T) { // I4
	w := newTrio(t)
	w.cutOff()
	s := w.nodes[0].Shards()[0]
	no := hints.DefaultConfig()
	no.BytesMax = 1
	s.hints = hints.New(no)
	key := []byte("k")
	k, _ := w.nodes[0].Key(w.nodes[0].View(), key)
	set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: vclock.StampAt(recoverWall)}, Value: key}
	if s.owes(hints.Owed{Target: 3, Partition: k.Partition, Key: key, Set: &set}) {
		t.Fatal("the hint was kept")
	}
	w.cut = false
	other := k.Partition ^ 1
	s.Repair(&other)
	for pending := int64(1); pending > 0; pending, _ = s.exchange.pending(s.view) {
		w.tick()
	}
	if with(s, 3, &other).At == 0 {
		t.Fatal("partition", other, "was not compared")
	}
	if p := s.exchange.peer(3); !p.missed || p.due > s.now.Mono+s.exchange.settles() || !s.exchange.side.Urgent(3, k.Partition) {
		t.Errorf("%+v, urgent %v", *p, s.exchange.side.Urgent(3, k.Partition))
	}
	for end := w.now + s.exchange.settles() + 2*time.Second; w.now < end; {
		w.tick()
	}
	if p := s.exchange.peer(3); p.missed || s.exchange.side.Urgent(3, k.Partition) {
		t.Errorf("then %+v, urgent %v", *p, s.exchange.side.Urgent(3, k.Partition))
	}
}

// TestAnExchangeUpToATimeThatHasNotComeIsRefused: windows that were to begin then would take together what others tell apart.
func TestAnExchangeUpToATimeThatHasNotComeIsRefused(t *testing.T) {
	w := newTrio(t)
	n := w.nodes[1]
	m := wire.Message{Kind: wire.KindExchange, ID: 7, Step: wire.StepCompare, To: vclock.StampAt(recoverWall + 2*SkewMax.Milliseconds())}
	var out Outbox
	n.Shards()[0].Receive(recoverNow(w.now), 1, n.View().Placement, storage.Key{}, &m, nil, &out)
	if got := messages(t, &out, 1); len(got) != 1 || got[0].Outcome != wire.OutcomeAhead || n.Shards()[0].stats.Ahead != 1 {
		t.Errorf("%+v", got)
	}
}

func TestExchangesWithoutWhatTheyNeedAreRefused(t *testing.T) {
	c := antientropy.DefaultExchangeConfig()
	if c.Period = 0; c.Validate() != nil {
		t.Error(c.Validate())
	}
	if c.Walks = 0; !errors.Is(c.Validate(), antientropy.ErrConfig) {
		t.Error(c.Validate())
	}
}

// TestTheExchangeThatIsDueFirstBegins: were it that with the least id, exchanges that last would keep those with the others waiting for ever.
func TestTheExchangeThatIsDueFirstBegins(t *testing.T) { // I4
	w := newTrio(t)
	w.cutOff()
	s := w.nodes[0].Shards()[0]
	for _, want := range []uint64{3, 2} {
		s.exchange.end(s, false)
		for i := range s.exchange.peers {
			p := &s.exchange.peers[i]
			if p.due = w.now - time.Second; p.node == want {
				p.due -= time.Second
			}
		}
		if w.tick(); s.exchange.active == nil || s.exchange.active.Peer() != want {
			t.Errorf("the one with node %d waits", want)
		}
	}
}

// TestWhatAnOperatorAskedForOutlivesAChangeOfOwners: what he waits for was not compared yet.
func TestWhatAnOperatorAskedForOutlivesAChangeOfOwners(t *testing.T) {
	w := newTrio(t)
	w.cutOff()
	s := w.nodes[0].Shards()[0]
	s.exchange.end(s, false)
	s.Repair(nil)
	for s.exchange.active == nil || !s.exchange.begun.awaited {
		w.tick()
	}
	before, _ := s.exchange.pending(s.view)
	s.exchange.owners(s)
	if after, _ := s.exchange.pending(s.view); after != before || before == 0 {
		t.Errorf("%d exchanges were pending, %d are", before, after)
	}
}

// TestANodeWhoseClockIsAheadComparesOnceItHearsOfIt: alone it cannot know, and windows that began by its clock would be one with all that
// is written until then, for as long as it is ahead.
func TestANodeWhoseClockIsAheadComparesOnceItHearsOfIt(t *testing.T) { // I4
	const ahead = time.Hour
	n := founded(t, 3, 3)
	s := n.Shards()[0]
	var out Outbox
	at := func(d time.Duration) vclock.Now {
		now := recoverNow(d)
		now.Wall += ahead.Milliseconds()
		return now
	}
	see := func(d time.Duration, up bool) {
		for _, peer := range []uint64{1, 2} {
			n.Greet(at(d), peer, recoverNow(d).Wall, 0)
			n.SetUp(peer, up)
		}
		s.SetView(at(d), n.View(), &out)
	}
	see(0, false)
	s.Tick(at(time.Second), &out)
	see(2*time.Second, true)
	s.Tick(at(3*time.Second), &out)
	see(4*time.Second, false)
	s.Tick(at(5*time.Second), &out)
	see(6*time.Second, true)
	s.Tick(at(7*time.Second), &out)
	cut := s.cut()
	windows := s.store.Windows(0, storage.Span{To: cut}, storage.FewerMost+1, nil)
	if cut > vclock.StampAt(recoverNow(7*time.Second).Wall) || len(windows) == 0 || windows[0].To != cut {
		t.Errorf("what was written until %v can be compared until %+v", cut, windows)
	}
}

// TestWhatTwoOwnersBothHaveIsCompared: of five owners the first two have all keys of which there are two copies. Where others have one
// copy, keys of so few are not told apart.
func TestWhatTwoOwnersBothHaveIsCompared(t *testing.T) { // I4
	for _, copies := range [][]uint8{{5}, {5, 2}, {5, 4, 3, 2}, {5, 1}, {5, 3, 2, 1}} {
		m := recoverMap(5)
		for _, n := range copies {
			m = m.WithNamespace(ring.Namespace{Name: fmt.Sprint("of", n), Replicas: n, Version: 1})
		}
		m = m.WithNamespace(ring.Namespace{Name: ring.DefaultNamespace, Replicas: 5, Version: 2})
		n := founded(t, 1, 5)
		if _, err := n.Merge(m); err != nil {
			t.Fatal(err)
		}
		look(n, 0)
		s := n.Shards()[0]
		least := slices.Min(copies)
		for p := range m.Partitions {
			for peer := uint64(2); peer <= 5; peer++ {
				last := max(s.rank(p), s.view.rankOf(peer, p))
				for _, x := range s.view.spaces.live {
					both, compared := x.Replicas > last, int(x.fewer) < s.shares(peer, p)
					if compared && !both || both && !compared && (least > last || x.fewer < storage.FewerMost) {
						t.Fatalf("copies %v: keys of %d are compared: %v, by owners of rank %d and less", copies, x.Replicas, compared, last)
					}
				}
			}
		}
	}
}

// TestAnExchangeThatLastsTakesTurnsWithOthers: what another node misses does not wait until all that one does is there.
func TestAnExchangeThatLastsTakesTurnsWithOthers(t *testing.T) { // I4
	w := newTrio(t)
	w.refilled()
	s := w.nodes[0].Shards()[0]
	s.exchange.side.May = func() bool { return false } // nothing is left for exchanges
	s.Repair(nil)
	turns, last, began := map[uint64]int{}, uint64(0), w.now
	for w.now < began+4*exchangeTurn+10*time.Second {
		w.tick()
		if x := s.exchange.active; x != nil && x.Peer() != last {
			last = x.Peer()
			turns[last]++
		}
	}
	if turns[2] < 2 || turns[3] < 2 {
		t.Errorf("turns of nodes: %v", turns)
	}
	if pending, _ := s.exchange.pending(s.view); pending != 2 {
		t.Errorf("what an operator asked for is pending with %d nodes, want 2", pending)
	}
}
