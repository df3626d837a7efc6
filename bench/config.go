package bench

import (
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// Config is one run. The zero value of a field means its default, where it has one.
type Config struct {
	Addrs    []string      // nodes' client addresses, host:port; connections are dealt to them in turn
	Conns    int           // connections; default 50
	Depth    int           // closed loop: requests in a batch, default 1; open loop: most under way on a connection, default 1024
	Sliding  bool          // closed loop: Depth requests under way all the time, in place of batches
	Rate     float64       // open loop: requests a second that are due, in all; default 0: a closed loop
	Poisson  bool          // open loop: due as a Poisson process, in place of evenly
	Requests int           // in all, after the warm-up; default: until Duration ends
	Duration time.Duration // after the warm-up; default: until Requests are answered
	Warmup   time.Duration // load that is not counted, before; default none
	Load     bool          // set every key once before anything else; not counted

	ReadShare   float64 // part of the requests that read, 0 (the default) to 1
	ModifyShare float64 // part of the requests that read a key and then write it, which makes two requests; default 0
	Counters    bool    // what writes adds 1 to a counter, in place of setting a value; keys are then others
	Keys        int     // how many there are, and by which Distribution they are drawn; default 100,000
	Distribution
	Sizes []Size   // of values, in bytes; default 100
	TTL   Interval // of values, drawn evenly; default: for ever

	Timeout   time.Duration // of every request, at least 1 ms, and of every dial; what is unanswered then has failed; default: the node's
	Level     wire.Level    // consistency of every request; default: the namespace's
	Namespace string        // of all keys; default: the default one
	R, W      uint8         // with wire.LevelExplicit only
	Seed      uint64        // of all that is drawn; equal seeds draw alike
	Verify    bool          // check every value that is read, which some requests must; keys then have a name of this run

	// Progress is called about once a second, from one goroutine, and must not block. Default: nobody is told.
	Progress func(Progress)

	second time.Duration // of the series; 0: a real one
}

// Interval is a time drawn evenly from Least to Most.
type Interval struct{ Least, Most time.Duration }

// ErrConfig is wrapped by every problem that Validate reports.
var ErrConfig = errors.New("bench: bad config")

// Bounds of a Config: more would measure the generator's memory, or never end.
const (
	ConnsMax      = 10_000
	DepthMax      = 10_000
	KeysMax       = 1_000_000_000
	VerifyKeysMax = 5_000_000 // with Verify: each takes 144 bytes
	RateMax       = 100_000_000
	BatchMax      = 1 << 20 // bytes of values in a batch of more than one: as much waits in sockets and node while both ends write
	LengthMax     = 24 * time.Hour
	underwayMax   = frontierBits // requests of all connections together that may be under way where keys are drawn by latest
)

const (
	openDepth  = 1024
	timeoutMax = math.MaxUint32 * time.Millisecond
)

// problems collects what is wrong with a config, each part wrapping ErrConfig.
type problems []error

func (p *problems) add(format string, args ...any) {
	*p = append(*p, fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...)))
}

func (p *problems) between(what string, got, least, most int) {
	if got < least || got > most {
		p.add("%s %d: use %d to %d", what, got, least, most)
	}
}

func (p *problems) addrs(addrs []string) {
	if len(addrs) == 0 {
		p.add("no addresses: name at least one node's client address")
	}
	for _, a := range addrs {
		if _, _, err := net.SplitHostPort(a); err != nil {
			p.add("address %q: use host:port", a)
		}
	}
}

func (p *problems) calls(timeout time.Duration, level wire.Level, r, w uint8) {
	if timeout != 0 && (timeout < time.Millisecond || timeout > timeoutMax) {
		p.add("timeout %v: use 1ms to %v", timeout, timeoutMax)
	}
	if !level.Valid() {
		p.add("level %d: there is no such level", uint8(level))
	}
	if explicit := level == wire.LevelExplicit; explicit != (r > 0 && w > 0) {
		p.add("level %v with R=%d and W=%d: both go with the explicit level, and only with it", level, r, w)
	}
}

