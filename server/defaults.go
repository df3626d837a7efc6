package server

import (
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/gossip"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/wire"
	"go.uber.org/zap"
)

// DefaultClientPort is where a node listens for clients unless told otherwise.
const DefaultClientPort = 7400

// DefaultMemory is the Config.Memory of a node that is given none, in bytes.
const DefaultMemory = 1 << 30

// defaultPartitions is the Config.Partitions of a node that is given none.
const defaultPartitions = 4096

// withDefaults fills in what is not set; the comments at Config's fields name the values.
func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name, _ = os.Hostname()
	}
	orString(&c.ClientAddr, "127.0.0.1:7400")
	orString(&c.PeerAddr, "127.0.0.1:7401")
	orString(&c.GossipAddr, "127.0.0.1:7402")
	orString(&c.ClusterName, "shoal")
	orString(&c.DataDir, filepath.Join("shoal-data", c.Name))
	orString(&c.Policy, storage.Adaptive.String())
	orString(&c.Datacenter, "dc1")
	orString(&c.Read, "quorum")
	orString(&c.Write, "quorum")
	if c.Memory == 0 {
		c.Memory = DefaultMemory
	}
	if c.BackgroundMax == 0 {
		c.BackgroundMax = replica.DefaultBackground().Max
	}
	if c.HintsDisk == 0 {
		c.HintsDisk = DefaultHintsDisk
	}
	if c.GhostShare == 0 {
		c.GhostShare = 0.1
	}
	if c.ReadRepairChance == 0 {
		c.ReadRepairChance = coordinator.DefaultConfig().ReadRepairChance
	}
	if c.Weight == 0 {
		c.Weight = 1
	}
	if c.Replicas == 0 {
		c.Replicas = 3
	}
	if c.Partitions == 0 {
		c.Partitions = defaultPartitions
	}
	if c.Limits == (wire.Limits{}) {
		c.Limits = wire.DefaultLimits()
	}
	b := c.divide()
	if c.Shards == 0 {
		c.Shards = 16
		for c.Shards < 4*runtime.GOMAXPROCS(0) {
			c.Shards *= 2
		}
		c.Shards = min(c.Shards, replica.ShardsMax, c.Partitions)
		for c.Shards > 1 && b.storage/int64(c.Shards) < shardBytes {
			c.Shards /= 2
		}
	}
	if c.tuning == nil {
		t := defaultTuning(c.Memory)
		c.tuning = &t
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	return c
}

func orString(s *string, def string) {
	if *s == "" {
		*s = def
	}
}

// tuning is what no deployment has to set: the periods and bounds that a test makes small, so that it need
// neither wait nor fill gigabytes.
type tuning struct {
	gossip      gossip.Timings
	coordinator coordinator.Config
	exchange    antientropy.ExchangeConfig
	skewWait    time.Duration // a node that forgot what it promised waits so long before it stores: its clock may be as far behind the median as others are ahead
	linkBytes   int           // queued for one peer; what is over it is dropped, and hints take over
	connBytes   int           // answers one client may leave unread before it is cut off
	connStall   time.Duration // without a client reading what it was sent, before it is cut off
}

func defaultTuning(memory int64) tuning {
	return tuning{
		gossip: gossip.DefaultTimings(), coordinator: coordinator.DefaultConfig(), exchange: antientropy.DefaultExchangeConfig(), skewWait: 2 * replica.SkewMax,
		linkBytes: int(min(max(memory/16, 1<<20), 32<<20)), connBytes: int(min(max(memory/8, 1<<20), 64<<20)), connStall: 30 * time.Second,
	}
}
