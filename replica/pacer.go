package replica

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/shoalcache/shoal/vclock"
)

// This file owns how fast a node works in the background: so fast that those who wait for answers hardly feel it. purse.go
// is what a shard may do of it.

// Background bounds what a node does in the background: hints and pages that it sends, and pages that it asks for, in bytes
// per second of all its shards together. Both must be positive.
type Background struct {
	Max   int64 // where nobody feels it; more recovers sooner and bursts harder; default 64 MiB
	Least int64 // however much it is felt, or what was missed would never come; at most Max; default a 32nd of it, or 256 KiB
}

// BackgroundOf is the Background of a Max, by default.
func BackgroundOf(most int64) Background {
	return Background{Max: most, Least: max(most/backgroundPart, min(most, backgroundLeast))}
}

// DefaultBackground returns the defaults named at the fields.
func DefaultBackground() Background { return BackgroundOf(64 << 20) }

// Validate returns every problem at once, each wrapping ErrConfig, or nil.
func (b Background) Validate() error {
	var problems []error
	if b.Least <= 0 {
		problems = append(problems, fmt.Errorf("%w: Background.Least %d: give it a positive value", ErrConfig, b.Least))
	}
	if b.Max < b.Least || b.Max > backgroundMost {
		problems = append(problems, fmt.Errorf("%w: Background.Max %d: use Background.Least, %d, to %d", ErrConfig, b.Max, b.Least, backgroundMost))
	}
	return errors.Join(problems...)
}

const (
	// backgroundMost keeps sums of bytes and rates far from overflowing.
	backgroundMost = 1 << 40

	// backgroundPart is the part of Max that is done however much it is felt: by default 2 MiB a second, some 15,000 records of
	// 100 bytes, for which a node that is told them works for a twentieth of a second, and one that tells them for less.
	backgroundPart  = 32
	backgroundLeast = 256 << 10

	// A window ends when enough requests have told how long they took, or when it is clear that they are few.
	paceWindow    = 250 * time.Millisecond
	paceWindowMax = 2 * time.Second
	paceEnough    = 100
	paceFew       = 20 // in paceWindowMax: nobody is there to feel anything

	paceClear = 100 * time.Millisecond // from when a node rests until what was under way is through

	paceNoise = time.Millisecond // latencies below it are as good as any
	paceWorks = 3                // windows of work before one of rest, after which they are judged
	paceStart = 8                // the part of Background.Max that work begins with while requests are answered
	paceLearn = 4                // the part of what is new that the usual latency takes on in a window of rest
	paceBurst = 4                // the part of a second's work that may be done at once
	paceStep  = 2                // the part of the rate, one in so many, that it grows by at most,
	paceStill = 8                // and at least

	// Times the usual latency: up to the first the rate grows fast, up to the second slowly, above the third it shrinks.
	paceAlike, paceBetter, paceWorse = 1.05, 1.15, 1.3
)

// Pacer decides how fast a node works in the background. It compares the latency that 99 % of the requests stay below while it
// works with that while it rests: three windows of work, one of rest, in which it does its least. Where work makes it 1.3 times as
// long, the rate shrinks, where hardly longer, it grows: by half of it while it goes on in one direction, by less when it turns.
//
// One window says little: a node shares its machine, and a stall of 20 ms is in the 99th percentile of its window, whoever caused
// it. What comes from elsewhere is met at rest as at work. So what is compared are means of several windows, of logarithms since such stalls
// come in all sizes, and a step up is as long as one down: noise alone takes the rate to its greatest, and not to its least.
//
// It is told of latencies by the shell, and deals its rate to the shards.
type Pacer struct {
	cfg    Background
	shards int64

	pace Pace
	pot  int64 // bytes that may be sent, or asked for, and are not dealt to a shard; negative: they were sent already
	last time.Duration

	first int64 // the shard that is dealt a part first in this tick,
	parts int64 // how many are from it on,
	rest  int64 // and how many of them are still to be

	began  time.Duration // of the window
	counts Latency       // of all requests until then
	spent  int64         // in it
	phase  phase         // what it is
	worked int64         // spent in windows of work since the rate was judged last,
	could  int64         // what might have been,
	works  int           // how many of them there were,
	felt   float64       // and the logarithms of their latencies together
	usual  float64       // the logarithm of that at rest; 0: not known
	step   int64         // the part of the rate, one in so many, that it was moved by last; 0: it was not
	grew   bool          // how
}

// phase is what a window is.
type phase uint8

const (
	working  phase = iota
	clearing       // the node rests, and what is felt is still of before
	resting
)

// Pace is how fast a node works in the background, and why.
type Pace struct {
	Rate    int64 `json:"bytes_per_second"`
	RateMax int64 `json:"bytes_per_second_max"`
	Cuts    int64 `json:"cuts"`         // how often the rate shrank
	P99     int64 `json:"p99_us"`       // of the requests of the last window
	Usual   int64 `json:"p99_usual_us"` // while next to nothing is done in the background
}

// Pacer returns the one of this node. A node whose shell does not drive it works as fast as it can.
func (n *Node) Pacer() *Pacer { return newPacer(n.cfg.Background, n.cfg.Shards) }

