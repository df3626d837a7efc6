package storage

import (
	"errors"
	"fmt"
)

// By default a record holds the largest value and key the protocol allows by default, and a full context.
const (
	recordBytesDefault = 17 << 20
	recordBytesCeiling = 1 << 30
)

// ErrConfig is wrapped by every problem that Validate and New report.
var ErrConfig = errors.New("storage: bad config")

// Config is one shard's share of a node.
type Config struct {
	// BytesMax bounds records, ghosts and index, as accounted. Raising it costs that much memory; lowering
	// it evicts more. Required. About 300 bytes per partition come on top.
	BytesMax int64
	// GhostBytesMax is the part of BytesMax that ghosts may take; default a tenth, at most half. Raising it
	// leaves fewer misses unsure, in reads and after a refill; lowering it leaves more room for values.
	GhostBytesMax int64
	// RecordBytesMax bounds key, value and version of one record; default 17 MiB, and never more than fits.
	RecordBytesMax int
	// Partitions is the cluster's number of partitions. Required.
	Partitions uint32
	// Shard of Shards owns every partition p with p % Shards == Shard. Shards is required.
	Shard, Shards uint32
}

// Validate returns every problem at once, each wrapping ErrConfig, or nil.
func (c Config) Validate() error {
	c = c.withDefaults()
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...)))
	}
	if c.BytesMax < 16*entryBytes {
		problem("BytesMax %d: give a shard at least %d bytes", c.BytesMax, 16*entryBytes)
	} else if c.GhostBytesMax < entryBytes || c.GhostBytesMax > c.BytesMax/2 {
		problem("GhostBytesMax %d: use %d to %d, half of BytesMax", c.GhostBytesMax, entryBytes, c.BytesMax/2)
	}
	if c.RecordBytesMax < 0 || c.RecordBytesMax > recordBytesCeiling {
		problem("RecordBytesMax %d: use 1 to %d, or 0 for the default", c.RecordBytesMax, recordBytesCeiling)
	}
	if c.Shards == 0 || c.Shards > c.Partitions {
		problem("%d shards of %d partitions: use at least one shard, and a partition for each", c.Shards, c.Partitions)
	} else if c.Shard >= c.Shards {
		problem("Shard %d of %d: shards count from 0", c.Shard, c.Shards)
	}
	return errors.Join(problems...)
}

func (c Config) withDefaults() Config {
	if c.GhostBytesMax == 0 {
		c.GhostBytesMax = c.BytesMax / 10
	}
	if c.RecordBytesMax == 0 {
		c.RecordBytesMax = recordBytesDefault
	}
	return c
}

// recordBytesFit is the largest body for which room can always be made: ghosts keep their share, and the
// allocator rounds a body up by at most a quarter.
func (c Config) recordBytesFit() int64 {
	return min(int64(c.RecordBytesMax), (c.BytesMax-c.GhostBytesMax-entryBytes-16)*4/5)
}
