package server

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shoalcache/shoal/datadir"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/wire"
	"go.uber.org/zap"
)

// NoDataDir as Config.DataDir keeps nothing on disk: the node's id follows from its name, and it waits out
// twice the skew bound (20 s) before it starts, since it cannot know what it promised before.
const NoDataDir = datadir.None

// Config is one node. The zero value of a field means its default, where it has one.
type Config struct {
	Name             string        // unique in the cluster; default: the host's name
	ClientAddr       string        // host:port for clients; default 127.0.0.1:7400; port 0 picks a free one
	RespAddr         string        // host:port for Redis clients; default off; anyone who reaches it may read and write
	PeerAddr         string        // host:port for links between nodes, which leave from this host, too; default 127.0.0.1:7401
	GossipAddr       string        // host:port for membership, TCP and UDP, both ways; default 127.0.0.1:7402
	AdvertiseHost    string        // host that others reach this node at; default: the host of each address
	AdminAddr        string        // host:port for health and profiles over HTTP; default off
	Join             []string      // gossip addresses of nodes of the cluster; without any, a node without a map founds one
	ClusterName      string        // default "shoal"; clusters of other names are never joined
	DataDir          string        // node id, map and stamp ceiling; default ./shoal-data/NAME; NoDataDir: none
	Memory           int64         // bytes the node may use; default 1 GiB; more holds more keys. The Go heap is the program's to limit: HeapOf
	GhostShare       float64       // of what storage has, for what is remembered of keys that are gone; default 0.1; more leaves fewer misses unsure, less room for values
	ReadRepairChance float64       // share of reads that, once answered, ask the owners of this datacenter they did not need, and repair them; default 0.01; below 0: none; more finds old copies sooner, for a message to each of those owners
	HintsDisk        int64         // bytes of DataDir for writes owed to absent nodes, a quarter of it for one of them; default 1 GiB; less than 0: none; more bridges longer absences
	ClientsMax       int           // connections of clients at a time, 24 KiB each; default as many as a 40th of Memory has room for, 256 to 10,000; more takes room from keys
	BackgroundMax    int64         // bytes per second for hints and recovery, where clients do not feel them; default 64 MiB; more recovers sooner and bursts harder
	HintsMemory      int64         // bytes for writes owed to absent nodes; default a 40th of Memory; more makes up for longer absences, and takes room from keys
	Policy           string        // what it forgets when that is full, of storage.PolicyNames; default "adaptive"; "none" refuses writes instead
	Datacenter       string        // default "dc1"; each datacenter holds Replicas copies
	Rack             string        // default none; owners of a key avoid sharing one
	Weight           float64       // share of the data against other nodes; default 1
	Replicas         int           // N, fixed by the node that founds the cluster; default 3
	Read             string        // default level of reads, likewise; default quorum
	Write            string        // default level of writes, likewise; default quorum
	Partitions       int           // likewise; a power of two, at least 150 for each node to come; default 4096
	Shards           int           // locks and stores in this node; a power of two; default 4 for each core, at least 16
	ClockOffset      time.Duration // of its wall clock from the machine's, taken at the start; for tests of what wrong clocks do
	Limits           wire.Limits
	Version          string // shown in status
	Log              *zap.Logger

	// Reach, where set, says whether this node can reach the peer or gossip port of another at an address, host:port. It is for
	// tests that part a cluster, and may change its mind at any time.
	Reach func(addr string) bool

	tuning *tuning // nil: defaultTuning
}

// ErrConfig is wrapped by every problem that Validate reports.
var ErrConfig = errors.New("server: bad config")

// MemoryMin is the least memory a node runs with, in bytes. So small it is for tests: a process takes as much before it holds
// anything.
const MemoryMin = 16 << 20

// What may be set of background work, in bytes per second.
const BackgroundLeast, BackgroundMost = 256 << 10, 1 << 40

// What may be set of ghosts and clients.
const (
	ghostShareMin, ghostShareMax = 0.01, 0.5
	clientsCeiling               = 1_000_000
)

