package server

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// without is four nodes of which the last has ended, and as many keys written through the first as it owes the last at least.
func without(t *testing.T, change func(*Config), book *ledger) (nodes []*Node, last *Node) {
	t.Helper()
	nodes = cluster(t, 4, func(c *Config) { change(c) })
	last = nodes[3]
	last.kill()
	n1 := nodes[0]
	eventually(t, "the last is known to be gone", func() bool { return !n1.view.Load().Up(last.self.Node) })
	eventually(t, "what is written lies above what it may have forgotten", func() bool { return n1.clock.now().Wall > last.promised().Millis() })
	c := dial(t, n1)
	for i := 0; i < 100 || n1.handOverState().Owed < 20; i++ {
		if err := book.set(t, c, fmt.Sprint("key", i), atOne); err != nil {
			t.Fatal(err)
		}
	}
	return nodes[:3], last
}

// owedTo is how many hints a node has for another.
func owedTo(n, target *Node) (owed int64) {
	for _, d := range n.Stats().Hints {
		if d.Node == target.self.Node {
			owed = d.Owed
		}
	}
	return owed
}

// TestWhatANodeHandsOverIsThereWhenItsTargetIsBackThoughItIsGoneForGood: its memory and its directory.
func TestWhatANodeHandsOverIsThereWhenItsTargetIsBackThoughItIsGoneForGood(t *testing.T) { // I1
	t.Parallel()
	book := newLedger()
	nodes, last := without(t, func(*Config) {}, book)
	n1, owed := nodes[0], int64(0)
	eventually(t, "what it owes is on disk", func() bool { return count(n1, "hints", "log_bytes") > 0 && count(n1, "hints", "unlogged") == 0 })
	owed = n1.handOverState().Owed
	c := dial(t, n1)
	state, err := c.HandOver(t.Context(), n1.Addr(), wire.HandOver{Begin: true})
	if err != nil || !state.HandsOver || len(state.Takers) != 2 {
		t.Fatalf("%+v, %v", state, err)
	}
	eventually(t, "it owes nothing, in memory or on disk", func() bool {
		s := n1.handOverState()
		return s.Owed == 0 && s.UnreadBytes == 0 && !s.Failing && count(n1, "hints", "log_bytes") == 0
	})
	if state, err = c.HandOver(t.Context(), n1.Addr(), wire.HandOver{}); err != nil || state.HandedOver != owed || state.Dropped+state.Expired+state.Refused != 0 {
		t.Errorf("%+v, %v: %d were owed", state, err, owed)
	}
	taken := nodes[1].handOverState().Taken + nodes[2].handOverState().Taken
	if taken < owed || nodes[1].handOverState().Owed+nodes[2].handOverState().Owed < owed {
		t.Errorf("%d of %d are taken", taken, owed)
	}
	n1.kill()
	if err := os.RemoveAll(n1.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	last = again(t, last, func(c *Config) { c.Join = []string{nodes[1].GossipAddr()} })
	owns, v := int64(0), last.view.Load()
	for key := range book.versions {
		if v.Owns(last.self.Node, v.Table.Partition(ring.Slot([]byte(key)))) {
			owns++
		}
	}
	eventually(t, "it has all", func() bool { return last.Stats().Keys == owns && owedTo(nodes[1], last)+owedTo(nodes[2], last) == 0 })
	book.check(t, dial(t, nodes[1], last))
}

func TestWhatANodeOwesThatHasNoDiskIsHandedOverWhenItStops(t *testing.T) { // I1
	t.Parallel()
	book := newLedger()
	nodes, _ := without(t, func(c *Config) { c.HintsDisk = -1 }, book)
	n1 := nodes[0]
	owed := n1.handOverState().Owed
	if err := n1.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if taken := nodes[1].handOverState().Taken + nodes[2].handOverState().Taken; taken < owed {
		t.Errorf("%d of %d are taken", taken, owed)
	}
}

func TestWhatIsLeftWhenANodeWithoutADiskStopsIsSaid(t *testing.T) {
	t.Parallel()
	core, said := observer.New(zap.WarnLevel)
	nodes, _ := without(t, func(c *Config) {
		if c.HintsDisk = -1; c.Name == "n1" {
			c.Log = zap.New(core)
		}
	}, newLedger())
	nodes[1].kill()
	nodes[2].kill()
	n1 := nodes[0]
	eventually(t, "nobody is up", func() bool { return len(n1.handOverState().Takers) == 0 })
	owed := n1.handOverState().Owed
	if err := n1.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, x := range said.All() {
		if strings.Contains(x.Message, "ends with it: nobody is up") && x.ContextMap()["hints"] == owed {
			return
		}
	}
	t.Errorf("of %d hints that were left it said %+v", owed, said.All())
}

func TestAHandOverThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	n := start(t, Quick(testConfig(t, "n1")))
	c := dial(t, n)
	if _, err := c.HandOver(t.Context(), n.Addr(), wire.HandOver{Begin: true, End: true}); err == nil || !strings.Contains(err.Error(), "begin and end: use one of them") {
		t.Errorf("%v", err)
	}
	for _, on := range []bool{true, true, false, false} {
		state, err := c.HandOver(t.Context(), n.Addr(), wire.HandOver{Begin: on, End: !on})
		if err != nil || state.HandsOver != on || n.Stats().HandsOver != on || len(state.Takers) != 0 {
			t.Errorf("on %v: %+v, %v", on, state, err)
		}
	}
}
