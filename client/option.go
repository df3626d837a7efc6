package client

import (
	"time"

	"github.com/shoalcache/shoal/wire"
)

// Level is how many replicas, and where, a call waits for.
type Level = wire.Level

// The levels; see docs/CONSISTENCY.md for what each promises.
const (
	LevelDefault     = wire.LevelDefault // the cluster's own, normally quorum
	LevelAny         = wire.LevelAny
	LevelOne         = wire.LevelOne
	LevelTwo         = wire.LevelTwo
	LevelQuorum      = wire.LevelQuorum
	LevelAll         = wire.LevelAll
	LevelLocalOne    = wire.LevelLocalOne
	LevelLocalQuorum = wire.LevelLocalQuorum
	LevelEachQuorum  = wire.LevelEachQuorum
)

// The defaults of a client that is given no options.
const (
	DefaultTimeout     = 2 * time.Second // of a call
	DefaultDialTimeout = time.Second     // of one connection's start
	DefaultInFlight    = 4096            // calls that wait for an answer on one connection
)

// options are those of a client.
type options struct {
	dialTimeout time.Duration
	inFlight    int
	limits      wire.Limits
	calls       callOptions
}

// Option configures a Client at Dial.
type Option func(*options)

// WithDialTimeout bounds how long one node may take to accept a connection and say who it is.
func WithDialTimeout(d time.Duration) Option {
	return func(o *options) { o.dialTimeout = d }
}

// WithInFlight bounds the calls that wait for answers on one connection; more of them wait their turn. A higher
// bound allows deeper batches, at the price of more memory and a longer queue when a node is slow.
func WithInFlight(n int) Option {
	return func(o *options) { o.inFlight = max(n, 1) }
}

// WithLimits sets the sizes of keys, values and frames, for a cluster that is configured for others.
func WithLimits(l wire.Limits) Option {
	return func(o *options) { o.limits = l }
}

// WithDefaults applies opts to every call that does not override them.
func WithDefaults(opts ...CallOption) Option {
	return func(o *options) { o.calls.apply(opts) }
}

// callOptions are those of one call.
type callOptions struct {
	level   Level
	r, w    uint8
	sloppy  bool
	timeout time.Duration
	ttl     time.Duration
	expires bool // ttl was given, whatever it is
	prefix  string
}

func (o *callOptions) apply(opts []CallOption) {
	for _, set := range opts {
		set(o)
	}
}

// CallOption configures one call.
type CallOption func(*callOptions)

// WithLevel sets how many replicas the call waits for.
func WithLevel(l Level) CallOption {
	return func(o *callOptions) { o.level = l }
}

// WithRW sets the number of replicas that reads (r) and writes (w) wait for, in place of a level.
func WithRW(r, w uint8) CallOption {
	return func(o *callOptions) { o.level, o.r, o.w = wire.LevelExplicit, r, w }
}

// WithTTL lets what is set expire after d, which must be positive and is rounded up to a millisecond.
func WithTTL(d time.Duration) CallOption {
	return func(o *callOptions) { o.ttl, o.expires = d, true }
}

// WithTimeout bounds the call, both here and at the node. The context's deadline counts too, if it is earlier.
func WithTimeout(d time.Duration) CallOption {
	return func(o *callOptions) { o.timeout = d }
}

// Sloppy lets a hint at a fallback count towards W. Such a write may not be seen by the reads that follow it.
func Sloppy() CallOption {
	return func(o *callOptions) { o.sloppy = true }
}

// WithPrefix limits a scan to the keys that begin with p.
func WithPrefix(p string) CallOption {
	return func(o *callOptions) { o.prefix = p }
}
