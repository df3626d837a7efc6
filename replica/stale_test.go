package replica

import (
	"flag"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

var (
	worldSeeds = flag.Int("world.seeds", 60, "random schedules for each kind of cluster")
	worldFrom  = flag.Uint64("world.from", 1, "first seed")
	worldTrace = flag.Bool("world.trace", false, "print the failing schedule")
)

var worlds = map[string]worldConfig{
	"memory for half the keys": {
		nodes: 3, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, lost: 1, loss: true, memory: 920, keys: 60, shards: 1,
	},
	"memory for all keys": {
		nodes: 3, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, lost: 1, loss: true, memory: 1 << 20, keys: 4, shards: 2,
	},
	"five nodes, three replicas": {
		nodes: 5, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, lost: 1, loss: true, memory: 1600, keys: 80, shards: 2,
	},
	"write all, read one": {
		nodes: 3, replicas: 3, read: wire.LevelOne, write: wire.LevelAll, lost: 2, loss: true, memory: 920, keys: 30, shards: 1,
	},
	"five replicas": {
		nodes: 5, replicas: 5, read: wire.LevelQuorum, write: wire.LevelQuorum, lost: 2, loss: true, memory: 920, keys: 30, shards: 1,
	},
	"two replicas": {
		nodes: 2, replicas: 2, read: wire.LevelQuorum, write: wire.LevelQuorum, lost: 1, loss: true, memory: 920, keys: 30, shards: 1,
	},
	"lone node": {
		nodes: 1, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, lost: 1, memory: 1120, keys: 30, shards: 2,
	},
	"one replica": {
		nodes: 3, replicas: 1, read: wire.LevelQuorum, write: wire.LevelQuorum, lost: 1, breaks: true, join: true, memory: 1 << 20, keys: 10, shards: 2,
	},
	"few keys, links that break": {
		nodes: 3, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, loss: true, breaks: true, cuts: true, memory: 1 << 20, keys: 4, shards: 2,
	},
	"nodes that stand still": {
		nodes: 4, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, lost: 1, pauses: true, cuts: true, breaks: true, memory: 1200, keys: 30, shards: 1,
	},
	"clocks half a second apart": {
		nodes: 4, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, lost: 1, loss: true, breaks: true, skew: 600 * time.Millisecond, memory: 1200, keys: 30, shards: 2,
	},
	"a clock eleven seconds ahead": {
		nodes: 3, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, loss: true, breaks: true, ahead: 11 * time.Second, memory: 1200, keys: 30, shards: 1,
	},
	"sloppy beside strict": {
		nodes: 5, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, loose: "sloppy", loss: true, breaks: true, memory: 1 << 20, keys: 8, shards: 2,
	},
	"any beside strict": {
		nodes: 5, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, loose: "any", lost: 1, loss: true, breaks: true, memory: 1600, keys: 60, shards: 1,
	},
	"each of two datacenters": {
		nodes: 6, datacenters: 2, replicas: 3, read: wire.LevelLocalQuorum, write: wire.LevelEachQuorum, lost: 1, loss: true, cuts: true, memory: 600, keys: 30, shards: 1,
	},
	"one of two datacenters": {
		nodes: 6, datacenters: 2, replicas: 3, read: wire.LevelLocalQuorum, write: wire.LevelLocalQuorum, lost: 1, loss: true, cuts: true, memory: 600, keys: 30, shards: 1,
	},
	"deadlines": {
		nodes: 3, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, loss: true, breaks: true, ttls: true, memory: 1 << 20, keys: 4, shards: 1,
	},
	"deadlines, eviction and restarts": {
		nodes: 3, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, lost: 1, loss: true, ttls: true, memory: 920, keys: 40, shards: 1,
	},
	"a node joins": {
		nodes: 4, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, lost: 1, breaks: true, join: true, memory: 1200, keys: 20, shards: 2,
	},
	"a node is replaced": {
		nodes: 3, replicas: 3, read: wire.LevelQuorum, write: wire.LevelQuorum, lost: 1, loss: true, replace: true, memory: 1200, keys: 20, shards: 1,
	},
}

// I1, I2, I4, I6, I11, I12, I18, through lost, late and reordered messages, restarts without memory, joins, pauses,
// clocks apart, eviction, expiry and dropped ghosts.
func TestRandomSchedulesKeepEveryPromise(t *testing.T) {
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
				if w.failed == "" {
					w.checkEnd()
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
				s := w.total
				for _, n := range w.nodes {
					for _, shard := range n.node.Shards() {
						shard.Add(&s)
					}
				}
				total["evicted"] += int(s.Storage.Evicted)
				total["ghosts dropped"] += int(s.Storage.GhostsDropped)
				total["behind"] += int(s.Storage.Behind)
				total["expired"] += int(s.Storage.Expired)
				total["conflicts"] += int(s.Storage.Conflicts)
				total["restamps"] += int(s.Restamps)
				total["repairs"] += int(s.Repairs)
				total["hedges"] += int(s.Hedges)
				total["late"] += int(s.Late)
				total["ahead"] += int(s.Ahead)
				total["recovered"] += int(s.Recovered)
				total["refilled"] += int(s.Refilled)
				total["hints delivered"] += int(s.Hints.Delivered)
			}
			t.Log(total)
			for _, k := range []string{"hit", "get status 1", "set status 0"} {
				if total[k] == 0 {
					t.Errorf("no schedule reached %q: the test proves less than it says", k)
				}
			}
		})
	}
}
