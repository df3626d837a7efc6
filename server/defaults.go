package server

import (
	"os"
	"path/filepath"
	"runtime"

	"github.com/shoalcache/shoal/wire"
	"go.uber.org/zap"
)

// The ports a node listens on unless told otherwise.
const (
	DefaultClientPort = 7400
	DefaultPeerPort   = 7401
	DefaultGossipPort = 7402
)

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
	orString(&c.Datacenter, "dc1")
	orString(&c.Read, "quorum")
	orString(&c.Write, "quorum")
	if c.Memory == 0 {
		c.Memory = 1 << 30
	}
	if c.Weight == 0 {
		c.Weight = 1
	}
	if c.Replicas == 0 {
		c.Replicas = 3
	}
	if c.Partitions == 0 {
		c.Partitions = 4096
	}
	if c.Shards == 0 {
		c.Shards = 16
		for c.Shards < 4*runtime.GOMAXPROCS(0) {
			c.Shards *= 2
		}
		c.Shards = min(c.Shards, 1024, c.Partitions)
	}
	if c.Limits == (wire.Limits{}) {
		c.Limits = wire.DefaultLimits()
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
