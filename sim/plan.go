package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// Plan is everything about a run that is decided before it begins: the cluster, what clients ask, and what goes
// wrong when. Leaving out operations or faults leaves a plan, which is how a failing one is cut down.
type Plan struct {
	Seed    uint64
	Cluster Cluster
	Net     Net
	Asks    []Ask   // by time
	Faults  []Fault // by time
}

// Cluster is the shape of the cluster and of what it is asked.
type Cluster struct {
	Nodes       int
	Datacenters int
	Replicas    int // in each datacenter
	Read, Write wire.Level
	R, W        uint8 // with wire.LevelExplicit
	Sloppy      bool  // some keys are written sloppily
	Partitions  uint32
	Shards      int
	Memory      int64 // bytes of storage on each node
	Keys        int
	TTLs        bool
	Skew        time.Duration // clocks lie within this, either side of the truth
	Drift       float64       // and run faster or slower by up to this share
	Down        int           // nodes that may be without their memory at once
	Retries     bool          // clients ask again, elsewhere, what failed
}

// Net is how messages travel while nothing is wrong.
type Net struct {
	Delay  time.Duration // typical, one way
	Tail   float64       // share of messages that take up to a thousand times as long
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
	Last    bool          // asked when all is well
	Number  int           // from 1, whatever is left out
}

// FaultKind is what goes wrong.
type FaultKind uint8

// The faults. Node is the one concerned, Other the other end where there is one.
const (
	Crash FaultKind = iota // the process ends and comes back with its directory
	Wipe                   // and without it
	Pause                  // it stands still, and goes on
	Cut                    // messages from Node to Other are lost, one way
	Split                  // the nodes of the bits of Side are cut off from the others, both ways
	Ring                   // each node reaches its neighbours only
	Flap                   // Node has Other for down though it is up
	Jump                   // Node's wall clock is set, which shows at its next start
	Full                   // Node's disk refuses to be written
	faultKinds
)

var faultNames = [faultKinds]string{"crash", "wipe", "pause", "cut", "split", "ring", "flap", "jump", "full"}

// String names the fault.
func (k FaultKind) String() string { return faultNames[k] }

// Fault is one thing that goes wrong for a while.
type Fault struct {
	At          time.Duration
	For         time.Duration
	Kind        FaultKind
	Node, Other int
	Side        uint // Split: bits of nodes
	By          time.Duration
	Number      int // from 1, whatever is left out
}

const (
	runFor     = 90 * time.Second // of faults; then all heal
	asksPerRun = 2000
)