// Validate returns every problem at once, each wrapping ErrConfig; defaults are filled in first.
func (c Config) Validate() error {
	c = c.withDefaults()
	var p problems
	p.addrs(c.Addrs)
	p.between("conns", c.Conns, 1, ConnsMax)
	p.between("depth", c.Depth, 1, DepthMax)
	p.between("keys", c.Keys, 1, KeysMax)
	p.calls(c.Timeout, c.Level, c.R, c.W)
	c.checkLength(&p)
	c.checkMix(&p)
	c.checkSizes(&p)
	if c.Verify {
		if c.Counters {
			p.add("verify with counters: it is values that can be verified")
		}
		if c.Keys > VerifyKeysMax {
			p.add("keys %d: at most %d can be verified", c.Keys, VerifyKeysMax)
		}
		if c.Kind == Latest {
			p.add("verify with keys drawn by latest: it needs keys that are written again; use another distribution")
		}
		if c.ReadShare == 0 && c.ModifyShare == 0 {
			p.add("verify without reads: it would check nothing; let some requests read")
		}
	}
	return errors.Join(p...)
}

// checkLength finds runs that would never end.
func (c Config) checkLength(p *problems) {
	if c.Requests < 0 || c.Duration < 0 || c.Warmup < 0 {
		p.add("requests %d, duration %v, warm-up %v: none may be negative", c.Requests, c.Duration, c.Warmup)
	}
	if c.Requests == 0 && c.Duration == 0 {
		p.add("neither requests nor a duration: such a run would never end; give one of them")
	}
	if c.Duration > LengthMax || c.Warmup > LengthMax {
		p.add("duration %v, warm-up %v: use at most %v", c.Duration, c.Warmup, LengthMax)
	}
	switch {
	case !(c.Rate >= 0 && c.Rate <= RateMax): // NaN is neither
		p.add("rate %g: use up to %d requests a second", c.Rate, RateMax)
	case c.Rate > 0 && c.Duration == 0 && float64(c.Requests)/c.Rate > LengthMax.Seconds():
		p.add("%d requests at %g a second take more than %v: use fewer, or a higher rate", c.Requests, c.Rate, LengthMax)
	case c.Rate > 0 && c.Sliding:
		p.add("sliding with a rate: an open loop has no batches; leave one of them away")
	case c.Rate == 0 && c.Poisson:
		p.add("poisson without a rate: a closed loop has no arrivals; give a rate")
	}
}

func (c Config) checkMix(p *problems) {
	if !(c.ReadShare >= 0 && c.ReadShare <= 1) {
		p.add("read share %g: use 0 (writes only) to 1 (reads only)", c.ReadShare)
	} else if !(c.ModifyShare >= 0 && c.ReadShare+c.ModifyShare <= 1) {
		p.add("modify share %g: use 0 to 1, together with the read share", c.ModifyShare)
	}
	c.Distribution.check(p)
	if c.Kind == Latest && c.Conns*c.Depth > underwayMax {
		p.add("%d connections of depth %d: with latest at most %d requests may be under way; use fewer", c.Conns, c.Depth, underwayMax)
	}
	if t := c.TTL; t != (Interval{}) && (t.Least < time.Millisecond || t.Most < t.Least) {
		p.add("TTL from %v to %v: use 1ms or more, the smaller first", t.Least, t.Most)
	}
}

func (c Config) checkSizes(p *problems) {
	least := 1
	if c.Verify {
		least = stampBytes
	}
	most, total := 0, 0.0
	for _, s := range c.Sizes {
		if s.Least < least || s.Most < s.Least || s.Most > wire.DefaultLimits().Value {
			p.add("value bytes %d to %d: use %d to %d, the smaller first", s.Least, s.Most, least, wire.DefaultLimits().Value)
		}
		if !(s.Weight > 0) {
			p.add("weight %g of values of %d bytes: use more than 0", s.Weight, s.Least)
		}
		most, total = max(most, s.Most), total+s.Weight
	}
	if math.IsInf(total, 1) {
		p.add("weights of value sizes: their sum is too large")
	}
	if len(c.Sizes) > sizesMax {
		p.add("%d value sizes: use at most %d", len(c.Sizes), sizesMax)
	}
	if c.Rate == 0 && c.Depth > 1 && c.Depth*most > BatchMax {
		p.add("depth %d with values of %d bytes: a batch may have %d bytes; use a smaller depth or smaller values", c.Depth, most, BatchMax)
	}
}

func (c Config) withDefaults() Config {
	or := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	or(&c.Conns, 50)
	if c.Rate > 0 {
		or(&c.Depth, openDepth)
	}
	or(&c.Depth, 1)
	or(&c.Keys, 100_000)
	if len(c.Sizes) == 0 {
		c.Sizes = []Size{{Least: 100, Most: 100, Weight: 1}}
	}
	c.Distribution = c.Distribution.withDefaults()
	if c.second == 0 {
		c.second = time.Second
	}
	return c
}
