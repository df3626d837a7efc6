package replica

import (
	"errors"
	"fmt"
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
	Least int64 // however much it is felt, or what was missed would never come; at most Max; default 256 KiB
}

// DefaultBackground returns the defaults named at the fields.
func DefaultBackground() Background { return Background{Max: 64 << 20, Least: 256 << 10} }

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

	// A window ends when enough requests have told how long they took, or when it is clear that they are few.
	paceWindow    = 250 * time.Millisecond
	paceWindowMax = 2 * time.Second
	paceEnough    = 100
	paceFew       = 20 // in paceWindowMax: nobody is there to feel anything

	paceNoise = time.Millisecond // latencies below it are as good as any
	paceStep  = 8                // the part of the rate that it grows by in a window that went well,
	paceLeast = 256              // and the part of Background.Max that it grows by at least
	paceStart = 8                // the part of Background.Max that work begins with while requests are answered
	paceLearn = 8                // the part of what is new that the usual latency takes on in a window
	paceBurst = 4                // the part of a second's work that may be done at once
)

// Pacer decides how fast a node works in the background. It compares the latency that 99 % of the requests stay below with
// the one that was usual while next to nothing was done in the background: where it is 1.3 times that, the rate is halved, where it
// is not much above it, the rate grows by an eighth. It is told of latencies by the shell, and deals its rate to the shards.
type Pacer struct {
	cfg    Background
	shards int64

	pace Pace
	pot  int64 // bytes that may be sent, or asked for, and are not dealt to a shard; negative: they were sent already
	rest int64 // shards that are still to be dealt a part in this tick
	last time.Duration

	began  time.Duration // of the window
	counts Latency       // of all requests until then
	spent  int64         // in it
	cut    bool          // the window before ended with a cut, whose effect this one may not show yet
}

// Pace is how fast a node works in the background, and why.
type Pace struct {
	Rate    int64 `json:"bytes_per_second"`
	RateMax int64 `json:"bytes_per_second_max"`
	Cuts    int64 `json:"cuts"`             // how often the rate was halved
	P99     int64 `json:"p99_micros"`       // of the requests of the last window
	Usual   int64 `json:"p99_usual_micros"` // while next to nothing is done in the background
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
	p.rest = p.shards
	// What was asked for under a higher rate may have been many times what this one allows: it counts for a second at most.
	p.pot = max(p.pot+within(passed, p.pace.Rate), -p.pace.Rate)
	took := now.Mono - p.began
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
	p.judge(took, &felt)
	p.began, p.counts, p.spent = now.Mono, counts, 0
}

// judge ends a window.
func (p *Pacer) judge(took time.Duration, felt *Latency) {
	cut := p.cut
	p.cut = false
	if felt.Total() < paceFew {
		p.pace.Rate, p.pace.P99 = p.cfg.Max, 0
		return
	}
	p99 := felt.Quantile(0.99).Microseconds()
	p.pace.P99 = p99
	little := p.spent <= within(min(took, time.Hour), 2*p.cfg.Least) // that is not what they felt
	switch {
	case p.pace.Usual == 0:
		p.pace.Usual = p99
	case little:
		p.pace.Usual += (p99 - p.pace.Usual) / paceLearn
	}
	least := paceNoise.Microseconds()
	switch {
	case little && p.pace.Rate > p.start(): // nothing shows that so much would be borne
		p.pace.Rate = p.start()
	case p99 <= max(p.pace.Usual*115/100, least):
		p.pace.Rate = min(p.pace.Rate+max(p.pace.Rate/paceStep, p.cfg.Max/paceLeast, 1), p.cfg.Max)
	case p99 > max(p.pace.Usual*130/100, least) && !cut && !little && p.pace.Rate > p.cfg.Least:
		p.pace.Rate = max(p.pace.Rate/2, p.cfg.Least)
		p.pace.Cuts++
		p.cut = true
	}
}

// within is what comes in a time at so many bytes per second; their product may be more than 64 bits hold.
func within(d time.Duration, rate int64) int64 {
	high, low := bits.Mul64(uint64(d), uint64(rate))
	n, _ := bits.Div64(high, low, uint64(time.Second))
	return int64(n)
}

func (p *Pacer) start() int64 { return max(p.cfg.Max/paceStart, p.cfg.Least) }

// Deal takes back what a shard has left of its part, and hands it a new one, an equal share: so what one has no use for is
// dealt to all again with the next tick. It is called for each shard, under its lock, after Tick.
func (p *Pacer) Deal(s *Shard) {
	most := p.pace.Rate / paceBurst
	left, spent := s.purse.settle()
	p.spent += spent
	p.pot = min(p.pot+left, most)
	part := int64(0)
	if p.pot > 0 {
		part = min((p.pot+p.rest-1)/p.rest, most/p.shards+1)
	}
	p.pot -= part
	p.rest = max(p.rest-1, 1)
	s.purse.fill(part, p.pace)
}
