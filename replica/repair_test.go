package replica

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// give puts a version of a key into the store of node i.
func (w *trio) give(i int, key string, stamp int64, value string) {
	w.Helper()
	n := w.nodes[i]
	k, shard := n.Key(n.View(), []byte(key))
	set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 9, Boot: 1}, Stamp: vclock.StampAt(stamp)}, Value: []byte(value)}
	n.Shards()[shard].store.Put(k, &set, recoverWall)
}

// held is the value that node i holds.
func (w *trio) held(i int, key string) string {
	n := w.nodes[i]
	k, shard := n.Key(n.View(), []byte(key))
	set, _ := n.Shards()[shard].store.Peek(k, recoverWall)
	return string(set.Value)
}

func TestAFullOwnerIsSentARepairOnceASecondHoweverOftenItsKeyIsRead(t *testing.T) {
	w := newFullTrio(t, 0)
	w.set(1, "", "k", strings.Repeat("x", 300))
	reads := wire.Request{Op: wire.OpGet, Key: []byte("k"), Level: wire.LevelAll}
	asks := func(n int) (repairs, refused int64) {
		var before, after Stats
		w.nodes[1].Shards()[0].Add(&before)
		refused = -w.nodes[0].Shards()[0].stats.Full
		for range n {
			if r := w.ask(1, reads); r.Status != wire.StatusOK {
				t.Fatalf("status %d", r.Status)
			}
		}
		w.nodes[1].Shards()[0].Add(&after)
		if sent := after.Repairs - before.Repairs + after.Withheld - before.Withheld; sent != int64(n) {
			t.Fatalf("%d of %d reads wanted a repair", sent, n)
		}
		return after.Repairs - before.Repairs, refused + w.nodes[0].Shards()[0].stats.Full
	}
	if repairs, refused := asks(50); repairs != 1 || refused != 1 {
		t.Errorf("50 reads sent %d repairs, and %d were refused", repairs, refused)
	}
	w.now += time.Second
	if repairs, _ := asks(50); repairs != 1 {
		t.Errorf("50 reads a second later sent %d", repairs)
	}
}

func TestAChosenReadRepairsTheOwnersOfItsDatacenterThatItDidNotAsk(t *testing.T) {
	for _, chance := range []float64{1, 0} {
		w := newTrio(t) // the first and the third are one datacenter
		w.nodes[0].Shards()[0].cfg.Coordinator.ReadRepairChance = chance
		w.give(0, "k", 900, "old")
		w.give(1, "k", 900, "old")
		w.give(2, "k", 901, "new")
		w.ask(0, wire.Request{Op: wire.OpGet, Key: []byte("k"), Level: wire.LevelOne})
		var s Stats
		w.nodes[0].Shards()[0].Add(&s)
		if chance == 0 {
			if s.Checks+s.Repairs != 0 || w.held(0, "k") != "old" {
				t.Errorf("by no chance %d checks and %d repairs", s.Checks, s.Repairs)
			}
			continue
		}
		if s.Checks != 1 || s.RepairsChecked != 1 || w.held(0, "k") != "new" || w.held(1, "k") != "old" {
			t.Errorf("%d checks, %d repairs: they hold %q, %q", s.Checks, s.RepairsChecked, w.held(0, "k"), w.held(1, "k"))
		}
		if s.Busy != 0 {
			t.Errorf("%d requests are still under way", s.Busy)
		}
	}
}

func TestReadsAskNobodyByChanceWhereHedgesHaveTakenHalfOfWhatWasSaved(t *testing.T) {
	w := newTrio(t)
	s := w.nodes[0].Shards()[0]
	s.cfg.Coordinator.ReadRepairChance = 1
	for _, earned := range []int{hedgeSaved/2 - 2, hedgeSaved / 2} { // and one is earned by the read
		var before, after Stats
		s.peers.earned = earned
		s.Add(&before)
		w.ask(0, wire.Request{Op: wire.OpGet, Key: []byte("k"), Level: wire.LevelOne})
		s.Add(&after)
		if checks := after.Checks - before.Checks; (checks > 0) != (earned >= hedgeSaved/2) {
			t.Errorf("with %d saved %d owners are asked", earned, checks)
		}
	}
}

func TestAnOwnerThatIsAskedByChanceSaysThatItHasTheSameAndDoesNotCountItAsUse(t *testing.T) {
	w := newTrio(t)
	w.give(0, "k", 900, "value")
	n := w.nodes[0]
	s := n.Shards()[0]
	k, _ := n.Key(n.View(), []byte("k"))
	same := vclock.Digest(vclock.Dot{Actor: vclock.Actor{Node: 9, Boot: 1}, Stamp: vclock.StampAt(900)}, vclock.Deadline{})
	for _, c := range []struct {
		what  string
		m     wire.Message
		want  wire.Outcome
		value string
		hits  uint64
	}{
		{"the same", wire.Message{Check: true, Digest: same}, wire.OutcomeSame, "", 0},
		{"another", wire.Message{Check: true, Digest: same + 1}, wire.OutcomeOK, "value", 0},
		{"none", wire.Message{Check: true}, wire.OutcomeOK, "value", 0},
		{"a read", wire.Message{Digest: same}, wire.OutcomeOK, "value", 1},
	} {
		c.m.Kind, c.m.Key = wire.KindFetch, []byte("k")
		before := s.store.Stats().Hits
		var reply wire.Message
		s.enter(recoverNow(0), &Outbox{})
		s.apply(k, &c.m, &reply)
		if hits := s.store.Stats().Hits - before; reply.Outcome != c.want || string(reply.Set.Value) != c.value || hits != c.hits {
			t.Errorf("%s: %v %q, %d hits", c.what, reply.Outcome, reply.Set.Value, hits)
		}
	}
}

func TestWhoIsAskedByChanceIsNotTimedSinceTheReadBegan(t *testing.T) {
	w := newTrio(t)
	s := w.nodes[0].Shards()[0]
	s.cfg.Coordinator.ReadRepairChance = 1
	var timed, not int
	for i := range 20 { // the third node is asked for some keys, and by chance for the others
		s.peers.forget(3)
		w.ask(0, wire.Request{Op: wire.OpGet, Key: fmt.Append(nil, "k", i), Level: wire.LevelOne})
		if s.peers.of(3).p95 == hedgeLeast {
			not++
		} else {
			timed++
		}
	}
	if timed == 0 || not == 0 {
		t.Errorf("of 20 reads the third node is timed in %d, and not in %d", timed, not)
	}
}
