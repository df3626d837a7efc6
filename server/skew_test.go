package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

func TestNodesWithWrongClocksHandWritesToOthersAndServe(t *testing.T) {
	t.Parallel()
	off := func(name string, offset time.Duration, join ...string) Config {
		cfg := Quick(testConfig(t, name, join...))
		cfg.ClockOffset = offset
		return cfg
	}
	n1 := start(t, off("n1", 0))
	ahead := start(t, off("n2", 2*time.Second, n1.GossipAddr()))
	behind := start(t, off("n3", -2*time.Second, n1.GossipAddr()))
	eventually(t, "the cluster is whole and recovered", ready(n1, ahead, behind))
	eventually(t, "both know that their clocks are wrong", func() bool {
		return ahead.view.Load().Skewed && behind.view.Load().Skewed && !n1.view.Load().Skewed
	})
	for _, n := range []*Node{ahead, behind} {
		c := dial(t, n)
		before := count(n, "replica", "forwarded")
		const writes = 50
		for i := range writes {
			key, value := fmt.Sprint(n.cfg.Name, "-", i), fmt.Sprint("v", i)
			if err := c.Set(t.Context(), key, []byte(value)); err != nil {
				t.Fatal(err)
			}
			item, err := c.GetItem(t.Context(), key)
			if err != nil || string(item.Value) != value {
				t.Fatalf("read %q, %v", item.Value, err)
			}
			most := n1.clock.now().Wall + replica.SkewAllowed.Milliseconds()
			if at := vclock.Stamp(item.Stamp).Millis(); at > most {
				t.Fatalf("%s stamped %d ms ahead of the clock most nodes agree on", n.cfg.Name, at-most)
			}
		}
		if got := count(n, "replica", "forwarded") - before; got != writes {
			t.Fatalf("%s handed on %d of %d writes", n.cfg.Name, got, writes)
		}
	}
	if n := count(n1, "replica", "forwarded"); n != 0 {
		t.Fatalf("the node with the right clock handed on %d writes", n)
	}
}

// The time in an answer that took long may be old, and by it this node would take its own clock for ahead of all others.
func TestANodeWhoseFirstGreetingTookLongIsGreetedAgain(t *testing.T) {
	t.Parallel()
	n := start(t, Quick(testConfig(t, "n1")))
	peer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	x := *n.core.View().Map.Node(n.self.Node)
	x.ID, x.Name, x.PeerAddr = 9, "n9", peer.Addr().String()
	if err := n.mergeMap(n.core.View().Map.With(x)); err != nil {
		t.Fatal(err)
	}
	answer := func(late time.Duration) (*rawConn, error) {
		conn, err := peer.Accept()
		if err != nil {
			return nil, err
		}
		c := &rawConn{Conn: conn, t: t, reader: frameReader{conn: conn, limits: wire.DefaultLimits()}}
		var h wire.Hello
		if err := c.reader.hello(time.Minute, &h); err != nil {
			return c, err
		}
		heard := n.clock.now()
		eventually(t, "time passes", func() bool { return n.clock.now().Mono-heard.Mono >= late })
		_, err = c.Write(wire.AppendHello(nil, &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode, ClusterID: n.clusterID(), Node: 9, Boot: 1, Wall: heard.Wall}))
		return c, err
	}
	c, err := answer(2 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a link that began with a greeting of 2 s goes on: %v", err)
	}
	go func() {
		for err := error(nil); !errors.Is(err, net.ErrClosed); { // once, unless this machine is slow
			_, err = answer(0)
		}
	}()
	eventually(t, "the link stands", func() bool { _, ok := n.link(9).connected(); return ok })
}
