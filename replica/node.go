package replica

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// ErrConfig is wrapped by every problem that New reports.
var ErrConfig = errors.New("replica: bad config")

// ShardsMax is how many shards a node may have; message ids leave ten bits for them.
const ShardsMax = 1024

const (
	// SkewAllowed is how far a node's clock may be from the median before it hands writes to others.
	SkewAllowed = 500 * time.Millisecond
	// SkewMax is how far beyond the median a stamp may lie; past it, it is refused.
	SkewMax = 10 * time.Second
	// newOwnerMargin is added to the clock for the floor of a node that owns a partition it did not own
	// before: writes stamped until then, by clocks up to SkewAllowed either side of the median, may have been
	// acknowledged without it.
	newOwnerMargin = 2 * SkewAllowed
)

// Config is what a node is made of.
type Config struct {
	Self        vclock.Actor
	Shards      int                 // a power of two, at most ShardsMax
	BytesMax    int64               // of storage, over all shards
	GhostsMax   int64               // bytes of BytesMax for what is remembered of keys that are gone; default a tenth
	Policy      storage.Policy      // what is evicted when BytesMax is reached; default storage.Adaptive
	RecordMax   int                 // bytes of key, value and version of one record; default, and most, what fits a frame
	Memory      storage.Memory      // of all shards, safe for concurrent use; default the Go heap
	PendingMax  int                 // requests under way in one shard; over it they are refused as overloaded; default 8192
	PendingMem  int                 // bytes of keys and values those may hold, in one shard; default 64 MiB
	BootFloor   vclock.Stamp        // the greatest stamp an earlier boot may have acknowledged: its ceiling as found on disk; 0 for a new node
	Covered     uint64              // the last boot that BootFloor is above; a later one, before this, is ErrForgotten
	Founder     bool                // this boot made the cluster: there is nothing to recover
	Hash        func([]byte) uint64 // the cluster's
	Limits      wire.Limits
	Coordinator coordinator.Config
	Hints       hints.Config // of one shard
	Refill      antientropy.Config
	Exchange    antientropy.ExchangeConfig // its zero value: only those that are asked for
	RefillsMax  int                        // partitions of one shard refilled at a time; more is faster and holds more in memory; default 4
	Background  Background                 // default DefaultBackground
}

// Node is one node: its shards, the cluster map and what it knows of its peers. The shards are stepped
// each under a lock of the shell's; the methods of Node itself under one more.
type Node struct {
	cfg    Config
	shards []*Shard
	m      *ring.Map
	up     map[uint64]bool
	clocks map[uint64]*peerClock    // by node
	slow   map[uint64]time.Duration // how long the last greeting took of a node whose clock is not known
	view   *View
}

// New makes the node of a map that has it; the error says every problem at once.
func New(cfg Config, m *ring.Map, now vclock.Now) (*Node, error) {
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...)))
	}
	if cfg.Shards < 1 || cfg.Shards > ShardsMax || cfg.Shards&(cfg.Shards-1) != 0 {
		problem("%d shards: use a power of two up to %d", cfg.Shards, ShardsMax)
	} else if uint32(cfg.Shards) > m.Partitions {
		problem("%d shards for %d partitions: use fewer shards, or more partitions when the cluster is made", cfg.Shards, m.Partitions)
	}
	if m.Node(cfg.Self.Node) == nil {
		problem("node %016x is not in the map", cfg.Self.Node)
	}
	if cfg.Hash == nil {
		problem("no hash")
	}
	if cfg.PendingMax < 1 || cfg.PendingMax > slotMask {
		problem("PendingMax %d: use 1 to %d", cfg.PendingMax, slotMask)
	}
	if cfg.Background == (Background{}) {
		cfg.Background = DefaultBackground()
	}
	if cfg.Exchange == (antientropy.ExchangeConfig{}) {
		cfg.Exchange = antientropy.DefaultExchangeConfig()
		cfg.Exchange.Period = 0
	}
	problems = append(problems, cfg.Hints.Validate(), cfg.Refill.Validate(), cfg.Exchange.Validate(), cfg.Background.Validate())
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	cfg.Coordinator.Hash = cfg.Hash
	n := &Node{cfg: cfg, m: m, up: map[uint64]bool{}, clocks: map[uint64]*peerClock{}, slow: map[uint64]time.Duration{}}
	if err := n.look(); err != nil {
		return nil, err
	}
	for i := range cfg.Shards {
		s, err := newShard(&n.cfg, i, m.Partitions)
		if err != nil {
			return nil, err
		}
		n.shards = append(n.shards, s)
		s.SetView(now, n.view, &Outbox{})
	}
	return n, nil
}

// Shards are the node's shards; partition p belongs to Shards()[p % len].
func (n *Node) Shards() []*Shard { return n.shards }

// View is what the node believes now.
func (n *Node) View() *View { return n.view }

// Key prepares an inner key for the shard it belongs to: its slot is that of the key in it.
func (n *Node) Key(v *View, inner []byte) (k storage.Key, shard int) {
	_, key := ring.SplitInnerKey(inner)
	return n.place(v, inner, key)
}

