package server

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// apart is two owners of every key that do not reach each other while it is set.
func apart(t *testing.T) (nodes []*Node, cut *atomic.Bool) {
	cut = new(atomic.Bool)
	nodes = cluster(t, 2, func(c *Config) {
		c.Replicas = 2
		c.Reach = func(string) bool { return !cut.Load() }
	})
	cut.Store(true)
	for _, n := range nodes { // what stands already is cut as well
		n.mu.Lock()
		for _, in := range n.in {
			_ = in.conn.Close()
		}
		n.mu.Unlock()
	}
	eventually(t, "neither has the other for up", func() bool { return nodes[0].Stats().NodesUp == 1 && nodes[1].Stats().NodesUp == 1 })
	return nodes, cut
}

// What only the holder of a hint has outlives it: its memory is gone, and its disk is not.
func TestHintsOfANodeThatDiesAreDeliveredWhenItIsBack(t *testing.T) {
	t.Parallel()
	nodes, cut := apart(t)
	n1, n2 := nodes[0], nodes[1]
	book := newLedger()
	c := dial(t, n1)
	for i := range 300 {
		if err := book.set(t, c, string(rune('a'+i%26))+string(rune('a'+i/26)), atOne); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "what it owes is on disk", func() bool {
		return count(n1, "hints", "owed") == 300 && count(n1, "hints", "unlogged") == 0 && count(n1, "hints", "log_segments") > 0
	})
	n1.kill()
	cut.Store(false)
	n1 = again(t, n1, nil)
	eventually(t, "all is delivered", func() bool {
		return count(n1, "hints", "owed") == 0 && count(n1, "hints", "log_bytes") == 0 && count(n1, "hints", "restored") == 300
	})
	book.check(t, dial(t, n2), atOne)
}

// Neither is a start, nor a write.
func TestHintsThatTheDiskDoesNotTakeFailNothing(t *testing.T) {
	t.Parallel()
	nodes, cut := apart(t)
	n1 := nodes[0]
	n1.kill()
	dir := filepath.Join(n1.cfg.DataDir, "hints")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	n1 = again(t, n1, nil)
	book := newLedger()
	for _, key := range []string{"a", "b", "c"} {
		if err := book.set(t, dial(t, n1), key, atOne); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "it says that its disk does not take hints", func() bool {
		return count(n1, "hints", "log_failing") == 1 && count(n1, "hints", "unlogged") == 3
	})
	cut.Store(false)
	eventually(t, "they are delivered from memory", func() bool { return count(n1, "hints", "owed") == 0 })
	book.check(t, dial(t, nodes[1]), atOne)
}

func TestAFileOfHintsThatIsDamagedStopsNoStart(t *testing.T) {
	t.Parallel()
	n := start(t, Quick(testConfig(t, "n1")))
	n.kill()
	dir := filepath.Join(n.cfg.DataDir, "hints")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "0000000000000002-1.log"), make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	n = again(t, n, nil)
	eventually(t, "it is set aside", func() bool { return count(n, "hints", "log_set_aside") == 1 })
	if _, err := os.Stat(filepath.Join(dir, "0000000000000002-1.log.corrupt")); err != nil {
		t.Error(err)
	}
}

func TestWithoutRoomForHintsOnDiskThereAreNone(t *testing.T) {
	t.Parallel()
	cfg := Quick(testConfig(t, "n1"))
	cfg.HintsDisk = -1
	n := start(t, cfg)
	if _, ok := n.Stats().Packages["hints"]["log_bytes"]; ok || n.hintLog != nil {
		t.Error("there is a log")
	}
}
