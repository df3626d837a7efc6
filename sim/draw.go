package sim

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/wire"
)

// Draw makes the plan of a seed: every seed has a cluster of its own, and faults of its own kinds and rates (swarm
// testing, Groce et al., 2012: what one run leaves out gives room to what hides behind it).
func Draw(seed uint64) Plan {
	p := drawPlain(seed)
	p.drawModes(rand.New(rand.NewPCG(seed, 0x5b0a2)))
	p.drawCalls(rand.New(rand.NewPCG(seed, 0x5b0a3)))
	if r, c := rand.New(rand.NewPCG(seed, 0x5b0a4)), &p.Cluster; r.IntN(4) == 0 {
		c.More = min(1+r.IntN(2), max(c.Nodes/c.Datacenters-c.Replicas, 0))
	}
	if r := rand.New(rand.NewPCG(seed, 0x5b0a5)); r.IntN(3) == 0 { // another than the default
		p.Cluster.Policy = storage.Policy(1 + r.IntN(len(storage.PolicyNames())-1))
	}
	if r := rand.New(rand.NewPCG(seed, 0x5b0a6)); r.IntN(4) == 0 {
		p.Cluster.Checks = min(2*r.Float64(), 1)
	}
	p.drawRepair()
	if r := rand.New(rand.NewPCG(seed, 0x5b0a9)); r.IntN(4) == 2 {
		p.drawHandOvers(r)
	}
	return p
}

