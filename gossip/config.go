package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/memberlist"
	"go.uber.org/zap"

	"github.com/shoalcache/shoal/vclock"
)

// Config is what a node needs to meet the others. Callbacks may be nil.
type Config struct {
	// Self is this node and its boot. Boot must grow with every start: a restarted node is told from its former
	// self by it. Required, both above zero.
	Self vclock.Actor
	// Cluster is the cluster's name, 1 to 255 bytes. Packets and streams that carry another are refused.
	Cluster string
	// BindAddr is host:port to listen on, TCP and UDP. Port 0 takes a free one; an empty host means all IPv4 ones. What is sent
	// leaves from that host, unless it means all.
	BindAddr string
	// Advertise is the host other nodes reach this one by. Default: the bound address, or a private one of
	// this machine if bound to all.
	Advertise string
	// Meta is what the others learn of this node, at most 512 bytes encoded.
	Meta Meta
	// Key encrypts and authenticates all gossip: 16, 24 or 32 bytes, the same on every node. None: anyone who
	// reaches the port can speak.
	Key []byte
	// Timings trade quick detection against false alarms. Start from DefaultTimings.
	Timings Timings
	// Log takes this package's lines and memberlist's, repeated lines sampled. Default: none are written.
	Log *zap.Logger

	// Reach, where set, says whether anything may be sent to an address, host:port: for tests that part a cluster.
	Reach func(addr string) bool

	// State is the encoded cluster map, at most 1 MiB; called from memberlist's goroutines, so it must be quick.
	// The slice is only read.
	State func() []byte
	// OnState takes a node's encoded map, which it may keep. An error is counted and logged. A node of another
	// cluster is refused before its map gets here.
	OnState func(from vclock.Actor, b []byte) error
	// OnChange takes the full set of nodes alive, this one included, whenever it has changed. It may keep the map.
	OnChange func(Alive)
	// Known lists the nodes of the cluster map. Those not alive are joined again every Timings.Rejoin, without
	// which a healed partition would stay split for ever: memberlist forgets the dead.
	Known func() []Contact
}

// Contact is where a node of the cluster map was last known to gossip.
type Contact struct {
	Node uint64
	Addr string // host:port
}

// Timings are the periods of failure detection and repair. A dead node is noticed after about
// Probe × (1 + Suspicion) plus the wait for its turn to be probed.
type Timings struct {
	Probe        time.Duration // between probes; each goes to the next node. Default 500 ms. Raise: slower, fewer packets
	ProbeTimeout time.Duration // to a packet's ack, before others and TCP are tried. Default 250 ms; below Probe
	Suspicion    int           // probe periods in which a suspect can object. Default 3. Lower: false alarms on busy machines
	Gossip       time.Duration // between rounds of gossip, and of map broadcasts. Default 100 ms
	PushPull     time.Duration // between full exchanges with a random node. Default 10 s; grows above 32 nodes
	Forget       time.Duration // how long the dead are still gossiped to. Default 30 s
	TCP          time.Duration // limit of one connection, dialling included. Default 3 s. Raise for slow WANs
	Rejoin       time.Duration // between attempts to reach nodes of the map that are not seen. Default 5 s
}

// DefaultTimings suits a cache within one region: a killed node among a few is noticed in 2 to 3 s, and a
// machine too busy to answer for a second is not taken for dead.
func DefaultTimings() Timings {
	return Timings{
		Probe: 500 * time.Millisecond, ProbeTimeout: 250 * time.Millisecond, Suspicion: 3,
		Gossip: 100 * time.Millisecond, PushPull: 10 * time.Second, Forget: 30 * time.Second,
		TCP: 3 * time.Second, Rejoin: 5 * time.Second,
	}
}

// Validate returns every problem of the config at once, or nil.
func (c *Config) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("gossip: "+format, args...))
		}
	}
	bad(c.Self.Node == 0 || c.Self.Boot == 0, "node id and boot must not be 0")
	bad(c.Cluster == "" || len(c.Cluster) > memberlist.LabelMaxSize, "the cluster's name must have 1 to %d bytes", memberlist.LabelMaxSize)
	_, _, err := net.SplitHostPort(c.BindAddr)
	bad(err != nil, "bind address %q: use host:port", c.BindAddr)
	if _, err := c.Meta.encode(); err != nil {
		errs = append(errs, err)
	}
	if len(c.Key) > 0 {
		bad(memberlist.ValidateKey(c.Key) != nil, "the key has %d bytes: use 16, 24 or 32", len(c.Key))
	}
	t := c.Timings
	bad(min(t.Probe, t.ProbeTimeout, t.Gossip, t.PushPull, t.Forget, t.TCP, t.Rejoin) <= 0 || t.Suspicion < 1,
		"every timing must be above 0: start from DefaultTimings")
	bad(t.ProbeTimeout >= t.Probe, "probe timeout %v must be below the probe period %v", t.ProbeTimeout, t.Probe)
	return errors.Join(errs...)
}

// memberlist translates the config; transport, name, delegates and logger are the caller's to add.
func (c *Config) memberlist() *memberlist.Config {
	m := memberlist.DefaultLANConfig()
	m.Name = c.Self.String()
	m.Label = c.Cluster
	m.SecretKey = c.Key
	m.EnableCompression = false // decompression comes before memberlist's own limits
	m.UDPBufferSize = packetSent
	m.AwarenessMaxMultiplier = 4 // a node that is itself slow probes up to 4 times slower, rather than accuse
	m.SuspicionMaxTimeoutMult = 3
	m.ProbeInterval = c.Timings.Probe
	m.ProbeTimeout = c.Timings.ProbeTimeout
	m.SuspicionMult = c.Timings.Suspicion
	m.GossipInterval = c.Timings.Gossip
	m.PushPullInterval = c.Timings.PushPull
	m.GossipToTheDeadTime = c.Timings.Forget
	m.TCPTimeout = c.Timings.TCP
	return m
}

// bind resolves BindAddr to what a transport needs: memberlist takes only an IP, and anything else for "all".
func (c *Config) bind() (ip string, port int, err error) {
	host, p, err := net.SplitHostPort(c.BindAddr)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q is not a number up to 65535", p)
	}
	if host == "" {
		return net.IPv4zero.String(), int(n), nil
	}
	ip, err = c.resolve(host)
	if err == nil && c.Advertise == "" && ip == net.IPv6unspecified.String() {
		err = errors.New("bound to all addresses: set the one to advertise")
	}
	return ip, int(n), err
}

// advertise resolves Advertise; empty means that the transport chooses.
func (c *Config) advertise() (string, error) {
	if c.Advertise == "" {
		return "", nil
	}
	return c.resolve(c.Advertise)
}

func (c *Config) resolve(host string) (string, error) {
	if net.ParseIP(host) != nil {
		return host, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Timings.TCP)
	defer cancel()
	ips, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", err
	}
	return ips[0], nil
}
