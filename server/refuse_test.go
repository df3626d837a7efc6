package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// refused checks that an error is of a kind, one line, and says the words.
func refused(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
}

func TestNodeThatMayNotBePartOfTheClusterIsRefusedInOneLine(t *testing.T) {
	t.Parallel()
	n1 := start(t, Quick(testConfig(t, "n1")))
	join := func(t *testing.T, name string) Config { return Quick(testConfig(t, name, n1.GossipAddr())) }

	t.Run("its name is taken by a node that runs", func(t *testing.T) {
		refused(t, startError(t, join(t, "n1")), ErrRefused, "two nodes of one name", "--name")
	})
	t.Run("its directory is in use", func(t *testing.T) {
		cfg := join(t, "n1")
		cfg.DataDir = n1.cfg.DataDir
		refused(t, startError(t, cfg), ErrRefused, "in use", cfg.DataDir)
	})
	t.Run("its directory belongs to another node", func(t *testing.T) {
		other := start(t, Quick(testConfig(t, "n7")))
		_ = other.Shutdown(t.Context())
		cfg := join(t, "n8")
		cfg.DataDir = other.cfg.DataDir
		refused(t, startError(t, cfg), ErrRefused, "n7", cfg.DataDir, "--name")
	})
	t.Run("its directory cannot be written", func(t *testing.T) {
		cfg := join(t, "n2")
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg.DataDir = filepath.Join(file, "dir")
		refused(t, startError(t, cfg), ErrRefused, "cannot be read and written", cfg.DataDir)
	})
	t.Run("the seed's cluster has another name", func(t *testing.T) {
		cfg := join(t, "n2")
		cfg.ClusterName = "other"
		refused(t, startError(t, cfg), ErrRefused, `"other"`, `"shoal"`)
	})
	t.Run("the seed's cluster has this name and is another", func(t *testing.T) {
		other := start(t, Quick(testConfig(t, "n2")))
		other.kill()
		cfg := other.cfg
		cfg.Join = []string{n1.GossipAddr()}
		refused(t, startError(t, cfg), ErrRefused, "cluster")
		if err := os.Remove(filepath.Join(cfg.DataDir, "map")); err != nil {
			t.Fatal(err)
		}
		refused(t, startError(t, cfg), ErrRefused, "cluster")
		if nodes := len(n1.view.Load().Table.Nodes()); nodes != 1 {
			t.Fatalf("the cluster has %d nodes now", nodes)
		}
	})
	t.Run("a port is in use", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for flag, set := range map[string]func(*Config){
			"--client-addr": func(c *Config) { c.ClientAddr = l.Addr().String() },
			"--resp-addr":   func(c *Config) { c.RespAddr = l.Addr().String() },
			"--peer-addr":   func(c *Config) { c.PeerAddr = l.Addr().String() },
			"--gossip-addr": func(c *Config) { c.GossipAddr = l.Addr().String() },
			"--admin-addr":  func(c *Config) { c.AdminAddr = l.Addr().String() },
		} {
			cfg := join(t, "n3")
			set(&cfg)
			refused(t, startError(t, cfg), ErrInUse, flag, l.Addr().String(), "choose another port")
		}
		if nodes := len(n1.view.Load().Table.Nodes()); nodes != 1 {
			t.Fatalf("nodes that could not start are in the map, which has %d", nodes)
		}
	})
}

// Who asks which node runs at an address is answered, and worries nobody there.
func TestANodeOfATakenNameDisturbsNotTheOneThatRuns(t *testing.T) {
	t.Parallel()
	cfg := Quick(testConfig(t, "n1"))
	core, logs := observer.New(zap.WarnLevel)
	cfg.Log = zap.New(core)
	n1 := start(t, cfg)
	refused(t, startError(t, Quick(testConfig(t, "n1", n1.GossipAddr()))), ErrRefused, "two nodes of one name", "--name", "--data-dir")
	dialRaw(t, n1.PeerAddr()).hello(&wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode, Node: 9, Boot: 1, Name: "n9", ClusterID: 1})
	eventually(t, "a node of another cluster is reported", func() bool { return logs.FilterMessage("peer refused").Len() > 0 })
	if n := logs.FilterMessage("peer refused").Len(); n != 1 {
		t.Errorf("%d peers were refused: %v", n, logs.All())
	}
}

func TestADamagedSlotOfTheCeilingIsReportedOnce(t *testing.T) {
	t.Parallel()
	n := start(t, Quick(testConfig(t, "n1")))
	n.kill()
	file := filepath.Join(n.cfg.DataDir, "ceiling")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[13] ^= 1
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.WarnLevel)
	for range 2 {
		n = again(t, n, func(c *Config) { c.Log = zap.New(core) })
		n.kill()
	}
	if found := logs.FilterMessageSnippet("slots of the stamp ceiling").Len(); found != 1 {
		t.Errorf("it is reported %d times", found)
	}
}

