package storage

import (
	"errors"
	"fmt"
	"strings"
)

// By default a record holds the largest value and key the protocol allows by default, and a full context.
const (
	recordBytesDefault = 17 << 20
	recordBytesCeiling = 1 << 30
)

// BytesFor is the BytesMax of a store in which so much can be used, for records, ghosts and index.
func BytesFor(used int64) int64 {
	c := Config{BytesMax: used}
	for c.usedMax() < used { // a larger store may have larger segments
		c.BytesMax = used + (reserve+ragged)*c.segmentBytes()
	}
	return c.BytesMax
}

// UsedOf is how much can be used in a store of so many bytes, for records, ghosts and index.
func UsedOf(bytesMax int64) int64 { return Config{BytesMax: bytesMax}.usedMax() }

// SegmentOf is the size of that store's segments.
func SegmentOf(bytesMax int64) int64 { return Config{BytesMax: bytesMax}.segmentBytes() }

// IndexBytes is about what the index of so many entries takes, in so many partitions: half of a page is free in each, and a
// third of all others, which were split at some time.
func IndexBytes(entries, partitions int) int64 {
	return int64(min(entries, partitions)*pageBytes/2) + int64(entries)*pageBytes*3/(buckets*bucketSlots*2)
}

// partitionsMax is how many partitions a shard may have: their numbers share two bytes of an entry with Key.Fewer.
const partitionsMax = 1 << fewerShift

// usedMin is what the smallest store has for records, ghosts and index.
const usedMin = 1 << 10

// BytesLeast is the least BytesMax. A shard of few bytes needs one page of its index more for each of its partitions.
const BytesLeast = (reserve+ragged)*segmentBytesMin + usedMin

// ErrConfig is wrapped by every problem that Validate and New report.
var ErrConfig = errors.New("storage: bad config")

// Config is one shard's share of a node.
type Config struct {
	// BytesMax bounds all that the store takes from Memory, for records, ghosts and index. Raising it costs that much
	// memory; lowering it evicts more. Required. Beside it lie 64 bytes for each partition, and SummaryBytes once it had a key.
	BytesMax int64
	// GhostBytesMax is the part of BytesMax that ghosts may take beside their place in the index, 23 bytes each, or 39 with
	// a deadline; default a tenth, at most half. Raising it
	// leaves fewer misses unsure, in reads and after a refill, and lets eviction learn from longer ago; lowering it leaves
	// more room for values.
	GhostBytesMax int64
	// Policy is what is forgotten when BytesMax is reached; default Adaptive, for which ShadowBytes come on top.
	Policy Policy
	// RecordBytesMax bounds key, value and version of one record; default 17 MiB, and never more than fits.
	RecordBytesMax int
	// Partitions is the cluster's number of partitions. Required.
	Partitions uint32
	// Shard of Shards owns every partition p with p % Shards == Shard. Shards is required.
	Shard, Shards uint32
	// Hash is what keys' hashes are computed with. Required.
	Hash func(key []byte) uint64
	// Seed draws the order in which partitions are told. Let every store have another.
	Seed uint64
	// Memory is where the store gets its memory from; default the Go heap, where the collector's head room comes on top.
	Memory Memory
}

// Validate returns every problem at once, each wrapping ErrConfig, or nil.
func (c Config) Validate() error {
	c = c.withDefaults()
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...)))
	}
	if c.BytesMax < BytesLeast {
		problem("BytesMax %d: give a shard at least %d bytes", c.BytesMax, BytesLeast)
	} else if c.GhostBytesMax < ghostFixed || c.GhostBytesMax > c.usedMax()/2 {
		problem("GhostBytesMax %d: use %d to %d, half of what entries may take", c.GhostBytesMax, ghostFixed, c.usedMax()/2)
	}
	if c.Policy >= policies {
		problem("%s: use %s", c.Policy, strings.Join(policyNames[:], ", "))
	}
	if c.RecordBytesMax < 0 || c.RecordBytesMax > recordBytesCeiling {
		problem("RecordBytesMax %d: use 1 to %d, or 0 for the default", c.RecordBytesMax, recordBytesCeiling)
	}
	if c.Shards == 0 || c.Shards > c.Partitions {
		problem("%d shards of %d partitions: use at least one shard, and a partition for each", c.Shards, c.Partitions)
	} else if c.Shard >= c.Shards {
		problem("Shard %d of %d: shards count from 0", c.Shard, c.Shards)
	}
	if c.Shards > 0 && (c.Partitions-1)/c.Shards > partitionsMax-1 {
		problem("%d partitions in %d shards: a shard has at most %d", c.Partitions, c.Shards, partitionsMax)
	}
	if c.Hash == nil {
		problem("Hash is nil: use the one that the keys of all nodes are hashed with")
	}
	return errors.Join(problems...)
}

func (c Config) withDefaults() Config {
	if c.GhostBytesMax == 0 {
		c.GhostBytesMax = c.usedMax() / 10
	}
	if c.RecordBytesMax == 0 {
		c.RecordBytesMax = recordBytesDefault
	}
	if c.Memory == nil {
		c.Memory = heap{}
	}
	return c
}

// segmentBytes is a power of two: a 256th to a 512th of all, and from segmentBytesFair on half of that, since what lies idle is some
// segments, and of smaller ones more values would need blocks of their own.
func (c Config) segmentBytes() int64 {
	n, count := int64(segmentBytesMin), int64(segmentsLeast)
	for n < segmentBytesMax && 2*n*count <= c.BytesMax {
		if n *= 2; n == segmentBytesFair {
			count *= 2
		}
	}
	return n
}

// usedMax is how much entries and the index may take: BytesMax without what lies idle in ragged segments and the reserve.
func (c Config) usedMax() int64 { return c.BytesMax - (reserve+ragged)*c.segmentBytes() }

// recordRoom is what the largest record needs beside itself, and beside the ghosts' full share.
func recordRoom(c *Config) int64 {
	room := int64(pageBytes + headRoom)
	if c.segmentBytes() >= roundMax {
		room += roundMax
	}
	return room
}
