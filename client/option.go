package client

import (
	"log/slog"
	"math"
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
	DefaultInFlight    = 4000            // calls that wait for an answer on one connection; also the most
	DefaultConns       = 1               // connections to a node
	DefaultRetries     = 3               // attempts of a call after its first
)

// options are those of a client.
type options struct {
	dialTimeout time.Duration
	inFlight    int
	conns       int
	retries     int
	routing     bool
	hedging     bool
	quiet       time.Duration // see quietMax; only tests have another
	nudge       time.Duration // see nudgeWait; likewise
	site        site
	limits      wire.Limits
	hooks       Hooks
	log         *slog.Logger
	calls       callOptions
}

func defaultOptions() options {
	return options{
		dialTimeout: DefaultDialTimeout, inFlight: DefaultInFlight, conns: DefaultConns, retries: DefaultRetries,
		routing: true, hedging: true, quiet: quietMax, nudge: nudgeWait, limits: wire.DefaultLimits(), log: slog.New(slog.DiscardHandler),
		calls: callOptions{timeout: DefaultTimeout},
	}
}

// Option configures a Client at Dial.
type Option func(*options)

// WithDialTimeout bounds how long one node may take to accept a connection and say who it is.
func WithDialTimeout(d time.Duration) Option {
	return func(o *options) { o.dialTimeout = d }
}

// WithInFlight bounds the calls that wait for answers on one connection; more of them wait their turn. DefaultInFlight is
// the most: with 4096 a node stops reading, and would not see the ping that asks whether it is there. WithConns allows more.
func WithInFlight(n int) Option {
	return func(o *options) { o.inFlight = min(max(n, 1), DefaultInFlight) }
}

// WithConns sets the number of connections to each node. One gathers the most calls in a write, which is cheapest for
// both ends; more of them help where one cannot carry all the bytes, or large values hold up small ones.
func WithConns(n int) Option {
	return func(o *options) { o.conns = min(max(n, 1), connsMax) }
}

// connsMax bounds the connections to a node.
const connsMax = 64

// WithSite says where the program runs. Of the owners of a key, those in the same rack are asked first, then those in
// the same datacenter; either may be empty. Without it, the datacenter is that of the node that answers Dial.
func WithSite(datacenter, rack string) Option {
	return func(o *options) { o.site = site{datacenter, rack} }
}

// WithoutRouting sends everything to the first of the addresses given to Dial that answers, and to the next one when it
// fails: for proxies, for programs that make few calls, and to talk to one node on purpose.
func WithoutRouting() Option {
	return func(o *options) { o.routing = false }
}

// WithRetries bounds the attempts of a call after its first; 0 is none. Retries of all calls together are bounded, too:
// about one of ten calls can be tried again.
func WithRetries(n int) Option {
	return func(o *options) { o.retries = max(n, 0) }
}

// WithHedging says whether a get or head that is slower than 19 of 20 others is sent to a second owner. At most one of
// twenty calls is, so that a cluster that is slow because of its load does not get much more of it.
func WithHedging(on bool) Option {
	return func(o *options) { o.hedging = on }
}

// WithHooks calls h for what the client does.
func WithHooks(h Hooks) Option {
	return func(o *options) { o.hooks = h }
}

// WithLogger logs connections that come and go and changes of the cluster map. A call logs nothing: its errors are the
// caller's.
func WithLogger(l *slog.Logger) Option {
	return func(o *options) { o.log = l }
}

// WithLimits sets the sizes of keys, values and frames, for a cluster that is configured for others.
func WithLimits(l wire.Limits) Option {
	return func(o *options) { o.limits = l }
}

// WithDefaults applies opts to every call that does not override them.
func WithDefaults(opts ...CallOption) Option {
	return func(o *options) { o.calls.apply(opts) }
}

// WithNamespace makes the client's keys those of a namespace, which has to be there: a call in one that is not is a
// *NamespaceError. Client.Namespace has more than one on the same connections.
func WithNamespace(name string) Option {
	return func(o *options) { o.calls.namespace = name }
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

	namespace string // empty: the default one; of the client, not of one call

	idempotent bool
	session    *Session
	siblings   bool
	condition  wire.Condition
	than       uint64 // with condition version
	initial    int64  // of a counter
	context    []byte
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

// WithTTL lets what is set, or a counter or value that begins, expire after d, which must be positive and is rounded up
// to a millisecond.
func WithTTL(d time.Duration) CallOption {
	return func(o *callOptions) { o.ttl, o.expires = d, true }
}

// WithTimeout bounds the call, however many keys it has, both here and at the node. The context's deadline counts too, if it is earlier.
func WithTimeout(d time.Duration) CallOption {
	return func(o *callOptions) { o.timeout = min(d, timeoutMax) }
}

// timeoutMax is the most that a request can tell a node: 49 days.
const timeoutMax = math.MaxUint32 * time.Millisecond

// Sloppy lets a hint at a fallback count towards W. Such a write may not be seen by the reads that follow it.
func Sloppy() CallOption {
	return func(o *callOptions) { o.sloppy = true }
}

// Idempotent says that it does no harm if this write is carried out twice, or late: it is then tried again like a read.
// A late copy may undo a later write of the same key. Of Incr, Append and GetAndSet it is not believed.
func Idempotent() CallOption {
	return func(o *callOptions) { o.idempotent = true }
}

// WithPrefix limits a scan to the keys that begin with p.
func WithPrefix(p string) CallOption {
	return func(o *callOptions) { o.prefix = p }
}
