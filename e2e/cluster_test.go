package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// binary is the product, built once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "shoal-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "shoal")
	cmd := exec.Command("go", "build", "-tags", "urfave_cli_no_docs", "-o", path, "./cmd/shoal")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// node is one process.
type node struct {
	redis, gossip string
	cmd           *exec.Cmd
}

func (n *node) port() string {
	_, port, _ := net.SplitHostPort(n.redis)
	return port
}

func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

// startCluster runs size nodes until the test ends, and returns when they see each other.
func startCluster(t *testing.T, size int) []*node {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 4*size)
	var nodes []*node
	for i := range size {
		at := ports[4*i:]
		n := &node{redis: at[0], gossip: at[1]}
		n.cmd = exec.Command(path, "server", "--name", fmt.Sprint("n", i+1), "--resp-addr", n.redis, "--gossip-addr", n.gossip,
			"--client-addr", at[2], "--peer-addr", at[3], "--data-dir", filepath.Join(t.TempDir(), "data"), "--memory", "128MiB",
			"--partitions", "512", "--log-level", "error")
		if i > 0 {
			n.cmd.Args = append(n.cmd.Args, "--join", nodes[0].gossip)
		}
		n.cmd.Stderr = t.Output()
		if err := n.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.kill)
		nodes = append(nodes, n)
		whole(t, nodes)
	}
	return nodes
}

// whole waits until every node knows of all of them, and has recovered.
func whole(t *testing.T, nodes []*node) {
	t.Helper()
	for _, n := range nodes {
		c := redis.NewClient(&redis.Options{Addr: n.redis, MaxRetries: -1})
		eventually(t, "the cluster is whole", func(ctx context.Context) bool {
			info, err := c.Info(ctx).Result()
			up, err2 := c.ClusterNodes(ctx).Result()
			return err == nil && err2 == nil && strings.Contains(info, fmt.Sprintf("shoal_nodes:%d\r\n", len(nodes))) &&
				strings.Contains(info, "shoal_state:active\r\n") && strings.Count(up, " connected") == len(nodes)
		})
		_ = c.Close()
	}
}

// eventually waits for what other processes bring about.
func eventually(t *testing.T, what string, ok func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("still not so after a minute: %s", what)
		case <-tick.C:
		}
	}
}

// freePorts are addresses that nobody listens on, below the ports that systems give away by themselves.
func freePorts(t *testing.T, n int) (addrs []string) {
	t.Helper()
	for port := 10_000 + rand.N(20_000); len(addrs) < n; port++ {
		addr := fmt.Sprint("127.0.0.1:", port)
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		_ = l.Close()
		addrs = append(addrs, addr)
	}
	return addrs
}

// tool finds a program of package redis-tools.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("there is no %s: install redis-tools", name)
	}
	return path
}