func TestRemovedNodeStopsItselfAndStaysOut(t *testing.T) {
	t.Parallel()
	n1 := start(t, Quick(testConfig(t, "n1")))
	n2 := start(t, Quick(testConfig(t, "n2", n1.GossipAddr())))
	eventually(t, "they see each other", func() bool { return n1.view.Load().Up(n2.self.Node) })
	m := n1.view.Load().Map
	gone := *m.Node(n2.self.Node)
	gone.State = ring.Removed
	gone.Version++
	if err := n1.mergeMap(m.With(gone)); err != nil {
		t.Fatal(err)
	}
	<-n2.Done()
	refused(t, n2.Err(), ErrRefused, "removed", "empty data directory")
	refused(t, startError(t, n2.cfg), ErrRefused, "removed", "empty data directory")
	n2.cfg.DataDir = t.TempDir()
	n2 = start(t, n2.cfg)
	eventually(t, "with an empty directory it is a new node", func() bool { return n1.view.Load().Up(n2.self.Node) })
	if n2.self.Node == gone.ID {
		t.Fatal("it came back under the id that was removed")
	}
}

func TestOfTwoNodesThatTakeOneNameAtTheSameTimeOneRemains(t *testing.T) {
	t.Parallel()
	n1 := start(t, Quick(testConfig(t, "n1")))
	type result struct {
		n   *Node
		err error
	}
	results := make(chan result, 2)
	for range 2 {
		cfg := Quick(testConfig(t, "twin", n1.GossipAddr()))
		go func() {
			n, err := Start(context.Background(), cfg)
			results <- result{n, err}
		}()
	}
	var twins []*Node
	var errs []error
	for range 2 {
		if r := <-results; r.err != nil {
			errs = append(errs, r.err)
		} else {
			twins = append(twins, r.n)
			t.Cleanup(func() { _ = r.n.Shutdown(context.Background()) })
		}
	}
	if len(twins) == 2 {
		select {
		case <-twins[0].Done():
		case <-twins[1].Done():
			twins[0], twins[1] = twins[1], twins[0]
		}
		errs = append(errs, twins[0].Err())
		twins = twins[1:]
	}
	if len(errs) != 1 || len(twins) != 1 {
		t.Fatalf("%d remain, errors %v", len(twins), errs)
	}
	refused(t, errs[0], ErrRefused, "twin", "two nodes of one name")
	eventually(t, "the one that remains is part of the cluster", func() bool {
		return n1.view.Load().Up(twins[0].self.Node) && twins[0].Err() == nil && len(n1.view.Load().Table.Nodes()) == 2
	})
	eventually(t, "nothing is left of the other", ready(n1, twins[0]))
	if err := dial(t, twins[0]).Set(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
}

func TestConnectionsThatSayNothingAreLimited(t *testing.T) { // I16, I17
	n := start(t, testConfig(t, "n1"))
	n.opening.Add(openingMax - 1)
	silent := dialRaw(t, n.Addr())
	eventually(t, "the last place is taken", func() bool { return n.opening.Load() == openingMax })
	for _, addr := range []string{n.Addr(), n.PeerAddr()} {
		dialRaw(t, addr).closed()
	}
	silent.hello(&wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleClient})
	eventually(t, "who said hello has left it", func() bool { return n.opening.Load() == openingMax-1 })
	dialHello(t, n.Addr())
}

func TestABatchForALinkIsTakenAsFarAsItFits(t *testing.T) { // I16
	beat := wire.AppendMessage(nil, &wire.Message{Kind: wire.KindBeat, Wall: 1 << 40})
	frames := bytes.Repeat(beat, 10)
	for most, want := range map[int]int{1: 1, len(beat): 1, 2*len(beat) - 1: 1, 2 * len(beat): 2, 9*len(beat) + 1: 9, 1 << 20: 10} {
		if got := framesWithin(frames, most); got != want*len(beat) {
			t.Errorf("%d bytes of frames of %d fit into %d, want %d frames", got, len(beat), most, want)
		}
	}
}

// Where two nodes go by one name, the one that is taken for the other's earlier boot is hung up on each time that it has said hello.
func TestANodeThatHangsUpIsNotDialledWithoutEnd(t *testing.T) {
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
	const dials = 4
	var first time.Time
	for i := range dials {
		conn, err := peer.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = time.Now()
		}
		c := &rawConn{Conn: conn, t: t, reader: frameReader{conn: conn, limits: wire.DefaultLimits()}}
		c.hello(&wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode, ClusterID: n.clusterID(), Node: 9, Boot: 1, Wall: n.clock.now().Wall})
		_ = conn.Close()
	}
	if took := time.Since(first); took < (dials-2)*redialPeriod { // the first may have waited for Accept
		t.Errorf("it was dialled %d times within %v", dials, took)
	}
}

// Who waits to start finds many hellos in its backlog, of which only the last one's sender still listens.
func TestALinkIsNotReplacedByOneThatWasGivenUp(t *testing.T) {
	t.Parallel()
	n := start(t, Quick(testConfig(t, "n1")))
	hello := &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode, ClusterID: n.clusterID(), Node: 9, Boot: 1, Name: "n9"}
	stands := func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.in[9] != nil
	}
	live := dialRaw(t, n.PeerAddr())
	live.hello(hello)
	live.send(n.mapFrame())
	eventually(t, "the link stands", stands)
	late := dialRaw(t, n.PeerAddr())
	late.hello(hello)
	_ = late.Conn.(*net.TCPConn).CloseWrite()
	if _, err := late.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if !stands() {
		t.Error("it was closed for one that says nothing")
	}
}