func newPacer(cfg Background, shards int) *Pacer {
	return &Pacer{cfg: cfg, shards: int64(shards), pace: Pace{Rate: cfg.Max, RateMax: cfg.Max}}
}

// Tick lets time pass. Latencies returns those of all requests that were ever answered, counts that may wrap around; it is
// called a few times a second. Deal then has to see every shard.
func (p *Pacer) Tick(now vclock.Now, latencies func() Latency) {
	passed := min(now.Mono-p.last, time.Second)
	p.last = now.Mono
	// What was asked for under a higher rate may have been many times what this one allows: it counts for a second at most.
	p.pot = max(p.pot+within(passed, p.rate()), -p.rate())
	p.first = (p.first + p.parts) % p.shards
	p.parts = min(max(p.pot/p.pace.pageBytes(), 1), p.shards)
	p.rest = p.parts
	took := now.Mono - p.began
	if p.phase == clearing && took >= paceClear {
		p.phase, p.began, p.counts, p.spent = resting, now.Mono, latencies(), 0
		return
	}
	if took < paceWindow {
		return
	}
	counts := latencies()
	felt := counts
	for i := range felt {
		felt[i] -= p.counts[i]
	}
	if n := felt.Total(); n > 0 && n < paceEnough && took < paceWindowMax {
		return
	}
	p.window(took, &felt)
	p.began, p.counts, p.spent = now.Mono, counts, 0
}

// rate is how fast the node works in this window.
func (p *Pacer) rate() int64 {
	if p.phase == working {
		return p.pace.Rate
	}
	return p.cfg.Least
}

// window ends one.
func (p *Pacer) window(took time.Duration, felt *Latency) {
	rested := p.phase == resting
	p.phase = working
	if felt.Total() < paceFew {
		p.pace.Rate, p.pace.P99 = p.cfg.Max, 0
		p.unjudged()
		return
	}
	p.pace.P99 = felt.Quantile(0.99).Microseconds()
	log := math.Log2(float64(max(p.pace.P99, paceNoise.Microseconds())))
	if p.usual == 0 {
		p.usual = log
	}
	took = min(took, time.Hour)
	could := within(took, p.rate())
	switch little := p.spent <= within(took, p.cfg.Least/2); {
	case rested || little:
		p.usual += (log - p.usual) / paceLearn
		p.pace.Usual = int64(math.Exp2(p.usual))
		if p.works == paceWorks {
			p.judge()
		} else if start := max(p.cfg.Max/paceStart, p.cfg.Least); p.works == 0 { // nothing shows that more would be borne
			p.pace.Rate = min(p.pace.Rate, start)
		}
	default:
		p.worked, p.could = p.worked+p.spent, p.could+could
		p.works++
		p.felt += log
		if p.works == paceWorks {
			p.phase = clearing
		}
	}
}

// judge moves the rate by what was felt of the work since it was moved last.
func (p *Pacer) judge() {
	switch times := math.Exp2(p.felt/float64(p.works) - p.usual); {
	case times > paceWorse && p.pace.Rate > p.cfg.Least:
		p.turn(false)
		p.pace.Rate = max(p.pace.Rate/(p.step+1)*p.step, p.cfg.Least)
		p.pace.Cuts++
	case times <= paceBetter && p.worked >= p.could/2: // else the rate is not what held it up
		if p.turn(true); times > paceAlike { // latencies are known in steps: it may be felt more than it seems
			p.step = paceStill
		}
		p.pace.Rate = min(p.pace.Rate+p.pace.Rate/p.step+1, p.cfg.Max)
	}
	p.unjudged()
}

// unjudged lets go of what was felt of work until now.
func (p *Pacer) unjudged() { p.worked, p.could, p.works, p.felt = 0, 0, 0, 0 }

// within is what comes in a time at so many bytes per second; their product may be more than 64 bits hold.
func within(d time.Duration, rate int64) int64 {
	high, low := bits.Mul64(uint64(d), uint64(rate))
	n, _ := bits.Div64(high, low, uint64(time.Second))
	return int64(n)
}

// turn makes the step twice as long where it goes the way of the last, else half as long.
func (p *Pacer) turn(grows bool) {
	if p.grew == grows || p.step == 0 {
		p.step = max(p.step/2, paceStep)
	} else {
		p.step = min(p.step*2, paceStill)
	}
	p.grew = grows
}

// Deal takes back what a shard has left of its part, and hands it a new one. Where there is enough for all of them, all have an equal
// share, so that what one has no use for is dealt to all again with the next tick; else as many as it is a page for, each in turn: all at
// once, they would ask for more than is there, and then nothing for a while. It is called for each shard, under its lock, after Tick.
func (p *Pacer) Deal(s *Shard) {
	most := p.rate() / paceBurst
	left, spent := s.purse.settle()
	p.spent += spent
	p.pot = min(p.pot+left, most)
	part := int64(0)
	if turn := (int64(s.number) - p.first + p.shards) % p.shards; turn < p.parts && p.rest > 0 {
		if p.pot > 0 {
			part = min((p.pot+p.rest-1)/p.rest, most/p.shards+1)
		}
		p.rest--
	}
	p.pot -= part
	s.purse.fill(part, p.pace)
}
