package replica

import (
	"flag"
	"testing"

	"github.com/shoalcache/shoal/wire"
)

var (
	worldSeeds = flag.Int("world.seeds", 250, "random schedules for each kind of cluster")
	worldFrom  = flag.Uint64("world.from", 1, "first seed")
	worldTrace = flag.Bool("world.trace", false, "print the failing schedule")
)

var worlds = map[string]worldConfig{
	"memory for half the keys": {
		nodes: 3, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, restarts: true, loss: true, memory: 4600, keys: 60, shards: 1,
	},
	"memory for all keys": {
		nodes: 3, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, restarts: true, loss: true, memory: 1 << 20, keys: 4, shards: 2,
	},
	"five nodes, three replicas": {
		nodes: 5, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, restarts: true, loss: true, memory: 8000, keys: 80, shards: 2,
	},
	"write all, read one": {
		nodes: 3, replicas: 3, read: wire.LevelOne, write: wire.LevelAll, loss: true, memory: 4600, keys: 30, shards: 1,
	},
}

// I2, I6: with R+W>N a read may miss but is never stale, through lost and reordered messages, restarts
// without memory (one at a time), clocks apart, eviction, expiry and dropped ghosts.
func TestNoQuorumReadIsStale(t *testing.T) {
	for name, cfg := range worlds {
		t.Run(name, func(t *testing.T) {
			total := map[string]int{}
			for seed := *worldFrom; seed < *worldFrom+uint64(*worldSeeds); seed++ {
				w := newWorld(seed, cfg)
				for range 1500 {
					if w.step(); w.failed != "" {
						break
					}
				}
				if w.failed == "" {
					w.settle()
				}
				for _, o := range w.ops {
					if !o.done && w.failed == "" {
						w.fail("op %d was never answered", o.id)
					}
				}
				if w.failed != "" {
					if *worldTrace {
						for _, l := range w.log {
							t.Log(l)
						}
					}
					t.Fatalf("seed %d: %s (replay with -world.from %d -world.seeds 1 -world.trace)", seed, w.failed, seed)
				}
				for k, n := range w.seen {
					total[k] += n
				}
				for _, n := range w.nodes {
					var s Stats
					for _, shard := range n.node.Shards() {
						shard.Add(&s)
					}
					total["evicted"] += int(s.Storage.Evicted)
					total["ghosts dropped"] += int(s.Storage.GhostsDropped)
					total["behind"] += int(s.Storage.Behind)
					total["expired"] += int(s.Storage.Expired)
					total["restamps"] += int(s.Restamps)
					total["repairs"] += int(s.Repairs)
					total["hedges"] += int(s.Hedges)
					total["recovered"] += int(s.Recovered)
					total["refilled"] += int(s.Refilled)
					total["hints delivered"] += int(s.Hints.Delivered)
				}
			}
			t.Log(total)
			for _, k := range []string{"hit", "get status 1", "set status 0", "restamps", "repairs"} {
				if total[k] == 0 {
					t.Errorf("no schedule reached %q: the test proves less than it says", k)
				}
			}
		})
	}
}