// Draw makes the plan of a seed: every seed has a cluster of its own, and faults of its own kinds and rates.
func Draw(seed uint64) Plan {
	r := rand.New(rand.NewPCG(seed, 0x5b0a1))
	p := Plan{Seed: seed}
	p.Cluster = drawCluster(r)
	p.Net = Net{
		Delay: time.Duration(50+r.IntN(2000)) * time.Microsecond, Gossip: time.Duration(100+r.IntN(3000)) * time.Millisecond,
		Tail: maybe(r, 0.02), Loss: maybe(r, 0.02), Copies: maybe(r, 0.02),
	}
	p.Asks = drawAsks(r, &p.Cluster)
	p.Faults = drawFaults(r, &p.Cluster)
	return p
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

// maybe is a rate up to most, and often none.
func maybe(r *rand.Rand, most float64) float64 {
	if r.IntN(2) == 0 {
		return 0
	}
	return most * r.Float64()
}

func drawCluster(r *rand.Rand) Cluster {
	c := Cluster{
		Nodes: 1 + r.IntN(7), Datacenters: 1, Replicas: 3, Read: wire.LevelQuorum, Write: wire.LevelQuorum,
		Partitions: 4 << r.IntN(3), Shards: 1 << r.IntN(2), Keys: 1 + r.IntN(60), Memory: 1 << 20,
		TTLs: r.IntN(3) == 0, Sloppy: r.IntN(4) == 0, Retries: r.IntN(2) == 0,
	}
	switch r.IntN(8) {
	case 0:
		c.Read, c.Write = wire.LevelOne, wire.LevelAll
	case 1:
		c.Read, c.Write = wire.LevelOne, wire.LevelOne
	case 2:
		c.Replicas = 1 + r.IntN(5)
	case 3:
		c.Read, c.Write = wire.LevelExplicit, wire.LevelExplicit
		c.R, c.W = uint8(1+r.IntN(3)), uint8(1+r.IntN(3))
		if n := min(3, c.Nodes); int(c.R) > n || int(c.W) > n {
			c.R, c.W = 1, uint8(n)
		}
	case 4:
		if c.Nodes >= 4 {
			c.Datacenters = 2
			c.Read, c.Write = wire.LevelLocalQuorum, wire.LevelEachQuorum
		}
	}
	if r.IntN(2) == 0 { // most writes evict, and soon ghosts are dropped
		c.Memory = int64(c.Shards) * int64(3000+r.IntN(3000))
	}
	switch r.IntN(4) {
	case 0:
		c.Skew = time.Duration(r.IntN(12_000)) * time.Millisecond
	case 1:
		c.Skew = 400 * time.Millisecond
	default:
		c.Skew = 20 * time.Millisecond
	}
	c.Drift = maybe(r, 1e-3)
	_, w := c.votes()
	c.Down = max(w-1, 1)
	return c
}

// owners is how many a key has.
func (c *Cluster) owners() int { return min(c.Replicas, c.Nodes/c.Datacenters) * c.Datacenters }

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

func drawAsks(r *rand.Rand, c *Cluster) []Ask {
	asks := make([]Ask, asksPerRun)
	every := runFor / asksPerRun
	reads := 0.2 + 0.6*r.Float64()
	for i := range asks {
		a := &asks[i]
		*a = Ask{
			At: time.Second + every*time.Duration(i) + time.Duration(r.Int64N(int64(every))), Node: r.IntN(c.Nodes),
			Key: r.IntN(1 + r.IntN(c.Keys)), Patient: r.IntN(20) > 0,
		}
		if r.IntN(4) == 0 { // bursts: many at once
			a.At = asks[max(i-1, 0)].At
		}
		if r.IntN(4) == 0 {
			a.Timeout = time.Duration(50+r.IntN(5000)) * time.Millisecond
		}
		switch k := r.Float64(); {
		case k < reads:
			a.Op = wire.OpGet
		case k < reads+0.08:
			a.Op = wire.OpDelete
		case k < reads+0.12:
			a.Op = wire.OpTouch
			switch {
			case r.IntN(2) == 0:
				a.TTL = ttlUnit * time.Duration(i+1)
			case c.TTLs && r.IntN(3) > 0:
				a.TTL = time.Duration(1+r.IntN(20_000)) * time.Millisecond
			}
		default:
			if a.Op = wire.OpSet; c.TTLs && r.IntN(3) == 0 {
				a.TTL = time.Duration(1+r.IntN(20_000)) * time.Millisecond
			}
		}
	}
	for key := range c.Keys { // what is left in the end
		asks = append(asks, Ask{At: runFor + healFor - 5*time.Second, Node: r.IntN(c.Nodes), Op: wire.OpGet, Key: key, Patient: true, Last: true})
	}
	for i := range asks {
		asks[i].Number = i + 1
	}
	return asks
}

// drawFaults spreads faults over the run. Which kinds there are, and how many, is the seed's. A loss of memory that
// would be one too many at its time does not happen.
func drawFaults(r *rand.Rand, c *Cluster) []Fault {
	var weights [faultKinds]int
	for k := range weights {
		weights[k] = r.IntN(4) * r.IntN(2)
	}
	total := 0
	for _, n := range weights {
		total += n
	}
	count := 20 + r.IntN(20)
	if total == 0 || r.IntN(20) == 0 {
		return nil
	}
	var faults []Fault
	for i := range count {
		f := Fault{
			At: 2*time.Second + (runFor-2*time.Second)*time.Duration(i)/time.Duration(count), Node: r.IntN(c.Nodes), Other: r.IntN(c.Nodes),
			For: time.Duration(50+r.IntN(2500)) * time.Millisecond,
		}
		pick := r.IntN(total)
		for pick >= weights[f.Kind] {
			pick -= weights[f.Kind]
			f.Kind++
		}
		switch f.Kind {
		case Pause:
			if r.IntN(8) == 0 {
				f.For = time.Duration(r.IntN(60_000)) * time.Millisecond
			}
		case Split:
			f.Side = 1 + uint(r.IntN(1<<c.Nodes-1))
		case Jump:
			f.By = time.Duration(r.IntN(4000)-2000) * time.Millisecond
		}
		f.Number = len(faults) + 1
		faults = append(faults, f)
	}
	return faults
}
