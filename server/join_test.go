package server

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/shoalcache/shoal/datadir"
	"github.com/shoalcache/shoal/gossip"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Alone under the cluster's id it would acknowledge by itself what the others know nothing of (I2).
func TestNodeWhoseMapIsDamagedDoesNotServeAlone(t *testing.T) {
	t.Parallel()
	n := start(t, Quick(testConfig(t, "n1")))
	n.kill()
	if err := os.WriteFile(filepath.Join(n.cfg.DataDir, "map"), []byte("not a map"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // nor at the next try, once the damaged map is out of the way
		refused(t, startError(t, n.cfg), ErrRefused, "map.corrupt", "--join")
	}
}

// Alone under the cluster's id it would acknowledge by itself what the others know nothing of (I2).
func TestNodeWhoseMapIsGoneDoesNotServeAlone(t *testing.T) {
	t.Parallel()
	n1 := start(t, Quick(testConfig(t, "n1")))
	n2 := start(t, Quick(testConfig(t, "n2", n1.GossipAddr())))
	n2.kill()
	if err := os.Remove(filepath.Join(n2.cfg.DataDir, "map")); err != nil {
		t.Fatal(err)
	}
	cfg := n2.cfg
	cfg.Join = nil
	refused(t, startError(t, cfg), ErrRefused, filepath.Join(cfg.DataDir, "map")+" is missing", "--join")
	again(t, n2, nil)
}

// mapOf is a map of one node, of an id and the name of cfg, which nobody reaches.
func mapOf(cfg Config, id uint64) *ring.Map {
	return (&ring.Map{
		ClusterID: 7, Cluster: cfg.ClusterName, Partitions: 64,
		Namespaces: []ring.Namespace{{Name: ring.DefaultNamespace, Replicas: 3, Read: uint8(wire.LevelQuorum), Write: uint8(wire.LevelQuorum), Version: 1}},
	}).With(ring.Node{
		ID: id, Boot: 1, Name: cfg.Name, ClientAddr: "127.0.0.1:1", PeerAddr: "127.0.0.1:2", GossipAddr: "127.0.0.1:3",
		Datacenter: cfg.Datacenter, Weight: ring.StandardWeight, State: ring.Active, Version: 1,
	})
}

// A node that joins knows its cluster before it has a map on disk; one that founds a cluster has the map first.
func TestAFirstStartThatWasCutShortBeginsAgainWithoutHelp(t *testing.T) {
	t.Parallel()
	for claim, saved := range map[string]func(cfg Config, d *datadir.Dir) error{
		"it knew itself":             func(Config, *datadir.Dir) error { return nil },
		"it had promised something":  func(_ Config, d *datadir.Dir) error { return d.SaveCeiling(5) },
		"it had the map and no more": func(cfg Config, d *datadir.Dir) error { return d.SaveMap(mapOf(cfg, d.Identity().NodeID)) },
	} {
		cfg := Quick(testConfig(t, "n1")).withDefaults()
		d, err := datadir.Open(datadir.OS(), cfg.DataDir, datadir.Claim{Name: cfg.Name, Cluster: cfg.ClusterName, Wall: 1, Random: random64})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(saved(cfg, d), d.Close()); err != nil {
			t.Fatal(err)
		}
		n, err := Start(t.Context(), cfg)
		if err != nil {
			t.Errorf("%s: %v", claim, err)
			continue
		}
		n.kill()
		again(t, n, nil)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := Quick(testConfig(t, "n1"))
	good := cfg.GossipAddr
	cfg.GossipAddr = taken.Addr().String()
	refused(t, startError(t, cfg), ErrInUse, cfg.GossipAddr)
	cfg.GossipAddr = good
	start(t, cfg)
}

// A map on disk says that the cluster may have heard of the node, and that its ceiling covers what it did then.
func TestFirstStartThatFailsLeavesNoMapBehind(t *testing.T) {
	t.Parallel()
	n1 := start(t, Quick(testConfig(t, "n1")))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := Quick(testConfig(t, "n2", n1.GossipAddr()))
	good := cfg.GossipAddr
	cfg.GossipAddr = taken.Addr().String()
	refused(t, startError(t, cfg), ErrInUse, cfg.GossipAddr)
	if _, err := os.Stat(filepath.Join(cfg.DataDir, "map")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the map of a cluster that never heard of it: %v", err)
	}
	cfg.GossipAddr = good
	start(t, cfg)
}

// Nodes started at once find each other before any of them is of a cluster.
func TestNodeToJoinThatIsNotOfAClusterYetIsWaitedFor(t *testing.T) {
	t.Parallel()
	n1, n2 := Quick(testConfig(t, "n1")), Quick(testConfig(t, "n2"))
	early, err := gossip.Start(gossip.Config{
		Self: vclock.Actor{Node: 9, Boot: 1}, Cluster: "shoal", BindAddr: n1.GossipAddr, Meta: gossip.Meta{Name: "early"},
		Timings: n1.tuning.gossip, Log: n1.Log, State: func() []byte { return nil }, OnState: func(vclock.Actor, []byte) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(early.Close)
	n1.GossipAddr = early.Addr()
	n2.Join = []string{n1.GossipAddr}
	joined := make(chan error, 1)
	go func() {
		n, err := Start(t.Context(), n2)
		if err == nil {
			err = n.Shutdown(t.Context())
		}
		joined <- err
	}()
	eventually(t, "the first meets one without a cluster", func() bool { return early.Stats().RefusedNodes > 0 })
	early.Close()
	start(t, n1)
	if err := <-joined; err != nil {
		t.Fatal(err)
	}
}

// What the node before it promised nobody knows: its floor must lie above that at the next start, too (I2).
func TestATakeoverThatIsCutShortWaitsAsLongAtTheNextStart(t *testing.T) {
	t.Parallel()
	cfg := Quick(testConfig(t, "n1")).withDefaults()
	cfg.tuning.skewWait = 2 * replica.SkewMax
	d, err := datadir.Open(datadir.OS(), cfg.DataDir, datadir.Claim{Name: cfg.Name, Cluster: cfg.ClusterName, Wall: 1, Random: random64})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.SetCluster(7, cfg.ClusterName), d.SaveCeiling(5), d.SaveMap(mapOf(cfg, 9)), d.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		cfg.Log = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(io.Discard), zap.InfoLevel), zap.Hooks(func(e zapcore.Entry) error {
			if strings.HasPrefix(e.Message, "waiting for the clock") {
				cancel()
			}
			return nil
		}))
		n, err := Start(ctx, cfg)
		if err == nil {
			n.kill()
		}
		if cancel(); !errors.Is(err, context.Canceled) {
			t.Fatalf("it waits for nothing: %v", err)
		}
	}
}

// Its ceiling is below what it acknowledged after the copy was made (I2). The first start learns that from the others, and
// the next one waits; where the map is not as old as the ceiling, the first does.
func TestAnOlderCopyOfTheDirectoryIsNotBelieved(t *testing.T) {
	t.Parallel()
	n1 := start(t, Quick(testConfig(t, "n1")))
	cfg := Quick(testConfig(t, "n2", n1.GossipAddr())).withDefaults()
	cfg.tuning.skewWait = 4 * time.Second // twice as far as the ceiling is ahead, or the wait of every restart would be as long
	n2 := start(t, cfg)
	dir := cfg.DataDir
	for claim, files := range map[string][]string{"all of it": {"node.json", "map", "ceiling"}, "the ceiling": {"ceiling"}} {
		n2.kill()
		copied := map[string][]byte{}
		for _, name := range files {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			copied[name] = b
		}
		n2 = again(t, n2, nil)
		eventually(t, claim+": the other hears of it", func() bool { return n1.view.Load().Map.Node(n2.self.Node).Boot == n2.self.Boot })
		n2.kill()
		for name, b := range copied {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		promised := n1.clock.now().Wall + cfg.tuning.skewWait.Milliseconds()
		if len(files) > 1 {
			busy := n2.cfg // a start that comes to nothing vouches for nothing
			busy.GossipAddr = n1.GossipAddr()
			refused(t, startError(t, busy), ErrInUse)
			n, err := Start(t.Context(), n2.cfg)
			if err == nil {
				eventually(t, claim+": it ends", func() bool { return n.Err() != nil })
				<-n.Done()
				err = n.Err()
			}
			refused(t, err, ErrRefused, "older copy", "start it again")
		}
		if n2 = again(t, n2, nil); n2.clock.now().Wall < promised {
			t.Errorf("%s: it serves before what it promised lies in the past", claim)
		}
		eventually(t, claim+": it is one of them again", ready(n1, n2))
	}
}

func TestRoomThatNeverComesIsWaitedForOnce(t *testing.T) {
	near, _ := net.Pipe()
	p := newPipe(near, 10, linkStall, func(error) {})
	p.gather = true // and nobody writes
	l := &link{pipe: p}
	n := &Node{links: map[uint64]*link{7: l}}
	owners := []uint64{7, 8}
	p.push(make([]byte, 9))
	if n.room(owners, 1) != true || n.room(owners, 2) != false {
		t.Fatal("one byte has room, two have none")
	}
	n.waited(owners, 2)
	if !n.room(owners, 2) {
		t.Fatal("the next waits as long")
	}
	p.pending = nil
	if !n.room(owners, 2) {
		t.Fatal("there is room")
	}
	p.push(make([]byte, 9))
	if n.room(owners, 2) {
		t.Fatal("there was room in between: it may be worth waiting again")
	}
	n.waited(owners, 1)
	if n.room(owners, 2) {
		t.Fatal("a wait that ended well was taken for one in vain")
	}
}