// drawHandOvers lets nodes hand over what they owe while others are in trouble, soon after that begins; half of the clusters that have
// fallbacks are written sloppily for it, so that hints count.
func (p *Plan) drawHandOvers(r *rand.Rand) {
	c := &p.Cluster
	if c.Nodes < kinds[HandOver].nodes {
		return
	}
	if r.IntN(2) == 0 && c.Nodes > c.owners() && !c.Siblings {
		c.Sloppy = true
	}
	for range 4 + r.IntN(16) {
		with := &p.Faults[r.IntN(len(p.Faults))]
		p.Faults = append(p.Faults, Fault{
			Kind: HandOver, Node: with.Other, At: with.At + between(r, 10*time.Millisecond, 3*time.Second), For: between(r, 500*time.Millisecond, 20*time.Second),
			Number: len(p.Faults) + 1,
		})
	}
	slices.SortStableFunc(p.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
}

// drawPlain makes a plan of sets, deletes, touches and gets of last-write-wins.
func drawPlain(seed uint64) Plan {
	r := rand.New(rand.NewPCG(seed, 0x5b0a1))
	p := Plan{Seed: seed, Trouble: 90 * time.Second}
	if r.IntN(8) == 0 {
		p.Trouble = 150 * time.Second // so that there is room for the longest faults
	}
	p.Cluster = drawCluster(r)
	p.Net = Net{
		Delay: time.Duration(50+r.IntN(2000)) * time.Microsecond, Gossip: time.Duration(100+r.IntN(3000)) * time.Millisecond,
		Tail: maybe(r, 0.02), Loss: maybe(r, 0.02), Copies: maybe(r, 0.02),
	}
	p.Asks = drawAsks(r, &p)
	p.Faults = drawFaults(r, &p)
	return p
}

// drawModes lets some clusters count, and some keep siblings. It draws by a source of its own: what it leaves alone is
// as it would be without it.
func (p *Plan) drawModes(r *rand.Rand) {
	c := &p.Cluster
	switch r.IntN(4) {
	case 0:
		c.Counters = 1 + r.IntN(4)
		for i := range p.Asks {
			if a := &p.Asks[i]; !a.Last && !a.After && r.IntN(3) == 0 {
				a.Key, a.TTL = c.Keys+r.IntN(c.Counters), 0
				switch n := r.IntN(60); {
				case n == 0:
					a.Op, a.By = wire.OpSet, r.Int64N(1000)
				case n == 1:
					a.Op = wire.OpDelete
				case n < 24:
					a.Op = wire.OpGet
				default:
					a.Op, a.By = wire.OpIncr, 1+r.Int64N(9)
				}
			}
		}
		for i := range c.Counters {
			at := p.Trouble + healFor - 5*time.Second
			p.Asks = append(p.Asks,
				Ask{At: at, Node: r.IntN(c.Nodes), Op: wire.OpGet, Key: c.Keys + i, Patient: true, Last: true, Number: len(p.Asks) + 1},
				Ask{At: at + time.Second, Node: r.IntN(c.Nodes), Op: wire.OpIncr, By: 1, Key: c.Keys + i, Patient: true, After: true, Number: len(p.Asks) + 2},
				Ask{At: at + 2*time.Second, Node: r.IntN(c.Nodes), Op: wire.OpGet, Key: c.Keys + i, Patient: true, After: true, Number: len(p.Asks) + 3})
		}
	case 1:
		c.Siblings, c.Sloppy, c.TTLs = true, false, false
		for i := range p.Asks {
			a := &p.Asks[i]
			if a.TTL = 0; a.Op != wire.OpSet {
				a.Op = wire.OpGet
			}
			a.Pick = r.IntN(glancesMax)
		}
	}
}

// drawCalls lets the clients of one cluster in four make further calls: under conditions, for the value that was there, that
// append, that count with a TTL. It draws by a source of its own as well.
func (p *Plan) drawCalls(r *rand.Rand) {
	if r.IntN(4) > 0 {
		return
	}
	c := &p.Cluster
	if c.Counters > 0 {
		p.drawCounted(r)
	}
	if r.IntN(2) == 0 {
		p.drawConditions(r)
	}
	if r.IntN(3) == 0 {
		p.drawLists(r)
	}
	if r.IntN(3) == 0 {
		p.drawFlushes(r)
	}
	if r.IntN(3) == 0 {
		p.drawSessions(r)
	}
}

// drawCounted gives counters a TTL, all calls of one the same, and some of them a number to begin at.
func (p *Plan) drawCounted(r *rand.Rand) {
	c := &p.Cluster
	ttls := make([]time.Duration, c.Counters)
	for i := range ttls {
		if r.IntN(3) > 0 {
			ttls[i] = between(r, 200*time.Millisecond, 20*time.Second)
		}
	}
	initial := r.IntN(2) == 0
	for i := range p.Asks {
		a := &p.Asks[i]
		if !c.counter(a.Key) {
			continue
		}
		ttl := ttls[a.Key-c.Keys]
		if a.Op == wire.OpSet && ttl > 0 && r.IntN(2) == 0 { // else it never expires again until it is deleted
			a.Op, a.By = wire.OpDelete, 0
		}
		if a.Op == wire.OpIncr {
			if a.TTL = ttl; initial && r.IntN(2) == 0 {
				a.Initial = 1000 * (1 + r.Int64N(9))
			}
		}
	}
}

// drawConditions puts half of the writes under a condition, or asks for what was there, or both.
func (p *Plan) drawConditions(r *rand.Rand) {
	c := &p.Cluster
	for i := range p.Asks {
		a := &p.Asks[i]
		if a.Last || a.After || a.Key >= c.Keys || a.Op != wire.OpSet && a.Op != wire.OpDelete || r.IntN(2) == 0 {
			continue
		}
		a.Only, a.Was, a.Pick = wire.Condition(r.IntN(4)), r.IntN(3) > 0, r.IntN(metMax+1)
		a.Was = a.Was || a.Only == wire.Always
		if b := &p.Asks[max(i-1, 0)]; i > 0 && b.At == a.At && b.Only != wire.Always && r.IntN(2) == 0 { // a rival
			a.Key, a.Op, a.Only, a.Pick, a.TTL = b.Key, b.Op, b.Only, b.Pick, b.TTL
		}
	}
}

// drawLists adds keys whose values are appended to.
func (p *Plan) drawLists(r *rand.Rand) {
	c := &p.Cluster
	c.Lists = 1 + r.IntN(4)
	first := c.Keys + c.Counters
	for i := range p.Asks {
		a := &p.Asks[i]
		if a.Last || a.After || a.Key >= c.Keys || r.IntN(5) > 0 {
			continue
		}
		a.Key, a.TTL, a.Only, a.Was = first+r.IntN(c.Lists), 0, wire.Always, false
		if b := &p.Asks[max(i-1, 0)]; b.At == a.At && c.list(b.Key) {
			a.Key = b.Key
		}
		switch n := r.IntN(40); {
		case n == 0:
			a.Op = wire.OpSet
		case n < 4 && !c.Siblings: // else few are ever long
			a.Op, a.By = wire.OpDelete, 0
		case n < 16:
			a.Op = wire.OpGet
		default:
			a.Op = wire.OpAppend
		}
	}
	for i := range c.Lists {
		at := p.Trouble + healFor - 5*time.Second
		p.add(
			Ask{At: at, Node: r.IntN(c.Nodes), Op: wire.OpGet, Key: first + i, Patient: true, Last: true},
			Ask{At: at + time.Second, Node: r.IntN(c.Nodes), Op: wire.OpAppend, Key: first + i, Patient: true, After: true},
			Ask{At: at + 2*time.Second, Node: r.IntN(c.Nodes), Op: wire.OpGet, Key: first + i, Patient: true, After: true})
	}
}

// drawFlushes lets the namespace be emptied now and then, and half of them be another than the default one, which can be dropped
// and created again.
func (p *Plan) drawFlushes(r *rand.Rand) {
	c := &p.Cluster
	if c.Flushes = true; r.IntN(2) == 0 {
		c.Space = "s"
	}
	change := func(at time.Duration, what string) {
		p.add(Ask{At: at, Node: r.IntN(c.Nodes), Op: wire.OpNamespace, Change: what, Patient: true})
	}
	for range 1 + r.IntN(5) {
		at := 2*time.Second + time.Duration(r.Int64N(int64(p.Trouble-2*time.Second)))
		if c.Space == "" || r.IntN(2) == 0 {
			change(at, wire.NamespaceFlush)
			continue
		}
		change(at, wire.NamespaceDrop)
		for range 3 { // who has not heard of the drop has nothing to create
			at += between(r, 20*time.Millisecond, 4*time.Second)
			change(at, wire.NamespaceCreate)
		}
	}
	if c.Space != "" {
		change(p.Trouble+healFor/3, wire.NamespaceCreate)
	}
}

// drawSessions makes most calls those of a few sessions, in half of the clusters at the levels that need it most.
func (p *Plan) drawSessions(r *rand.Rand) {
	c := &p.Cluster
	c.Sessions = 1 + r.IntN(4)
	if r.IntN(2) == 0 {
		c.Read, c.Write, c.R, c.W, c.Down = wire.LevelOne, wire.LevelOne, 0, 0, 1
	}
	for i := range p.Asks {
		if a := &p.Asks[i]; a.Op != wire.OpNamespace {
			a.Session = r.IntN(c.Sessions + 1)
		}
	}
}

// add appends operations, and numbers them.
func (p *Plan) add(asks ...Ask) {
	for _, a := range asks {
		a.Number = len(p.Asks) + 1
		p.Asks = append(p.Asks, a)
	}
}

// maybe is a rate up to most, and often none.
func maybe(r *rand.Rand, most float64) float64 {
	if r.IntN(2) == 0 {
		return 0
	}
	return most * r.Float64()
}

// between is a duration from least to most, each order of magnitude as likely as the next.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return time.Duration(float64(least) * math.Pow(float64(most)/float64(least), r.Float64()))
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
		x := r.IntN(3000)
		c.Memory = int64(c.Shards) * (storage.BytesLeast + int64((int(c.Partitions)/c.Shards-1)<<8+x/10))
		c.Ghosts = int64(c.Shards) * int64(50+x%150)
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

const asksPerRun = 2000

func drawAsks(r *rand.Rand, p *Plan) []Ask {
	c := &p.Cluster
	asks := make([]Ask, asksPerRun)
	every := (p.Trouble - time.Second) / asksPerRun
	reads, touches := 0.2+0.5*r.Float64(), 0.04
	if r.IntN(4) == 0 {
		touches = 0.2
	}
	brief := func() time.Duration { return between(r, time.Millisecond, time.Minute) }
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
			a.Timeout = between(r, 50*time.Millisecond, 5*time.Second)
		}
		switch k := r.Float64(); {
		case k < reads:
			a.Op = wire.OpGet
		case k < reads+0.08:
			a.Op, a.By = wire.OpDelete, 0
		case k < reads+0.08+touches:
			a.Op = wire.OpTouch
			switch {
			case r.IntN(2) == 0:
				a.TTL = ttlUnit * time.Duration(i+1)
			case c.TTLs && r.IntN(3) > 0:
				a.TTL = brief()
			}
		default:
			if a.Op = wire.OpSet; c.TTLs && r.IntN(3) == 0 {
				a.TTL = brief()
			}
		}
	}
	for key := range c.Keys { // what is left in the end
		asks = append(asks, Ask{At: p.Trouble + healFor - 5*time.Second, Node: r.IntN(c.Nodes), Op: wire.OpGet, Key: key, Patient: true, Last: true})
	}
	for key := range c.Keys { // and whether all can be written and read again, through any node
		at := p.Trouble + healFor - 4*time.Second
		asks = append(asks,
			Ask{At: at, Node: r.IntN(c.Nodes), Op: wire.OpSet, Key: key, Patient: true, After: true},
			Ask{At: at + time.Second, Node: r.IntN(c.Nodes), Op: wire.OpGet, Key: key, Patient: true, After: true})
	}
	slices.SortStableFunc(asks, func(a, b Ask) int { return cmp.Compare(a.At, b.At) })
	for i := range asks {
		asks[i].Number = i + 1
	}
	return asks
}

