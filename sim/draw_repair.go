package sim

import (
	"math/rand/v2"
	"time"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/wire"
)

// This file owns what plans have for the sake of repair. Each thing is drawn by a source of its own.

func (p *Plan) drawRepair() {
	c := &p.Cluster
	source := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(p.Seed, n)) }
	if r := source(0x5b0a7); r.IntN(3) == 0 {
		if c.Exchanges = true; r.IntN(2) == 0 {
			p.drawCold(r)
		}
	}
	c.HintLog = source(0x5b0a8).IntN(4) > 0
	if r := source(0x5b0aa); r.IntN(4) == 0 || c.Exchanges && r.IntN(2) == 0 {
		if n := 1 << r.IntN(3); n != c.Shards {
			c.ShardsOdd = n
		}
	}
	if r := source(0x5b0ab); r.IntN(4) == 0 {
		p.drawBackground(r)
	}
	if r := source(0x5b0ac); r.IntN(16) == 0 && c.spares() && !c.Siblings {
		p.drawAimed(r)
	}
}

// drawCold lets nobody read half of the keys from some time on, so that no read repairs what their owners have missed: hints must bring
// it, or exchanges.
func (p *Plan) drawCold(r *rand.Rand) {
	from := between(r, p.Trouble/3, p.Trouble)
	for i := range p.Asks {
		a := &p.Asks[i]
		if a.At > from && a.Op == wire.OpGet && a.Key < p.Cluster.Keys && a.Key%2 == 1 {
			a.Key--
		}
	}
}

// drawBackground lets nodes do so little in the background that hints, recovery and exchanges wait for each other: a run has next to
// nothing to do of what a node may do by default.
func (p *Plan) drawBackground(r *rand.Rand) {
	most := int64(32<<10) << r.IntN(4) // with less, recovery and hints are not through when they should be
	p.Cluster.Background = replica.Background{Max: most, Least: max(most>>r.IntN(6), 4<<10)}
}

const (
	aimedFirst = 8 * time.Second  // when aimed faults begin, so that nodes are looked at after the last of them and before the owner is back
	aimedEvery = 30 * time.Second // between two rounds of them
)

// drawAimed lets nothing go wrong but what a log of hints is for: an owner is cut off, who keeps hints for it loses its power, is made
// to believe for a moment that the owner is back, so that it reads its log and lets go of it, and loses its power again. Of faults
// that are drawn one by one hardly any run has these in their order.
func (p *Plan) drawAimed(r *rand.Rand) {
	c := &p.Cluster
	c.Sloppy, c.HintLog, p.Faults = true, true, nil
	for at := aimedFirst; at+aimedEvery <= p.Trouble; at += aimedEvery {
		away := r.IntN(c.Nodes)
		keeper := (away + 1 + r.IntN(c.Nodes-1)) % c.Nodes
		after := func(least time.Duration) time.Duration {
			return at + least + time.Duration(r.Int64N(int64(4*time.Second)))
		}
		brief := func() time.Duration { return between(r, 50*time.Millisecond, time.Second) }
		for _, f := range []Fault{
			{Kind: Alone, At: at, For: 24 * time.Second, Node: away, Bits: 1 << away},
			{Kind: Power, At: after(3 * time.Second), For: brief(), Node: keeper},
			{Kind: Flap, At: after(9 * time.Second), For: between(r, time.Second, 4*time.Second), Node: keeper, Other: away},
			{Kind: Power, At: after(15 * time.Second), For: brief(), Node: keeper},
		} {
			f.Number = len(p.Faults) + 1
			p.Faults = append(p.Faults, f)
		}
	}
}
