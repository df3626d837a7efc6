package server

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// missed lets a node alone have a version of a key, written a while ago.
func missed(t *testing.T, n *Node, key string) {
	t.Helper()
	now, v := n.clock.now(), n.view.Load()
	m := wire.Message{Kind: wire.KindStore, Pass: wire.PassHint, Key: []byte(key), Set: vclock.Set{
		Dot: vclock.Dot{Actor: n.self, Stamp: vclock.StampAt(now.Wall - time.Minute.Milliseconds())}, Value: []byte("v"),
	}}
	k, i, _ := n.core.Route(v, &m, nil)
	s := &n.shards[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Receive(now, n.self.Node, v.Placement, k, &m, nil, new(replica.Outbox))
}

// TestRepairBringsNodesOfDifferentShardsToAgree: all that is pending gets through, whatever was missed by whom is there, and nothing
// is told for nothing.
func TestRepairBringsNodesOfDifferentShardsToAgree(t *testing.T) { // I4
	shards := 1
	nodes := cluster(t, 3, func(c *Config) {
		shards *= 2
		c.Shards, c.tuning.exchange.Period = shards, time.Hour
	})
	c := dial(t, nodes...)
	for i := range 300 {
		missed(t, nodes[i%3], fmt.Sprint("k", i))
	}
	for _, n := range nodes {
		if _, err := c.Repair(t.Context(), n.me.ClientAddr, wire.Repair{Begin: true}); err != nil {
			t.Fatal(err)
		}
	}
	var all [3]wire.RepairState
	eventually(t, "all repairs are over", func() bool {
		pending := int64(0)
		for i, n := range nodes {
			var err error
			if all[i], err = c.Repair(t.Context(), n.me.ClientAddr, wire.Repair{}); err != nil {
				t.Fatal(err)
			}
			pending += all[i].Pending
		}
		return pending == 0
	})
	pairs := 0
	merged, compared := int64(0), int64(0)
	for i, n := range nodes {
		if got := n.Stats().Keys; got != 300 {
			t.Errorf("%s has %d keys of 300", n.cfg.Name, got)
		}
		if merged, compared = merged+all[i].Merged, compared+all[i].Compared; all[i].False > 0 || all[i].Failed > 0 || len(all[i].Waiting) > 0 {
			t.Errorf("%s: %+v", n.cfg.Name, all[i])
		}
		for _, found := range n.Stats().Comparisons {
			if pairs++; found.AgoMillis < 0 || found.Compared < 256 || found.Node == n.cfg.Name {
				t.Errorf("%s found %+v", n.cfg.Name, found)
			}
		}
	}
	if pairs != 3 {
		t.Errorf("%d pairs know when they compared", pairs)
	}
	if merged != 600 || compared < 3*256 { // and what they compared when they found each other
		t.Errorf("%d merged of 600, %d partitions compared of %d", merged, compared, 3*256)
	}
}

func TestARepairThatMakesNoSenseIsRefused(t *testing.T) {
	n := start(t, Quick(testConfig(t, "n1")))
	c := dial(t, n)
	far := uint32(1 << 20)
	_, err := c.Repair(t.Context(), n.me.ClientAddr, wire.Repair{Begin: true, Partition: &far})
	if bad, ok := errors.AsType[*wire.BadRequestError](err); !ok || bad.Text != "partition 1048576: use 0 to 255" {
		t.Errorf("%v", err)
	}
	one := uint32(1)
	if state, err := c.Repair(t.Context(), n.me.ClientAddr, wire.Repair{Begin: true, Partition: &one}); err != nil || state.Pending != 0 {
		t.Errorf("a node alone: %+v, %v", state, err)
	}
}

func TestPartitionsThatDifferedAreToldOfAllShardsTogether(t *testing.T) {
	node := start(t, Quick(testConfig(t, "n1")))
	v := node.view.Load()
	other := v.Table.Nodes()[0].ID
	many := func(first uint32) (p []uint32) {
		for i := range uint32(12) {
			p = append(p, first+64-4*i)
		}
		return p
	}
	got := comparisons(v, []replica.Comparison{
		{Node: other, At: time.Second, Compared: 64, Differing: 12, Which: many(1)},
		{Node: other, At: 2 * time.Second, Compared: 64, Differing: 12, Which: many(0)},
	}, 3*time.Second)
	if len(got) != 1 || got[0].Differing != 24 || got[0].AgoMillis != 2000 || len(got[0].Partitions) != 16 || !slices.IsSorted(got[0].Partitions) || got[0].Partitions[0] != 20 {
		t.Errorf("%+v", got)
	}
}
