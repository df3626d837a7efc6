package server

import (
	"fmt"
	"math/bits"
	"sort"
	"strings"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/wire"
)

// budget is who may have how much of Config.Memory, in bytes. All of it together is that, when everybody has all there is
// at once: storage lies outside the Go heap, in an arena that never has more, and what is left is what the heap may have.
//
//	process   the program, its runtime and threads
//	storage   keys, values, ghosts and their index
//	spare     a large record that is being stored, before what gives way to it is gone: none may be larger
//	hints     writes owed to absent nodes, Config.HintsMemory
//	pending   keys and values of requests under way
//	clients   connections, Config.ClientsMax, whether or not they have anything to say
//	unread    answers that clients do not read, and large requests that have come in part
//	links     messages that wait for a link to another node
//	beside    what stores have on the heap: directories of the index, and what eviction learns from
//	sums      summaries of partitions, one for each; of more that there are a store has as much less
//	slack     garbage between two collections
type budget struct {
	process, storage, spare, hints, pending, clients, unread, links, beside, sums, slack int64
}

const (
	// processBytes is what an idle node takes: the program's file, of which each page that was ever executed counts, and a heap
	// with nothing in it. Nodes of less than three times that get by on less until they have much to do.
	processBytes = 24 << 20
	// clientBytes is what an idle connection takes: its buffer, and two goroutines.
	clientBytes = 24 << 10
	clientsMin  = 256
	clientsMost = 10_000

	// Large nodes have no use for more of these: what arrives at once does not grow with what is held.
	pendingMost = 256 << 20
	unreadMost  = 512 << 20
	linksMost   = 256 << 20

	// besidePart is the part of its bytes, one in so many, that a store has on the heap: some 20 bytes for each page of 256 where
	// entries are as small as they come and two fifths of all is index, and storage.ShadowBytes.
	besidePart = 20
	// callBytes is what a request under way takes beside its key and value. One connection may have all of its requests under
	// way in one shard.
	callBytes = 1 << 10
	callsMin  = connCallsMax + connCallsMax/8
	callsMost = 8192
	calledMin = 1 << 20
	// spareSlots is how many segments a store may take in a call beside a large record.
	spareSlots = 8
	// slackPart is the part of the heap in use, one in so many, that garbage may have on top.
	slackPart = 5
)

// divide divides Memory. Hints and clients have a 40th each of what the process leaves, unless they are given something else.
func (c *Config) divide() budget {
	b := budget{process: min(processBytes, c.Memory/8*3)}
	rest := c.Memory - b.process
	b.pending, b.unread, b.links = min(rest/48, pendingMost), min(rest/64, unreadMost), min(rest/128, linksMost)
	if b.hints = c.HintsMemory; b.hints == 0 {
		b.hints = rest / 40
	}
	if b.clients = int64(c.ClientsMax) * clientBytes; b.clients == 0 {
		b.clients = min(rest/40, clientsMost*clientBytes)
	}
	b.spare = min(rest/12, int64(c.Limits.Frame))
	b.sums = int64(c.Partitions) * storage.SummaryBytes
	heap := b.hints + b.pending + b.clients + b.unread + b.links + b.sums
	// What is left is for storage, a 20th of it beside it, and the slack of all that is on the heap.
	left := rest - b.spare - heap - heap/slackPart
	b.storage = max(left, 0) / (besidePart*slackPart + slackPart + 1) * (besidePart * slackPart)
	b.beside = b.storage / besidePart
	b.slack = (heap + b.beside) / slackPart
	return b
}

// connections is how many clients may be connected.
func (b *budget) connections() int { return int(max(b.clients/clientBytes, clientsMin)) }

// calls is how many requests may be under way in one of so many shards, and calledBytes how much these may hold.
func (b *budget) calls(shards int64) int {
	return int(min(max(b.pending/shards/callBytes, callsMin), callsMost))
}

func (b *budget) calledBytes(shards int64) int { return int(max(b.pending/shards, calledMin)) }

// heap is what the Go runtime may have, all that is not storage: its own limit (GOMEMLIMIT) counts neither that nor the
// program's file, which is two thirds of an idle process.
func (b *budget) heap(memory int64) int64 { return memory - b.storage - b.spare - b.process/3*2 }

// StorageOf is how many bytes of a node's memory its storage has, in a cluster of so many partitions, for a node of otherwise default
// settings.
func StorageOf(memory int64, partitions int) int64 {
	c := Config{Memory: memory, Limits: wire.DefaultLimits(), Partitions: partitions}
	return c.divide().storage
}

// MemoryOf is the least Config.Memory of which storage has so many bytes, in a cluster of so many partitions.
func MemoryOf(storage int64, partitions int) int64 {
	const step = 1 << 10
	n := sort.Search(int(min(storage, 1<<50)/step*4+MemoryMin/step), func(n int) bool { return StorageOf(int64(n)*step, partitions) >= storage })
	return int64(n) * step
}

// HeapOf is what the Go heap of a process may have, which is nothing but a node of this configuration, in bytes: for
// debug.SetMemoryLimit. A program that a node is part of adds what it needs itself.
func HeapOf(c Config) int64 {
	c = c.withDefaults()
	b := c.divide()
	return b.heap(c.Memory)
}

const (
	// shardBytes is the least that a shard has by default, so that its segments are some pages each.
	shardBytes = 4 << 20
	// shardBytesMin is what it has in any case: less, and its segments would be smaller than pages.
	shardBytesMin = 1 << 20
)

// hintsShardMin is the least that a shard has for hints: some of them.
const hintsShardMin = 16 << 10

// checkHints says what is wrong with HintsMemory, nil if nothing is.
func (c *Config) checkHints() error {
	switch least := hintsShardMin * int64(c.Shards); {
	case c.HintsMemory == 0:
	case c.HintsMemory < least:
		return fmt.Errorf("hints-memory of %d KiB: %d shards need at least %d", c.HintsMemory>>10, c.Shards, least>>10)
	case c.HintsMemory > c.Memory/2:
		return fmt.Errorf("hints-memory of %d MiB: use at most %d, half of memory", c.HintsMemory>>20, c.Memory/2>>20)
	}
	return nil
}

// checkBudget says what is wrong with how memory is divided, nil if nothing is.
func (c *Config) checkBudget() error {
	b, least := c.divide(), shardBytesMin*int64(c.Shards)
	if b.storage >= least {
		return nil
	}
	usual := *c
	usual.ClientsMax, usual.HintsMemory = 0, 0
	if usual.divide().storage < least {
		return fmt.Errorf("%d shards share %d MiB, what memory of %d MiB leaves for keys and values: use at most %d, or more memory",
			c.Shards, b.storage>>20, c.Memory>>20, 1<<(bits.Len64(uint64(max(b.storage/shardBytesMin, 1)))-1))
	}
	var taken []string
	if c.ClientsMax > 0 {
		taken = append(taken, fmt.Sprintf("%d clients take %d MiB", c.ClientsMax, b.clients>>20))
	}
	if c.HintsMemory > 0 {
		taken = append(taken, fmt.Sprintf("hints take %d MiB", b.hints>>20))
	}
	return fmt.Errorf("%s of %d MiB of memory, which leaves too little for keys and values: use less, or more memory", strings.Join(taken, " and "), c.Memory>>20)
}
