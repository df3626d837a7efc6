package server

import (
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

// One cluster goes through all of it, as a cluster in service would: the keys loaded at the start are
// checked after every step.
func TestNobodyNoticesThatANodeDiesAndItComesBackWithEverything(t *testing.T) {
	t.Parallel()
	all := t // outlives the steps
	nodes := cluster(t, 3)
	book := newLedger()
	book.load(t, dial(t, nodes[0]), "k", 3000)
	n1, n2, n3 := nodes[0], nodes[1], nodes[2]

	ok := t.Run("two of three go on at quorum without an error", func(t *testing.T) {
		done, stop := book.traffic(t, dial(t, n1, n2), "busy")
		_, stopOther := book.traffic(t, dial(t, n2, n1), "other")
		eventually(t, "requests are under way", func() bool { return done() > 200 })
		n3.kill()
		at := done()
		eventually(t, "many more are carried out", func() bool { return done() > at+4000 })
		for _, err := range []error{stop(), stopOther()} {
			if err != nil {
				t.Fatal(err)
			}
		}
		book.load(t, dial(t, n1), "missed", 1000)
		book.load(t, dial(t, n2), "k", 300) // newer versions of what it had
		if count(n1, "hints", "owed")+count(n2, "hints", "owed") == 0 {
			t.Fatal("nobody owes the dead node what it misses")
		}
	}) && t.Run("restarted at its addresses it gets everything back", func(t *testing.T) {
		n3 = again(all, n3, nil)
		nodes[2] = n3
		book.check(t, dial(t, n3)) // while it recovers, too
		whole(t, book, nodes)
	}) && t.Run("restarted at other addresses likewise", func(t *testing.T) {
		n1.kill()
		book.load(t, dial(t, n2, n3), "moved", 500)
		n1 = again(all, n1, otherPorts)
		nodes[0] = n1
		whole(t, book, nodes)
	}) && t.Run("a node of its name takes the place of one whose directory is lost", func(t *testing.T) {
		n2.kill()
		book.load(t, dial(t, n3, n1), "lost", 500)
		if err := os.RemoveAll(n2.cfg.DataDir); err != nil {
			t.Fatal(err)
		}
		id := n2.self.Node
		n2 = again(all, n2, func(c *Config) { c.Join = []string{n1.GossipAddr()} })
		nodes[1] = n2
		if n2.self.Node != id {
			t.Fatalf("node %016x became %016x: its share of the data moves for nothing", id, n2.self.Node)
		}
		if up, wait := n2.clock.now().Mono, n2.cfg.tuning.skewWait; up < wait {
			t.Fatalf("it served %v after its start, before the %v in which its former self's stamps pass", up, wait)
		}
		whole(t, book, nodes)
	})
	if !ok {
		return
	}
	t.Run("and the last one left has it all", func(t *testing.T) {
		n1.kill()
		n2.kill()
		eventually(t, "it knows that it is alone", func() bool {
			v := n3.view.Load()
			return !v.Up(n1.self.Node) && !v.Up(n2.self.Node)
		})
		book.check(t, dial(t, n3), atOne)
		if _, err := dial(t, n3).Get(t.Context(), "k1"); !isQuorum(err) {
			t.Fatalf("a quorum of one of three: %v", err)
		}
	})
}

// whole waits until the nodes have recovered, and checks that every copy is there and the newest, on every one
// of them: reading at `all` finds nothing to repair.
func whole(t *testing.T, book *ledger, nodes []*Node) {
	t.Helper()
	eventually(t, "all are up and recovered, and owe nothing", func() bool {
		owed := int64(0)
		for _, n := range nodes {
			owed += count(n, "hints", "owed")
		}
		return owed == 0 && ready(nodes...)()
	})
	for _, n := range nodes {
		book.check(t, dial(t, n))
	}
	before := repairs(nodes)
	book.check(t, dial(t, nodes[0]), atAll)
	if after := repairs(nodes); after != before {
		t.Fatalf("%d copies were not what they should be", after-before)
	}
}

func repairs(nodes []*Node) (sum int64) {
	for _, n := range nodes {
		sum += count(n, "replica", "repairs") + count(n, "replica", "repairs_withheld")
	}
	return sum
}

func TestWritesStopWhenTheDiskFailsAndReadsGoOn(t *testing.T) {
	t.Parallel()
	cfg := Quick(testConfig(t, "n1"))
	cfg.AdminAddr = "127.0.0.1:0"
	n := start(t, cfg)
	c := dial(t, n)
	if err := c.Set(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(n.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	var err error
	eventually(t, "a write fails", func() bool {
		err = c.Set(t.Context(), "k2", []byte("v"))
		return err != nil
	})
	if !strings.Contains(err.Error(), "disk") {
		t.Fatalf("the write failed with %v, which does not name the disk", err)
	}
	if v, err := c.Get(t.Context(), "k"); err != nil || string(v) != "v" {
		t.Fatalf("read %q, %v", v, err)
	}
	if n.Stats().State != "readonly" || count(n, "server", "ceilings_failed") == 0 {
		t.Errorf("it takes no writes and says that it is %s, after %d saves that failed", n.Stats().State, count(n, "server", "ceilings_failed"))
	}
	resp, err := http.Get("http://" + n.admin.Addr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("it is ready: %s", resp.Status)
	}
}

func TestLinksLeaveFromTheAddressThatTheNodeListensOn(t *testing.T) {
	hosts := map[string]string{"n1": "127.0.0.2", "n2": "127.0.0.3"}
	for _, host := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Skip("this machine has one loopback address: ", err)
		}
		_ = l.Close()
	}
	nodes := cluster(t, 2, func(c *Config) {
		c.ClientAddr, c.PeerAddr, c.GossipAddr = net.JoinHostPort(hosts[c.Name], "0"), net.JoinHostPort(hosts[c.Name], "0"), net.JoinHostPort(hosts[c.Name], "0")
	})
	for i, n := range nodes {
		other := nodes[1-i]
		n.mu.Lock()
		from, _, _ := net.SplitHostPort(n.in[other.self.Node].conn.RemoteAddr().String())
		n.mu.Unlock()
		if from != hosts[other.cfg.Name] {
			t.Errorf("the link of %s comes from %s, though it listens on %s", other.cfg.Name, from, hosts[other.cfg.Name])
		}
	}
}
