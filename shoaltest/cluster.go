package shoaltest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/server"
)

const (
	patience   = time.Minute          // for a start or a restart; none takes a tenth of it
	pollPeriod = 2 * time.Millisecond // between looks at what the nodes say of themselves
)

// Cluster is a number of nodes in this process and a client of them. Its methods may be called from any goroutine.
type Cluster struct {
	dir    string
	client *client.Client

	parts atomic.Pointer[parts] // nil while every node reaches every other

	mu      sync.Mutex      // of what follows; held while a node is started or stopped
	configs []server.Config // with the addresses that the first start found
	nodes   []*server.Node
	closed  bool
}

// NewCluster starts n nodes and a client for a test, and fails the test if they do not come up. Change, if given,
// is called with each node's number from 0 and its configuration before it starts, to set a rack, a limit or a
// logger. All of it ends with the test; what the nodes logged is shown if the test has failed by then.
func NewCluster(t testing.TB, n int, change ...func(i int, cfg *server.Config)) *Cluster {
	t.Helper()
	dir := t.TempDir() // removed after the cleanups that follow
	log := newTail()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the nodes logged:\n%s", log)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := start(ctx, dir, n, append([]func(int, *server.Config){func(_ int, cfg *server.Config) { cfg.Log = log.logger() }}, change...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.stop)
	return c
}

// Start starts n nodes and a client where there is no testing.TB; see NewCluster for change. Ctx bounds the start
// only; Close ends the cluster.
func Start(ctx context.Context, n int, change ...func(i int, cfg *server.Config)) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "shoaltest")
	if err != nil {
		return nil, fmt.Errorf("shoaltest: %w", err)
	}
	c, err := start(ctx, dir, n, change)
	if err != nil {
		_ = os.RemoveAll(dir)
	}
	return c, err
}

func start(ctx context.Context, dir string, n int, change []func(int, *server.Config)) (*Cluster, error) {
	if n < 1 {
		return nil, fmt.Errorf("shoaltest: a cluster of %d nodes: use 1 or more", n)
	}
	c := &Cluster{dir: dir}
	for i := range n {
		name := fmt.Sprint("n", i)
		cfg := server.Config{
			Name: name, ClientAddr: "127.0.0.1:0", PeerAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0",
			DataDir: filepath.Join(dir, name), Memory: 64 << 20, Partitions: 256, Shards: 4,
		}
		if i > 0 {
			cfg.Join = []string{c.nodes[0].GossipAddr()}
		}
		cfg.Reach = func(addr string) bool { return c.parts.Load().reach(i, addr) }
		for _, f := range change {
			f(i, &cfg)
		}
		node, err := server.Start(ctx, server.Quick(cfg))
		if err != nil {
			c.stop()
			return nil, fmt.Errorf("shoaltest: starting node %d of %d: %w", i, n, err)
		}
		cfg.ClientAddr, cfg.RespAddr, cfg.PeerAddr, cfg.GossipAddr = node.Addr(), node.RespAddr(), node.PeerAddr(), node.GossipAddr()
		c.configs, c.nodes = append(c.configs, cfg), append(c.nodes, node)
	}
	err := c.wait(ctx, whole)
	if err == nil {
		c.client, err = client.Dial(ctx, c.Addrs())
	}
	if err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// Close ends the client and the nodes, without draining them, and removes what they kept on disk. Closing again does
// nothing. A cluster of NewCluster need not be closed.
func (c *Cluster) Close() {
	c.stop()
	_ = os.RemoveAll(c.dir)
}

func (c *Cluster) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.client != nil {
		c.client.Close()
	}
	for _, n := range c.nodes {
		kill(n)
	}
}

// Client returns the cluster's own client, which knows all nodes and is closed with it; ChangeNamespace and Namespace are
// its way to other namespaces. For other options, dial Addrs.
func (c *Cluster) Client() *client.Client { return c.client }

// Addrs returns where clients reach the nodes, host:port, in the order of their numbers. A restart does not change them.
func (c *Cluster) Addrs() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	addrs := make([]string, len(c.configs))
	for i := range c.configs {
		addrs[i] = c.configs[i].ClientAddr
	}
	return addrs
}

// Nodes returns the nodes in the order of their numbers; the slice is the caller's. One that was killed stands there
// as it stopped, and Restart puts another in its place.
func (c *Cluster) Nodes() []*server.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.nodes)
}

// Kill stops node i as a crash would: it answers nobody any more, tells nobody, and forgets all it held. Killing it
// again does nothing.
func (c *Cluster) Kill(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kill(c.nodes[i])
}

// kill leaves a node no time to drain or to say that it leaves.
func kill(n *server.Node) {
	ended, end := context.WithCancel(context.Background())
	end()
	_ = n.Shutdown(ended)
}

// Restart starts node i anew with its configuration, its addresses and what it has on disk, killing it first if it
// runs. It returns once the node serves and all running nodes see each other; WaitRecovered waits until it has got
// back what it held.
func (c *Cluster) Restart(i int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.restart(ctx, i); err != nil {
		return fmt.Errorf("shoaltest: restarting node %d: %w", i, err)
	}
	return c.wait(ctx, whole)
}

func (c *Cluster) restart(ctx context.Context, i int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("the cluster is closed")
	}
	kill(c.nodes[i])
	tick := time.NewTicker(pollPeriod)
	defer tick.Stop()
	for {
		n, err := server.Start(ctx, server.Quick(c.configs[i]))
		switch {
		case err == nil:
			c.nodes[i] = n
			return nil
		case !errors.Is(err, server.ErrInUse):
			return err
		}
		select { // an outgoing connection of this machine can have got its port for a moment
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// WaitRecovered returns once all running nodes see each other and have recovered what they may have forgotten: from
// then on a node may die without a loss. A node recovers from every other owner, so while one that it needs is killed,
// it waits until ctx ends; the error says for whom.
func (c *Cluster) WaitRecovered(ctx context.Context) error { return c.wait(ctx, recovered) }

// wait returns once lacking finds nothing to wait for in the running nodes of any side.
func (c *Cluster) wait(ctx context.Context, lacking func(running []*server.Node) string) error {
	tick := time.NewTicker(pollPeriod)
	defer tick.Stop()
	for {
		running, lacks := 0, ""
		for _, side := range c.sides() {
			running += len(side)
			lacks = cmp.Or(lacks, lacking(side))
		}
		if lacks == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("shoaltest: with %d of %d nodes running, %s: %w", running, len(c.configs), lacks, ctx.Err())
		case <-tick.C:
		}
	}
}

func stopped(n *server.Node) bool {
	select {
	case <-n.Done():
		return true
	default:
		return false
	}
}

// whole says what keeps the nodes from being of one mind about who is there.
func whole(nodes []*server.Node) string {
	hash := uint64(0)
	for _, n := range nodes {
		s := n.Stats()
		switch {
		case s.NodesUp != len(nodes):
			return fmt.Sprintf("node %s sees %d running", s.Name, s.NodesUp)
		case hash != 0 && s.MapHash != hash:
			return fmt.Sprintf("node %s has another cluster map", s.Name)
		}
		hash = s.MapHash
	}
	return ""
}

// recovered says what is left to recover.
func recovered(nodes []*server.Node) string {
	for _, n := range nodes {
		if s := n.Stats(); s.PartitionsRecovering > 0 {
			return fmt.Sprintf("node %s has %d partitions to recover", s.Name, s.PartitionsRecovering)
		}
	}
	return whole(nodes)
}
