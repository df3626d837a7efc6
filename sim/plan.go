package sim

import (
	"slices"
	"time"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/wire"
)

// Plan is everything about a run that is decided before it begins: the cluster, what clients ask, and what goes
// wrong when. Leaving out operations or faults leaves a plan, which is how a failing one is cut down.
type Plan struct {
	Seed    uint64
	Cluster Cluster
	Net     Net
	Trouble time.Duration // when the faults end
	Asks    []Ask         // by time
	Faults  []Fault       // by time
}

// Cluster is the shape of the cluster and of what it is asked.
type Cluster struct {
	Nodes       int
	Datacenters int
	Replicas    int // in each datacenter
	More        int // replicas that another namespace has beyond these: owners of a partition that are none of the keys asked for
	Read, Write wire.Level
	R, W        uint8 // with wire.LevelExplicit
	Sloppy      bool  // some keys are written sloppily
	Partitions  uint32
	Shards      int
	ShardsOdd   int   // of every second node; 0: as many as the others have
	Memory      int64 // bytes of storage on a node with that many shards
	Ghosts      int64 // and of what is remembered beside it; 0: a tenth
	HintLog     bool  // hints are on disk, too
	Policy      storage.Policy
	Keys        int
	Counters    int                // further keys, which clients mostly add to and read
	Siblings    bool               // concurrent writes are kept, and clients write with what they have read
	Lists       int                // further keys, to whose values clients mostly append
	Space       string             // the namespace that all is asked in; empty: the default one
	Sessions    int                // of clients
	Flushes     bool               // it is flushed, or dropped and created again
	Exchanges   bool               // nodes exchange what they know
	Background  replica.Background // what a node may do in the background; empty: the default
	TTLs        bool
	Skew        time.Duration // clocks lie within this, either side of the truth
	Drift       float64       // and run faster or slower by up to this share
	Down        int           // nodes that may be without their memory at once
	Retries     bool          // clients ask again, elsewhere, what failed
	Checks      float64       // share of reads that, once answered, ask the owners that they did not need
}

// Net is how messages travel while nothing is wrong.
type Net struct {
	Delay  time.Duration // typical, one way
	Tail   float64       // share of messages that take up to ten thousand times as long
	Loss   float64       // share of messages lost
	Copies float64       // share of messages that come twice
	Gossip time.Duration // until a node notices that another came or went, at most
}

// Ask is one operation of a client.
type Ask struct {
	At      time.Duration
	Node    int // that it goes to
	Op      wire.Op
	Key     int
	TTL     time.Duration
	Timeout time.Duration // 0: the default
	Patient bool          // else the client turns away before the deadline
	By      int64         // added to a counter, or what it is set to
	Pick    int           // which of the contexts, or of the versions, that clients have met is written with
	Only    wire.Condition
	Was     bool   // it asks for the value that was there
	Session int    // of the client, from 1; 0: none
	Change  string // OpNamespace: what is done to the namespace
	Initial int64  // what a counter that is not there begins at
	Last    bool   // asked when all is well, of what is left
	After   bool   // asked after that: it must be acknowledged
	Number  int    // from 1, whatever is left out
}

// Keep is the plan with the operations and the faults of these numbers only; nil keeps all.
func (p Plan) Keep(operations, faults []int) Plan {
	if operations != nil {
		p.Asks = slices.DeleteFunc(slices.Clone(p.Asks), func(a Ask) bool { return !slices.Contains(operations, a.Number) })
	}
	if faults != nil {
		p.Faults = slices.DeleteFunc(slices.Clone(p.Faults), func(f Fault) bool { return !slices.Contains(faults, f.Number) })
	}
	return p
}

// Numbers are those of the plan's operations and faults.
func (p Plan) Numbers() (operations, faults []int) {
	for i := range p.Asks {
		operations = append(operations, p.Asks[i].Number)
	}
	for i := range p.Faults {
		faults = append(faults, p.Faults[i].Number)
	}
	return operations, faults
}

// names is how many keys there are of all kinds: first plain ones, then counters, then lists.
func (c *Cluster) names() int { return c.Keys + c.Counters + c.Lists }

// counter reports whether a key is one.
func (c *Cluster) counter(key int) bool { return key >= c.Keys && key < c.Keys+c.Counters }

// list reports whether a key is one whose value is appended to.
func (c *Cluster) list(key int) bool { return key >= c.Keys+c.Counters }

// owners is how many a key has.
func (c *Cluster) owners() int { return min(c.Replicas, c.Nodes/c.Datacenters) * c.Datacenters }

// spares reports whether a key has nodes that are none of its owners.
func (c *Cluster) spares() bool { return c.Nodes > c.owners() }

// node is how many shards a node has, its memory, and that of what it remembers beside it: a shard has as much on every node, and what
// each of its partitions takes.
func (c *Cluster) node(i int) (shards int, memory, ghosts int64) {
	if shards = c.Shards; c.ShardsOdd > 0 && i%2 == 1 {
		shards = c.ShardsOdd
	}
	n, standard := int64(shards), int64(c.Shards)
	pages := int64(c.Partitions) - int64(c.Partitions)*n/standard
	return shards, c.Memory/standard*n + pages<<8, c.Ghosts / standard * n
}

// votes are R and W as numbers of a key's owners, for the levels whose numbers are the same everywhere.
func (c *Cluster) votes() (r, w int) {
	n := c.owners()
	number := func(l wire.Level, explicit uint8) int {
		switch l {
		case wire.LevelOne:
			return 1
		case wire.LevelAll:
			return n
		case wire.LevelExplicit:
			return int(explicit)
		case wire.LevelLocalQuorum:
			return min(c.Replicas, c.Nodes/c.Datacenters)/2 + 1
		case wire.LevelEachQuorum:
			return c.Datacenters * (min(c.Replicas, c.Nodes/c.Datacenters)/2 + 1)
		default:
			return n/2 + 1
		}
	}
	return number(c.Read, c.R), number(c.Write, c.W)
}

// Strict reports whether a read must see what was acknowledged before it began: R+W > N and W > N/2, where
// nodes that lose their memory are fewer than W at a time.
func (c *Cluster) Strict() bool {
	r, w := c.votes()
	n := c.owners()
	if c.Datacenters > 1 {
		return c.Read == wire.LevelLocalQuorum && c.Write == wire.LevelEachQuorum
	}
	return r+w > n && 2*w > n && c.Down < max(w, 2)
}

// sloppy reports whether a key is one whose writes may count hints.
func (c *Cluster) sloppy(key int) bool { return c.Sloppy && key%2 == 1 }
