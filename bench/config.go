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
	Addrs      []string      // nodes' client addresses, host:port; connections are dealt to them in turn
	Conns      int           // connections, each with one batch under way; default 50
	Depth      int           // requests in a batch; default 1; more trades latency for throughput
	Requests   int           // in all, after the warm-up; default: until Duration ends
	Duration   time.Duration // after the warm-up; default: until Requests are answered
	Warmup     time.Duration // load that is not counted, before; default none
	ReadShare  float64       // part of the requests that read, 0 (writes only, the default) to 1
	Keys       int           // drawn from uniformly; default 100,000; keys nobody has written are misses
	ValueBytes int           // default 100
	Timeout    time.Duration // of every request, at least 1 ms; default: the node's
	Level      wire.Level    // consistency of every request; default: the cluster's
	R, W       uint8         // with wire.LevelExplicit only
	Seed       uint64        // of the keys drawn, and of what is read and what written; equal seeds draw alike
}

// ErrConfig is wrapped by every problem that Validate reports.
var ErrConfig = errors.New("bench: bad config")

// Bounds of a Config: more would measure the generator's memory.
const (
	ConnsMax = 10_000
	DepthMax = 10_000
	KeysMax  = 1_000_000_000
	BatchMax = 1 << 20 // bytes of values in a batch of more than one: as much waits in sockets and node while both ends write
)

// Validate returns every problem at once, each wrapping ErrConfig; defaults are filled in first.
func (c Config) Validate() error {
	c = c.withDefaults()
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...)))
	}
	between := func(what string, got, least, most int) {
		if got < least || got > most {
			problem("%s %d: use %d to %d", what, got, least, most)
		}
	}
	if len(c.Addrs) == 0 {
		problem("no addresses: name at least one node's client address")
	}
	for _, a := range c.Addrs {
		if _, _, err := net.SplitHostPort(a); err != nil {
			problem("address %q: use host:port", a)
		}
	}
	between("conns", c.Conns, 1, ConnsMax)
	between("depth", c.Depth, 1, DepthMax)
	between("keys", c.Keys, 1, KeysMax)
	between("value bytes", c.ValueBytes, 1, wire.DefaultLimits().Value)
	if c.Depth > 1 && c.Depth*c.ValueBytes > BatchMax {
		problem("depth %d with values of %d bytes: a batch may have %d bytes; use a smaller depth or smaller values", c.Depth, c.ValueBytes, BatchMax)
	}
	if c.Requests < 0 || c.Duration < 0 || c.Warmup < 0 {
		problem("requests %d, duration %v, warm-up %v: none may be negative", c.Requests, c.Duration, c.Warmup)
	}
	if c.Timeout != 0 && (c.Timeout < time.Millisecond || c.Timeout.Milliseconds() > math.MaxUint32) {
		problem("timeout %v: use 1ms to %v", c.Timeout, math.MaxUint32*time.Millisecond)
	}
	if c.Requests == 0 && c.Duration == 0 {
		problem("neither requests nor a duration: such a run would never end; give one of them")
	}
	if !(c.ReadShare >= 0 && c.ReadShare <= 1) {
		problem("read share %g: use 0 (writes only) to 1 (reads only)", c.ReadShare)
	}
	if !c.Level.Valid() {
		problem("level %d: there is no such level", uint8(c.Level))
	}
	if explicit := c.Level == wire.LevelExplicit; explicit != (c.R > 0 && c.W > 0) {
		problem("level %v with R=%d and W=%d: both go with the explicit level, and only with it", c.Level, c.R, c.W)
	}
	return errors.Join(problems...)
}

func (c Config) withDefaults() Config {
	or := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	or(&c.Conns, 50)
	or(&c.Depth, 1)
	or(&c.Keys, 100_000)
	or(&c.ValueBytes, 100)
	return c
}
