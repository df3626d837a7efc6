package shoaltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/shoalcache/shoal/server"
)

// TestMain waits for what a node leaves behind: memberlist does not wait for a probe under way when it shuts down.
func TestMain(m *testing.M) {
	code := m.Run()
	err := goleak.Find()
	for end := time.Now().Add(15 * time.Second); err != nil && time.Now().Before(end); {
		err = goleak.Find()
	}
	if err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func mustRecover(t *testing.T, c *Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.WaitRecovered(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestNodesDieOneAfterTheOtherAndNothingIsLost(t *testing.T) {
	t.Parallel()
	c := NewCluster(t, 3, func(_ int, cfg *server.Config) { cfg.RespAddr = "127.0.0.1:0" })
	const keys = 300
	for i := range keys {
		if err := c.Client().Set(t.Context(), fmt.Sprint("k", i), []byte(fmt.Sprint("v", i))); err != nil {
			t.Fatal(err)
		}
	}
	addrs := c.Addrs()
	mustRecover(t, c)
	for _, i := range []int{2, 0} { // the first node started, too
		before := c.Nodes()[i]
		c.Kill(i)
		c.Kill(i)
		if !stopped(before) {
			t.Fatalf("node %d was killed and runs", i)
		}
		for k := range keys {
			got, err := c.Client().Get(t.Context(), fmt.Sprint("k", k))
			if err != nil || string(got) != fmt.Sprint("v", k) {
				t.Fatalf("with node %d down: %q, %v", i, got, err)
			}
		}
		if err := c.Restart(i); err != nil {
			t.Fatal(err)
		}
		if after := c.Nodes()[i]; after == before || stopped(after) || after.Addr() != addrs[i] || c.Addrs()[i] != addrs[i] {
			t.Fatalf("node %d does not run at %s, where it was", i, addrs[i])
		}
		if was, is := before.RespAddr(), c.Nodes()[i].RespAddr(); was == "" || is != was {
			t.Fatalf("Redis clients found node %d at %q, and now at %q", i, was, is)
		}
		mustRecover(t, c)
	}
}

func TestWaitRecoveredSaysWhatItWaitsForAndRestartKillsWhatRuns(t *testing.T) {
	t.Parallel()
	c := NewCluster(t, 3)
	mustRecover(t, c)
	c.Kill(0)
	if err := c.Restart(1); err != nil { // it forgot everything, and node 0 cannot tell it
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	err := c.WaitRecovered(ended)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "2 of 3 nodes") || !strings.Contains(err.Error(), "node n1 has") {
		t.Fatal(err)
	}
	if err := c.Restart(0); err != nil {
		t.Fatal(err)
	}
	mustRecover(t, c)
}

func TestChangeIsCalledForEveryNode(t *testing.T) {
	t.Parallel()
	c := NewCluster(t, 2, func(i int, cfg *server.Config) { cfg.Rack = fmt.Sprint("rack", i) })
	m, err := c.Client().Map(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	racks := map[string]string{}
	for _, n := range m.Nodes {
		racks[n.Name] = n.Rack
	}
	if len(racks) != 2 || racks["n0"] != "rack0" || racks["n1"] != "rack1" {
		t.Fatal(racks)
	}
}

func TestCloseRemovesEverything(t *testing.T) {
	t.Parallel()
	c, err := Start(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	c.Close()
	if _, err := os.Stat(c.dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("its directory is still there: %v", err)
	}
	for i, n := range c.Nodes() {
		if !stopped(n) {
			t.Fatalf("node %d runs", i)
		}
	}
	if err := c.Restart(0); err == nil {
		t.Fatal("a node started in a closed cluster")
	}
}

func TestAStartThatFailsSaysWhyAndLeavesNothing(t *testing.T) {
	t.Parallel()
	if _, err := Start(t.Context(), 0); err == nil {
		t.Fatal("a cluster of no nodes")
	}
	dir := ""
	_, err := Start(t.Context(), 2, func(i int, cfg *server.Config) {
		dir = cfg.DataDir
		if i == 1 {
			cfg.Memory = 1
		}
	})
	if !errors.Is(err, server.ErrConfig) || !strings.Contains(err.Error(), "node 1 of 2") {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("its directory is still there: %v", err)
	}
}

// observed is a test as NewCluster sees it.
type observed struct {
	testing.TB
	failed bool
	logged []string
	end    []func()
}

func (o *observed) Failed() bool     { return o.failed }
func (o *observed) Cleanup(f func()) { o.end = append(o.end, f) }
func (o *observed) Logf(format string, a ...any) {
	o.logged = append(o.logged, fmt.Sprintf(format, a...))
}

func (o *observed) finish() {
	for i := len(o.end) - 1; i >= 0; i-- {
		o.end[i]()
	}
}

func TestTheNodesLogsAreShownWhenTheTestFailedAndOnlyThen(t *testing.T) {
	t.Parallel()
	for _, failed := range []bool{false, true} {
		o := &observed{TB: t, failed: failed}
		c := NewCluster(o, 1)
		o.finish()
		if !stopped(c.Nodes()[0]) {
			t.Fatal("the test has ended, and its node runs")
		}
		if shown := strings.Contains(strings.Join(o.logged, "\n"), "founding a cluster"); shown != failed {
			t.Fatalf("failed: %v, logged: %q", failed, o.logged)
		}
	}
}

func TestTheTailKeepsWholeLinesAndIsBounded(t *testing.T) {
	l := newTail()
	log := l.logger()
	const lines = 3000
	for i := range lines {
		log.Info(strings.Repeat("x", i%200), zap.Int("line", i))
		if len(l.buf) > tailMax {
			t.Fatalf("%d bytes after line %d", len(l.buf), i)
		}
	}
	first, kept, _ := strings.Cut(l.String(), "\n")
	if !strings.Contains(first, "left out") || !strings.HasSuffix(kept, fmt.Sprintf("{\"line\": %d}\n", lines-1)) {
		t.Fatalf("%q … %q", first, kept[max(0, len(kept)-100):])
	}
	for line := range strings.Lines(kept) {
		if _, err := time.Parse("15:04:05.000", line[:12]); err != nil {
			t.Fatalf("not a whole line: %q", line)
		}
	}
	huge := strings.Repeat("y", tailMax+1)
	log.Info(huge)
	if len(l.buf) > tailMax {
		t.Fatalf("%d bytes after a line over the limit", len(l.buf))
	}
}
