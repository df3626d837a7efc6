package replica

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

func TestANodeClaimsItsPlaceOrGivesItUp(t *testing.T) {
	me := ring.Node{ID: 1, Boot: 5, Name: "a", ClientAddr: "h:1", PeerAddr: "h:2", GossipAddr: "h:3", Datacenter: "dc", Weight: ring.StandardWeight, State: ring.Active, Version: 3}
	other := func(change func(*ring.Node)) ring.Node {
		x := me
		x.ID = 2
		change(&x)
		return x
	}
	for name, c := range map[string]struct {
		in      []ring.Node
		changed bool
		ousted  bool
		want    func(*ring.Map) bool
	}{
		"the map is right": {in: []ring.Node{me, other(func(x *ring.Node) { x.Name = "b" })}},
		"its address was changed": {
			in: []ring.Node{func() ring.Node { x := me; x.PeerAddr, x.Version = "elsewhere:2", 9; return x }()}, changed: true,
			want: func(m *ring.Map) bool { return m.Node(1).PeerAddr == "h:2" && m.Node(1).Version == 10 },
		},
		"a later node has its name": {
			in: []ring.Node{me, other(func(x *ring.Node) { x.Boot = 6 })}, changed: true,
			want: func(m *ring.Map) bool { return m.Node(2).State == ring.Removed && m.Node(1).State == ring.Active },
		},
		"an earlier node has its name": {in: []ring.Node{me, other(func(x *ring.Node) { x.Boot = 4 })}, ousted: true},
		"one of the same moment and a higher id": {
			in: []ring.Node{me, other(func(*ring.Node) {})}, changed: true,
			want: func(m *ring.Map) bool { return m.Node(2).State == ring.Removed },
		},
		"one that is removed has its name": {in: []ring.Node{me, other(func(x *ring.Node) { x.Boot, x.State = 4, ring.Removed })}},
		"it was removed":                   {in: []ring.Node{func() ring.Node { x := me; x.State = ring.Removed; return x }()}, ousted: true},
		"a later process has its id":       {in: []ring.Node{func() ring.Node { x := me; x.Boot = 6; return x }()}, ousted: true},
	} {
		m := &ring.Map{ClusterID: 7, Cluster: "c", Partitions: 4, Namespaces: []ring.Namespace{{Name: ring.DefaultNamespace, Replicas: 1, Version: 1}}}
		for _, x := range c.in {
			m = m.With(x)
		}
		n, err := New(Config{
			Self: vclock.Actor{Node: 1, Boot: 5}, Shards: 1, BytesMax: 1 << 20, PendingMax: 10, PendingMem: 1 << 20, Hash: xxhash.Sum64, Limits: wire.DefaultLimits(),
			Coordinator: coordinator.DefaultConfig(), Hints: hints.DefaultConfig(), Refill: antientropy.DefaultConfig(), RefillsMax: 1,
		}, m, vclock.Now{Mono: 1, Wall: 1})
		if err != nil {
			t.Fatal(err)
		}
		changed, err := n.Claim(me)
		if changed != c.changed || errors.Is(err, ErrOusted) != c.ousted || err != nil && !c.ousted {
			t.Errorf("%s: changed %v, error %v", name, changed, err)
		}
		if c.want != nil && !c.want(n.View().Map) {
			t.Errorf("%s: the map is %+v", name, n.View().Map.Nodes)
		}
	}
}

func TestBootFloorCoversWhatAnEarlierBootMayHavePromised(t *testing.T) {
	const wall, all = int64(1_000_000), math.MaxUint64
	wait := 20 * time.Second
	ceiling, far := vclock.StampAt(wall+1500), vclock.StampAt(wall+20_000)
	for name, c := range map[string]struct {
		boot         Boot
		floor, until vclock.Stamp
		covered      uint64
	}{
		"a founder promised nothing":              {boot: Boot{Founder: true}, covered: all},
		"a founder whose first start failed":      {boot: Boot{Founder: true, Ceiling: ceiling, Saved: 4}, floor: ceiling, until: ceiling, covered: all},
		"all is there":                            {boot: Boot{Ceiling: ceiling, Saved: 4, MapFound: true, Known: 4}, floor: ceiling, until: ceiling, covered: 4},
		"and its last start failed":               {boot: Boot{Ceiling: ceiling, Saved: 5, MapFound: true, Known: 4}, floor: ceiling, until: ceiling, covered: 5},
		"the ceiling is that of an older copy":    {boot: Boot{Ceiling: ceiling, Saved: 3, MapFound: true, Known: 4}, floor: far, until: far, covered: all},
		"the map is lost":                         {boot: Boot{Ceiling: ceiling, Saved: 4, Known: 4}, floor: far, until: far, covered: all},
		"the ceiling is lost":                     {boot: Boot{MapFound: true, Known: 4}, floor: far, until: far, covered: all},
		"the directory is lost":                   {boot: Boot{Known: 4}, floor: far, until: far, covered: all},
		"it took a place that it had a map of":    {boot: Boot{Ceiling: PromisedMax(wall, wait), Saved: 5, MapFound: true, Known: 4}, floor: far, until: far, covered: 5},
		"there is no directory":                   {boot: Boot{Diskless: true}, floor: far, until: far, covered: all},
		"it is new":                               {boot: Boot{}},
		"it is new, and its first start failed":   {boot: Boot{Ceiling: ceiling, Saved: 4}, until: ceiling},
		"the ceiling is further than the wait is": {boot: Boot{Ceiling: far + 1, Saved: 4, Known: 4}, floor: far + 1, until: far + 1, covered: all},
	} {
		c.boot.Wall, c.boot.SkewWait = wall, wait
		if floor, until, covered := c.boot.Floor(); floor != c.floor || until != c.until || covered != c.covered {
			t.Errorf("%s: floor %v, until %v, up to boot %d, want %v, %v and %d", name, floor, until, covered, c.floor, c.until, c.covered)
		}
	}
}

// Its floor is that of an earlier boot than the cluster knows: it has forgotten what it promised since (I2).
func TestANodeFromAnOlderCopyOfItsDirectoryLearnsItFromAnyMap(t *testing.T) {
	m := func(boot uint64) *ring.Map {
		return (&ring.Map{
			ClusterID: 7, Cluster: "c", Partitions: 4, Namespaces: []ring.Namespace{{Name: ring.DefaultNamespace, Replicas: 1, Version: 1}},
		}).With(ring.Node{ID: 1, Boot: boot, Name: "a", ClientAddr: "h:1", PeerAddr: "h:2", GossipAddr: "h:3", Datacenter: "dc", Weight: ring.StandardWeight, State: ring.Active, Version: boot})
	}
	for boot, forgot := range map[uint64]bool{1: false, 2: false, 3: true, 4: true, 5: false, 6: false} {
		n, err := New(Config{
			Self: vclock.Actor{Node: 1, Boot: 5}, Shards: 1, BytesMax: 1 << 20, PendingMax: 10, PendingMem: 1 << 20, Covered: 2, Hash: xxhash.Sum64, Limits: wire.DefaultLimits(),
			Coordinator: coordinator.DefaultConfig(), Hints: hints.DefaultConfig(), Refill: antientropy.DefaultConfig(), RefillsMax: 1,
		}, m(5), vclock.Now{Mono: 1, Wall: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Merge(m(boot)); errors.Is(err, ErrForgotten) != forgot {
			t.Errorf("a map that has it in boot %d gives %v", boot, err)
		}
	}
}