// Validate returns every problem at once, each wrapping ErrConfig; defaults are filled in first.
func (c Config) Validate() error {
	c = c.withDefaults()
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...)))
	}
	if c.Name == "" || strings.ContainsAny(c.Name, `/\`) || c.Name == "." || c.Name == ".." {
		problem("name %q: it names a directory, too: use 1 to %d characters without slashes", c.Name, ring.NameMax)
	}
	for _, w := range []struct{ what, word string }{
		{"name", c.Name}, {"cluster-name", c.ClusterName}, {"datacenter", c.Datacenter}, {"rack", c.Rack}, {"advertise-host", c.AdvertiseHost},
	} {
		if most := wordMax(w.what); len(w.word) > most || strings.ContainsFunc(w.word, unprintable) {
			problem("%s %.80q: use at most %d printable ASCII characters, without spaces", w.what, w.word, most)
		}
	}
	for _, a := range []struct{ what, addr string }{
		{"client-addr", c.ClientAddr}, {"resp-addr", c.RespAddr}, {"peer-addr", c.PeerAddr}, {"gossip-addr", c.GossipAddr}, {"admin-addr", c.AdminAddr},
	} {
		if a.addr == "" && (a.what == "admin-addr" || a.what == "resp-addr") {
			continue
		}
		if err := checkAddr(a.addr); err != nil {
			problem("%s %q: %v", a.what, a.addr, err)
		}
	}
	for _, j := range c.Join {
		if err := checkAddr(j); err != nil {
			problem("join %q: %v", j, err)
		}
	}
	if c.Memory < MemoryMin {
		problem("memory of %d bytes: give a node at least %d MiB", c.Memory, MemoryMin>>20)
	}
	if !(c.GhostShare >= ghostShareMin && c.GhostShare <= ghostShareMax) { // NaN is neither
		problem("ghost-share %g: use %g to %g", c.GhostShare, ghostShareMin, ghostShareMax)
	}
	if c.BackgroundMax < BackgroundLeast || c.BackgroundMax > BackgroundMost {
		problem("background-max of %d bytes per second: use %d KiB to %d GiB", c.BackgroundMax, BackgroundLeast>>10, BackgroundMost>>30)
	}
	if !(c.ReadRepairChance <= 1) { // nor is NaN
		problem("read-repair-chance %g: use 0 to 1, or less for none", c.ReadRepairChance)
	}
	if c.HintsDisk >= 0 && c.HintsDisk < HintsDiskMin {
		problem("hints-disk of %d bytes: use at least %d MiB, or none", c.HintsDisk, HintsDiskMin>>20)
	}
	if c.ClientsMax < 0 || c.ClientsMax > clientsCeiling {
		problem("clients-max %d: use 1 to %d", c.ClientsMax, clientsCeiling)
	}
	if !slices.Contains(storage.PolicyNames(), c.Policy) {
		problem("policy %.80q: use one of %s", c.Policy, strings.Join(storage.PolicyNames(), ", "))
	}
	if !(c.Weight >= 0.01 && c.Weight <= 100) { // NaN is neither
		problem("weight %g: use 0.01 to 100", c.Weight)
	}
	if c.Replicas < 1 || c.Replicas > ring.ReplicasMax {
		problem("replicas %d: use 1 to %d", c.Replicas, ring.ReplicasMax)
	}
	for _, l := range []struct{ what, name string }{{"read", c.Read}, {"write", c.Write}} {
		if _, err := wire.ParseLevel(l.name); err != nil {
			problem("%s: %v", l.what, err)
		}
	}
	if c.Partitions < 1 || c.Partitions > ring.Slots || c.Partitions&(c.Partitions-1) != 0 {
		problem("partitions %d: use a power of two up to %d", c.Partitions, ring.Slots)
	}
	if c.Shards < 1 || c.Shards > replica.ShardsMax || c.Shards&(c.Shards-1) != 0 || c.Shards > c.Partitions {
		problem("shards %d: use a power of two up to %d, and no more than partitions", c.Shards, replica.ShardsMax)
	}
	if err := c.checkHints(); err != nil {
		problem("%v", err)
	}
	if len(problems) == 0 {
		if err := c.checkBudget(); err != nil {
			problem("%v", err)
		}
	}
	return errors.Join(problems...)
}

// wordMax is how long one of the names may be that the cluster map carries.
func wordMax(what string) int {
	if what == "advertise-host" {
		return ring.AddressMax - len(":65535")
	}
	return ring.NameMax
}

// unprintable reports what would forge an entry in a log or a list.
func unprintable(r rune) bool { return r <= ' ' || r > '~' }

func checkAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("use host:port")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errors.New("the port is a number up to 65535")
	}
	if strings.ContainsAny(host, " \t") {
		return errors.New("the host has spaces")
	}
	return nil
}
