package sim

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// What no sane node sends is refused and counted, and costs nobody anything that was acknowledged: the checkers judge
// every read, and where nothing else goes wrong there is nothing that could excuse a miss.
func TestBadInputIsRefusedAndCountedAndNothingIsLost(t *testing.T) {
	for _, c := range []struct {
		what   string
		kinds  []FaultKind
		counts []string // of them all must have been counted
		acked  float64  // at least this share of what was asked
	}{
		{"stamps and wall times from the far future", []FaultKind{Far}, []string{"fault far", "store ahead", "ahead"}, 0.9},
		{"a node under another's id", []FaultKind{Twin}, []string{"fault twin", "ousted", "recovered"}, 0.97},
		{"a node under another's name", []FaultKind{Namesake}, []string{"fault namesake", "map claimed"}, 1},
		{"a map from another cluster", []FaultKind{Foreign}, []string{"fault foreign", "map refused"}, 1},
		{"replayed frames", []FaultKind{Replay}, []string{"fault replay", "replayed", "late"}, 0.98}, // an old beat tells a wrong time until the next
		{"truncated frames", []FaultKind{Truncate}, []string{"fault truncate", "malformed"}, 0.9},
		{"all of it", []FaultKind{Far, Twin, Namesake, Foreign, Replay, Truncate}, []string{"store ahead", "ousted", "map claimed", "map refused", "late", "malformed"}, 0.85},
	} {
		t.Run(c.what, func(t *testing.T) {
			var sum Tally
			const seeds = 3
			for seed := range uint64(seeds) {
				r := Twice(badInputOnly(seed, c.kinds))
				if sum.Add(&r); r.Failure != nil {
					t.Fatalf("seed %d: %v", seed, r.Failure)
				}
			}
			for _, state := range c.counts {
				if sum.States[state] == 0 {
					t.Errorf("no %q among %v", state, slices.Sorted(maps.Keys(sum.States)))
				}
			}
			if n := sum.States["evicted"]; n > 0 {
				t.Errorf("%d evicted: there is room for all", n)
			}
			// Only a node that ended, and has to ask the others what it knew, may keep a read from being sure.
			if n := sum.States["forgotten"]; n > 0 && !slices.Contains(c.kinds, Twin) {
				t.Errorf("%d reads found nothing they could vouch for", n)
			}
			if share := float64(sum.Acknowledged) / float64(sum.Operations); share < c.acked {
				t.Errorf("%.4f of %d operations of %d seeds were acknowledged, want %.2f", share, sum.Operations, seeds, c.acked)
			}
		})
	}
}

// badInputOnly is a plan in which there is room for all, every message arrives, and nothing goes wrong but these.
func badInputOnly(seed uint64, only []FaultKind) Plan {
	p := drawPlain(seed)
	p.Cluster = Cluster{
		Nodes: 3 + int(seed)%3, Datacenters: 1, Replicas: 3, Read: wire.LevelQuorum, Write: wire.LevelQuorum,
		Partitions: 8, Shards: 2, Memory: 1 << 20, Keys: p.Cluster.Keys, Skew: 20 * time.Millisecond, Down: 1,
	}
	p.Net = Net{Delay: time.Millisecond, Gossip: time.Second}
	for i := range p.Asks {
		a := &p.Asks[i]
		a.Node, a.Patient, a.Timeout, a.TTL = a.Node%p.Cluster.Nodes, true, 0, 0
	}
	p.Faults = nil
	for at := 3 * time.Second; at < p.Trouble; at += 3 * time.Second {
		i := len(p.Faults)
		p.Faults = append(p.Faults, Fault{
			At: at, For: 700 * time.Millisecond, Kind: only[i%len(only)], Node: i % p.Cluster.Nodes, Other: (i + 1) % p.Cluster.Nodes,
			By: farLeast << (i % 16), Number: i + 1,
		})
	}
	return p
}
