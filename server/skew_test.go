package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/vclock"
)

func TestNodesWithWrongClocksHandWritesToOthersAndServe(t *testing.T) {
	t.Parallel()
	off := func(name string, offset time.Duration, join ...string) Config {
		cfg := Quick(testConfig(t, name, join...))
		cfg.tuning.clockOffset = offset
		return cfg
	}
	n1 := start(t, off("n1", 0))
	ahead := start(t, off("n2", 2*time.Second, n1.GossipAddr()))
	behind := start(t, off("n3", -2*time.Second, n1.GossipAddr()))
	eventually(t, "the cluster is whole and recovered", ready(n1, ahead, behind))
	eventually(t, "both know that their clocks are wrong", func() bool {
		return ahead.view.Load().Skewed && behind.view.Load().Skewed && !n1.view.Load().Skewed
	})
	for _, n := range []*Node{ahead, behind} {
		c := dial(t, n)
		before := count(n, "replica", "forwarded")
		const writes = 50
		for i := range writes {
			key, value := fmt.Sprint(n.cfg.Name, "-", i), fmt.Sprint("v", i)
			if err := c.Set(t.Context(), key, []byte(value)); err != nil {
				t.Fatal(err)
			}
			item, err := c.GetItem(t.Context(), key)
			if err != nil || string(item.Value) != value {
				t.Fatalf("read %q, %v", item.Value, err)
			}
			most := n1.clock.now().Wall + replica.SkewAllowed.Milliseconds()
			if at := vclock.Stamp(item.Stamp).Millis(); at > most {
				t.Fatalf("%s stamped %d ms ahead of the clock most nodes agree on", n.cfg.Name, at-most)
			}
		}
		if got := count(n, "replica", "forwarded") - before; got != writes {
			t.Fatalf("%s handed on %d of %d writes", n.cfg.Name, got, writes)
		}
	}
	if n := count(n1, "replica", "forwarded"); n != 0 {
		t.Fatalf("the node with the right clock handed on %d writes", n)
	}
}
