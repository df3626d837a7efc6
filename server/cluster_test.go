package server

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/shoalcache/shoal/client"
)

// testConfig is a node on free ports with a data directory of its own.
func testConfig(t *testing.T, name string, join ...string) Config {
	return Config{
		Name: name, ClientAddr: "127.0.0.1:0", PeerAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0", Join: join,
		DataDir: t.TempDir(), Memory: 64 << 20, Partitions: 256, Shards: 4, Log: zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)),
	}
}

func start(t *testing.T, cfg Config) *Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	n, err := Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Shutdown(context.Background()) })
	return n
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(60 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("still not so after a minute: %s", what)
		}
	}
}

// ready reports whether the nodes see each other and have recovered.
func ready(nodes ...*Node) func() bool {
	return func() bool {
		for _, n := range nodes {
			v := n.view.Load()
			if len(v.Table.Nodes()) != len(nodes) || v.Hash != nodes[0].view.Load().Hash {
				return false
			}
			for _, o := range nodes {
				if !v.Up(o.self.Node) {
					return false
				}
			}
			if n.Stats().PartitionsRecovering > 0 {
				return false
			}
		}
		return true
	}
}

// cluster is n nodes that see each other and have recovered.
func cluster(t *testing.T, n int, change ...func(*Config)) []*Node {
	t.Helper()
	var nodes []*Node
	for i := range n {
		cfg := Quick(testConfig(t, fmt.Sprint("n", i+1)))
		for _, f := range change {
			f(&cfg)
		}
		if i > 0 {
			cfg.Join = []string{nodes[0].GossipAddr()}
		}
		nodes = append(nodes, start(t, cfg))
	}
	eventually(t, "the cluster is whole and recovered", ready(nodes...))
	return nodes
}

func dial(t *testing.T, nodes ...*Node) *client.Client {
	t.Helper()
	var addrs []string
	for _, n := range nodes {
		addrs = append(addrs, n.Addr())
	}
	c, err := client.Dial(t.Context(), addrs, client.WithoutRouting()) // the nodes named, and not the owners
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestAnyOfThreeNodesTakesReadsAndWrites(t *testing.T) {
	nodes := cluster(t, 3)
	for i, n := range nodes {
		c := dial(t, n)
		key, value := fmt.Sprint("k", i), fmt.Sprint("v", i)
		if err := c.Set(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
		for _, o := range nodes {
			got, err := dial(t, o).Get(t.Context(), key)
			if err != nil || string(got) != value {
				t.Fatalf("read at another node: %q, %v", got, err)
			}
		}
	}
}
