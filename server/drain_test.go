package server

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

func TestShutdownAnswersWhatIsUnderWayRefusesTheRestAndTellsTheOthers(t *testing.T) {
	ours := goleak.IgnoreCurrent()
	nodes := cluster(t, 3, func(c *Config) {
		c.tuning.gossip.Probe = time.Hour // so that nobody is found dead: who leaves must say so
	})
	n1, n2, n3 := nodes[0], nodes[1], nodes[2]
	c := dialHello(t, n3.Addr())
	other := dialHello(t, n3.Addr())
	silent := dialRaw(t, n3.Addr()) // a connection that never says hello must not hold it up
	thaw1, thaw2 := n1.freeze(), n2.freeze()
	defer thaw1()
	defer thaw2()
	c.send(wire.AppendRequest(nil, &wire.Request{Op: wire.OpSet, ID: 1, Key: []byte("k"), Value: []byte("v"), Timeout: 60_000}))
	eventually(t, "a write is under way", func() bool { return n3.busy() == 1 })
	stopped := make(chan error, 1)
	go func() { stopped <- n3.Shutdown(context.Background()) }()
	var refused wire.Response
	eventually(t, "a new request is refused", func() bool {
		refused = other.ask(&wire.Request{Op: wire.OpGet, ID: 2, Level: wire.LevelOne, Key: []byte("k")})
		return refused.Status == wire.StatusNotReady
	})
	if refused.ID != 2 || refused.Err == nil || refused.Err.Text == "" {
		t.Fatalf("refused with %+v", refused)
	}
	select {
	case <-n3.Done():
		t.Fatal("it stopped with a write under way")
	case <-time.After(500 * time.Millisecond):
	}
	thaw1()
	thaw2()
	if r := c.response(); r.ID != 1 || r.Status != wire.StatusOK {
		t.Fatalf("the write under way was answered %+v, %v", r, r.Err)
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	c.closed()
	other.closed()
	silent.closed()
	eventually(t, "the others have heard that it left", func() bool {
		_, at1 := n1.gossip.Alive()[n3.self.Node]
		_, at2 := n2.gossip.Alive()[n3.self.Node]
		return !at1 && !at2 && !n1.view.Load().Up(n3.self.Node) && !n2.view.Load().Up(n3.self.Node)
	})
	got := dialHello(t, n1.Addr())
	if r := got.ask(&wire.Request{Op: wire.OpGet, ID: 3, Key: []byte("k")}); r.Status != wire.StatusOK || string(r.Value) != "v" {
		t.Fatalf("what it acknowledged is read as %+v", r)
	}
	if err := n3.Shutdown(t.Context()); err != nil {
		t.Fatalf("a second Shutdown: %v", err)
	}
	for _, n := range nodes {
		_ = n.Shutdown(t.Context())
	}
	got.closed()
	if err := goleak.Find(ours); err != nil {
		t.Fatal(err)
	}
}

func TestNodeStopsThoughAConnectionWaitsForItsRequests(t *testing.T) {
	t.Parallel()
	n := start(t, Quick(testConfig(t, "n1")))
	if err := os.RemoveAll(n.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the ceiling is reached", func() bool { return n.promised() < vclock.StampAt(n.clock.now().Wall) })
	c := dialHello(t, n.Addr())
	go func() {
		var b []byte
		for i := range uint64(3 * connCallsMax) { // each waits for a ceiling that does not come
			b = wire.AppendRequest(b, &wire.Request{Op: wire.OpSet, ID: i + 1, Key: []byte{byte(i), byte(i >> 8)}})
		}
		_, _ = c.Write(b)
	}()
	eventually(t, "no more is read", func() bool { return n.busy() >= connCallsMax })
	n.kill()
}

// busy is how many requests are under way.
func (n *Node) busy() (sum int) {
	for i := range n.shards {
		s := &n.shards[i]
		s.mu.Lock()
		sum += s.Busy()
		s.mu.Unlock()
	}
	return sum
}