// drawFaults spreads faults over the run. Which kinds there are, and how many, is the seed's; what cannot happen
// when its time has come, as one loss of memory too many, does not.
func drawFaults(r *rand.Rand, p *Plan) []Fault {
	var weights [faultKinds]int
	total := 0
	spared := r.IntN(6) == 0 // only what goes wrong between nodes: then hints bring all of them to agree
	for k := range weights {
		if kind := &kinds[k]; !kind.apart && p.Cluster.Nodes >= kind.nodes && (!spared || kind.spares) {
			weights[k] = r.IntN(4) * r.IntN(2) * max(kind.often, 1)
		}
		total += weights[k]
	}
	if total == 0 {
		weights[Pause], total = 1, 1
	}
	faults := make([]Fault, 30+r.IntN(30))
	for i := range faults {
		f := &faults[i]
		*f = Fault{
			At:   2*time.Second + (p.Trouble-2*time.Second)*time.Duration(i)/time.Duration(len(faults)),
			Node: r.IntN(p.Cluster.Nodes), For: between(r, 50*time.Millisecond, 2500*time.Millisecond), Number: i + 1,
		}
		if r.IntN(16) == 0 {
			f.For = between(r, 2500*time.Millisecond, 2*time.Minute)
		}
		if f.Other = r.IntN(p.Cluster.Nodes); f.Other == f.Node {
			f.Other = (f.Node + 1) % p.Cluster.Nodes
		}
		pick := r.IntN(total)
		for pick >= weights[f.Kind] {
			pick -= weights[f.Kind]
			f.Kind++
		}
		if draw := kinds[f.Kind].draw; draw != nil {
			draw(r, &p.Cluster, f)
		}
	}
	return faults
}