func (n *Node) place(v *View, inner, key []byte) (k storage.Key, shard int) {
	p := v.Table.Partition(ring.Slot(key))
	return storage.Key{Bytes: inner, Hash: n.cfg.Hash(inner), Partition: p}, int(p) & (len(n.shards) - 1)
}

// Locate prepares the key of a request for the shard it belongs to, which knows its namespace; a scan has a partition
// and no key.
func (n *Node) Locate(v *View, r *wire.Request) (k storage.Key, shard int) {
	if r.Op != wire.OpScan {
		return n.place(v, r.Key, r.Key)
	}
	cursor, _ := wire.ParseScanCursor(r.Key) // a bad one is refused by whatever shard it comes to
	k.Partition = cursor.Partition & (v.Map.Partitions - 1)
	return k, int(k.Partition) & (len(n.shards) - 1)
}

// Merge takes another node's map in; true when it changed this node's, and its view with it. A map of
// another cluster is an error and changes nothing; so is one that knows of this node what it has forgotten.
func (n *Node) Merge(m *ring.Map) (bool, error) {
	merged, changed, err := ring.Merge(n.m, m)
	if err != nil {
		return false, err
	}
	if !n.remembers(m) {
		return false, fmt.Errorf("%w: its data directory is an older copy: start it again; it then waits out what it may have promised", ErrForgotten)
	}
	if !changed {
		return false, nil
	}
	old := n.m
	n.m = merged
	if err := n.look(); err != nil {
		n.m = old
		return false, err
	}
	return true, nil
}

// SetUp says whether a node is alive and connected; true when that is new.
func (n *Node) SetUp(node uint64, up bool) bool {
	if n.up[node] == up {
		return false
	}
	if n.up[node] = up; !up {
		delete(n.up, node)
	}
	return n.look() == nil
}

// Beat takes another node's wall clock, milliseconds since 1970, as it arrives; true when this node's
// view of its own clock changed enough to matter. It says nothing of a node that was not greeted: it may be old.
func (n *Node) Beat(now vclock.Now, node uint64, wall int64) bool {
	c := n.clocks[node]
	if c == nil {
		return false
	}
	c.tell(now, wall)
	return n.timed(node)
}

// Greet is Beat for a time that the node has told in answer to what this one asked that long ago. Known says that its clock
// is known from now on; where it is not, the shell greets again before it says that the node is up. So no node is up whose
// clock is not known, and none takes a write by a clock of its own that all others would say is wrong.
func (n *Node) Greet(now vclock.Now, node uint64, wall int64, took time.Duration) (changed, known bool) {
	if n.m.Node(node) == nil {
		return false, true // what is in no map counts for nothing
	}
	if c := n.clocks[node]; c != nil {
		c.greet(now, wall, took)
		return n.timed(node), true
	}
	c := meet(now, wall, took, n.slow[node])
	if c == nil {
		n.slow[node] = took
		return false, false
	}
	n.clocks[node] = c
	delete(n.slow, node)
	return n.timed(node), true
}

// timed looks again where this node's own clock lies, after another's has changed; that of a node that is not up counts
// once it is.
func (n *Node) timed(node uint64) bool {
	if !n.up[node] {
		return false
	}
	if d := n.median() - n.view.Offset; d > -50 && d < 50 {
		return false
	}
	return n.look() == nil
}

// median is the offset from this node's clock to the median of all that are up, its own among them.
func (n *Node) median() int64 {
	offsets := make([]int64, 1, len(n.clocks)+1)
	for node, c := range n.clocks {
		if n.up[node] {
			offsets = append(offsets, c.ahead)
		}
	}
	slices.Sort(offsets)
	return offsets[(len(offsets)-1)/2]
}

// look makes the view anew.
func (n *Node) look() error {
	v := &View{
		Map: n.m, Hash: n.m.Hash(n.cfg.Hash), Placement: n.m.PlacementHash(n.cfg.Hash),
		Ownership: n.m.OwnersHash(n.cfg.Hash), Self: n.cfg.Self.Node, Offset: n.median(),
	}
	v.Skewed = v.Offset > SkewAllowed.Milliseconds() || v.Offset < -SkewAllowed.Milliseconds()
	if n.view != nil && n.view.Placement == v.Placement && n.view.Hash == v.Hash {
		v.Table, v.spaces = n.view.Table, n.view.spaces
	} else {
		var old *ring.Table
		if n.view != nil {
			old = n.view.Table
		}
		t, err := old.Recompile(n.m, n.cfg.Hash)
		if err != nil {
			return err
		}
		v.Table, v.spaces = t, newSpaces(n.m, t, n.cfg.Hash)
	}
	v.up = make([]bool, len(v.Table.Nodes()))
	up := 0
	for i, x := range v.Table.Nodes() {
		if v.up[i] = n.up[x.ID] || x.ID == v.Self; v.up[i] {
			up++
		}
	}
	v.Timed = 2*up > len(v.up)
	if me := n.m.Node(v.Self); me != nil {
		v.Local = uint8(max(slices.Index(v.Table.Datacenters(), me.Datacenter), 0))
	}
	n.view = v
	return nil
}
