package gossip

import (
	"context"
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"go.uber.org/goleak"

	"github.com/shoalcache/shoal/vclock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testCluster = 0xc1

func fastTimings() Timings {
	return Timings{
		Probe: 100 * time.Millisecond, ProbeTimeout: 50 * time.Millisecond, Suspicion: 3, Gossip: 20 * time.Millisecond,
		PushPull: time.Second, Forget: time.Second, TCP: 2 * time.Second, Rejoin: 100 * time.Millisecond,
	}
}

// world is one test's nodes. Every callback of any of them leaves a token in events.
type world struct {
	t      *testing.T
	events chan struct{}
}

// node is a Gossip with the least a server would put around it.
type node struct {
	*Gossip
	id    uint64
	bytes atomic.Pointer[[]byte]
	net   cutNet

	mu    sync.Mutex
	alive Alive
	maps  map[uint64]string // what OnState took, by sender
	known []Contact
}

func newWorld(t *testing.T) *world { return &world{t, make(chan struct{}, 1)} }

func (w *world) start(id, boot uint64, change ...func(*Config)) *node {
	w.t.Helper()
	n := &node{id: id, maps: map[uint64]string{}}
	cfg := Config{
		Self: vclock.Actor{Node: id, Boot: boot}, Cluster: "test", BindAddr: "127.0.0.1:0", Timings: fastTimings(),
		Meta: Meta{ClusterID: testCluster, Name: "n", Datacenter: "dc1", Rack: "r1", PeerAddr: "127.0.0.1:1", ClientAddr: "127.0.0.1:2"},
		State: func() []byte {
			if b := n.bytes.Load(); b != nil {
				return *b
			}
			return nil
		},
		OnState: func(from vclock.Actor, b []byte) error {
			defer signal(w.events)
			n.mu.Lock()
			defer n.mu.Unlock()
			n.maps[from.Node] = string(b)
			if string(b) == "unreadable" {
				return errors.New("not a map")
			}
			return nil
		},
		OnChange: func(a Alive) {
			defer signal(w.events)
			n.mu.Lock()
			defer n.mu.Unlock()
			n.alive = a
		},
		Known: func() []Contact {
			n.mu.Lock()
			defer n.mu.Unlock()
			return slices.Clone(n.known)
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	g, err := start(cfg, func(t memberlist.NodeAwareTransport) memberlist.NodeAwareTransport {
		n.net.NodeAwareTransport = t
		return &n.net
	})
	if err != nil {
		w.t.Fatal(err)
	}
	n.Gossip = g
	w.t.Cleanup(n.Close)
	return n
}

// trio starts three nodes that know each other.
func (w *world) trio(change ...func(*Config)) []*node {
	w.t.Helper()
	var nodes []*node
	for id := range uint64(3) {
		nodes = append(nodes, w.start(id+1, 1, change...))
	}
	for _, n := range nodes[1:] {
		w.join(n, nodes[0])
	}
	w.untilAll(nodes, nodes...)
	return nodes
}

func (w *world) join(n, to *node) {
	w.t.Helper()
	if err := n.Join(w.t.Context(), []string{to.Addr()}); err != nil {
		w.t.Fatal(err)
	}
}

// until waits for a condition, looking again after every callback. The limit is only for a broken build.
func (w *world) until(what string, cond func() bool) {
	w.t.Helper()
	limit := time.After(10 * time.Second)
	for !cond() {
		select {
		case <-w.events:
		case <-limit:
			w.t.Fatal("never happened: " + what)
		}
	}
}

// untilAll waits until each of nodes was told that exactly those are alive.
func (w *world) untilAll(nodes []*node, alive ...*node) {
	w.t.Helper()
	w.until("all see who is alive", func() bool {
		for _, n := range nodes {
			if !n.sees(alive...) {
				return false
			}
		}
		return true
	})
}

func (n *node) sees(others ...*node) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, o := range others {
		if a, ok := n.alive[o.id]; !ok || a.Boot != o.cfg.Self.Boot || a.Addr != o.Addr() {
			return false
		}
	}
	return len(n.alive) == len(others)
}

func (n *node) mapFrom(id uint64) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.maps[id]
}

func (n *node) knows(others ...*node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, o := range others {
		n.known = append(n.known, Contact{o.id, o.Addr()})
	}
}

func (n *node) setMap(s string) {
	b := []byte(s)
	n.bytes.Store(&b)
}

// cutNet loses what is sent to some addresses.
type cutNet struct {
	memberlist.NodeAwareTransport
	mu  sync.Mutex
	cut map[string]bool
}

func (c *cutNet) set(cut ...*node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = map[string]bool{}
	for _, n := range cut {
		c.cut[n.Addr()] = true
	}
}

func (c *cutNet) lost(addr string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut[addr]
}

func (c *cutNet) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	if c.lost(a.Addr) {
		return time.Now(), nil
	}
	return c.NodeAwareTransport.WriteToAddress(b, a)
}

func (c *cutNet) DialAddressTimeout(a memberlist.Address, d time.Duration) (net.Conn, error) {
	if c.lost(a.Addr) {
		return nil, errors.New("cut")
	}
	return c.NodeAwareTransport.DialAddressTimeout(a, d)
}

func TestThreeNodesSeeEachOtherAndWhatEachTellsOfItself(t *testing.T) {
	w := newWorld(t)
	nodes := w.trio()
	for _, n := range nodes {
		for id, a := range n.Alive() {
			if want := nodes[id-1].cfg.Meta; a.Meta != want {
				t.Errorf("node %d takes node %d for %+v, want %+v", n.id, id, a.Meta, want)
			}
		}
	}
	if s := nodes[0].Stats(); s.Alive != 3 || s.RefusedBytes != 0 || s.RefusedNodes != 0 || s.Conflicts != 0 {
		t.Errorf("at rest: %+v", s)
	}
}

func TestNodesWithAKeySeeEachOtherAndRefuseOneWithout(t *testing.T) {
	w := newWorld(t)
	key := func(c *Config) { c.Key = []byte("0123456789abcdef") }
	nodes := w.trio(key)
	nodes[0].setMap("secret")
	nodes[0].Broadcast()
	w.until("the map arrives", func() bool { return nodes[2].mapFrom(1) == "secret" })
	stranger := w.start(9, 1)
	if err := stranger.Join(t.Context(), []string{nodes[0].Addr()}); err == nil {
		t.Fatal("joined without the key")
	} else if strings.Contains(err.Error(), "\n") {
		t.Errorf("not one line: %q", err)
	}
	if !nodes[0].sees(nodes...) {
		t.Error("the stranger was let in")
	}
}

func TestAKilledNodeIsNoticed(t *testing.T) {
	w := newWorld(t)
	nodes := w.trio()
	nodes[2].Close()
	w.untilAll(nodes[:2], nodes[:2]...)
}

func TestANodeThatLeavesIsGoneWithoutSuspicion(t *testing.T) {
	w := newWorld(t)
	nodes := w.trio(func(c *Config) { c.Timings.Probe, c.Timings.ProbeTimeout = time.Hour, time.Minute })
	if err := nodes[2].Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.untilAll(nodes[:2], nodes[:2]...)
	if err := nodes[2].Join(t.Context(), []string{nodes[0].Addr()}); !errors.Is(err, ErrClosed) {
		t.Errorf("joined after leaving: %v", err)
	}
	nodes[2].Close()
	if err := nodes[2].Leave(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("left after closing: %v", err)
	}
}

// The former boot is never found dead here, as nobody probes: it stays in memberlist's list for good.
func TestARestartedNodeIsListedAtOnceWhileItsFormerBootIsStillBelievedAlive(t *testing.T) {
	w := newWorld(t)
	nodes := w.trio(func(c *Config) { c.Timings.Probe, c.Timings.ProbeTimeout = time.Hour, time.Minute })
	nodes[2].Close()
	again := w.start(3, 2)
	w.join(again, nodes[1])
	w.untilAll([]*node{nodes[0], nodes[1], again}, nodes[0], nodes[1], again)
	if n := nodes[0].list.NumMembers(); n != 4 {
		t.Fatalf("memberlist believes in %d nodes: the former boot should be among 4", n)
	}
	old := &memberlist.Node{Name: nodes[2].cfg.Self.String(), Addr: net.IPv4(127, 0, 0, 1).To4(), Port: 1, Meta: *nodes[2].meta.Load()}
	d := (*delegate)(nodes[0].Gossip)
	if err := d.NotifyAlive(old); err == nil {
		t.Error("news that the former boot is alive were believed")
	}
	d.NotifyUpdate(old)
	d.NotifyLeave(old)
	d.NotifyJoin(old)
	if got := nodes[0].Alive()[3]; got.Boot != 2 || got.Addr != again.Addr() {
		t.Errorf("late news of boot 1 changed boot 2 to %+v", got)
	}
}

func TestAMapLargerThanAnyPacketReachesAll(t *testing.T) {
	w := newWorld(t)
	nodes := w.trio(func(c *Config) { c.Timings.PushPull = time.Hour })
	big := strings.Repeat("m", 300_000)
	nodes[1].setMap(big)
	nodes[1].Broadcast()
	w.until("the map reaches both", func() bool { return nodes[0].mapFrom(2) == big && nodes[2].mapFrom(2) == big })
}

func TestJoinReturnsAfterTheMapWasHandedOver(t *testing.T) {
	w := newWorld(t)
	a, b := w.start(1, 1), w.start(2, 1)
	a.setMap("map of a")
	w.join(b, a)
	if got := b.mapFrom(1); got != "map of a" {
		t.Errorf("after Join: %q", got)
	}
	if !b.sees(a, b) {
		t.Error("after Join OnChange had not been told of the node joined")
	}
}

func TestAMapThatCannotBeReadIsCountedAndHarmsNothing(t *testing.T) {
	w := newWorld(t)
	a, b := w.start(1, 1), w.start(2, 1)
	a.setMap("unreadable")
	w.join(b, a)
	if s := b.Stats(); s.RefusedStates == 0 || s.Alive != 2 {
		t.Errorf("%+v", s)
	}
}

// I15. The map must be asked: what memberlist believes dead it forgets, and never looks for again.
func TestAHealedPartitionMergesAgainWhetherOrNotTheDeadWereForgotten(t *testing.T) {
	for _, forget := range []time.Duration{100 * time.Millisecond, time.Hour} {
		w := newWorld(t)
		nodes := w.trio(func(c *Config) { c.Timings.Forget = forget })
		for _, n := range nodes {
			n.knows(nodes...)
		}
		nodes[0].net.set(nodes[2])
		nodes[1].net.set(nodes[2])
		nodes[2].net.set(nodes[0], nodes[1])
		w.untilAll(nodes[:2], nodes[:2]...)
		w.untilAll(nodes[2:], nodes[2])
		for forget < time.Hour && (w.lists(nodes[0], nodes[2]) || w.lists(nodes[2], nodes[0])) {
			runtime.Gosched() // memberlist forgets without telling
		}
		for _, n := range nodes {
			n.net.set()
		}
		w.untilAll(nodes, nodes...)
	}
}

// lists reports whether n's memberlist remembers o, dead or alive: then it gossips to it, and would merge by itself.
func (w *world) lists(n, o *node) bool {
	return slices.Contains(pushed(w.t, n), o.cfg.Self.String())
}

func TestANodeRestartedWithAMapFindsItsClusterByItself(t *testing.T) {
	w := newWorld(t)
	a := w.start(1, 1)
	b := w.start(2, 1, func(c *Config) {
		c.Timings.Rejoin = time.Hour // the first attempt comes at once
		c.Known = func() []Contact { return []Contact{{1, a.Addr()}, {2, "127.0.0.1:1"}} }
	})
	w.untilAll([]*node{a, b}, a, b)
}

func TestAnotherClusterNameIsRefusedAndSaidSo(t *testing.T) {
	w := newWorld(t)
	a, b := w.start(1, 1), w.start(2, 1, func(c *Config) { c.Cluster = "other" })
	err := b.Join(t.Context(), []string{a.Addr()})
	if err == nil || !strings.Contains(err.Error(), `belongs to cluster "test", not "other"`) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	if !a.sees(a) || len(b.Alive()) != 1 {
		t.Error("two clusters merged")
	}
	if a.Stats().RefusedBytes == 0 {
		t.Error("not counted")
	}
}

func TestAnotherClusterIDIsRefusedOnBothSides(t *testing.T) {
	w := newWorld(t)
	a, b := w.start(1, 1), w.start(2, 1, func(c *Config) { c.Meta.ClusterID = 0xb })
	a.setMap("map of a")
	err := b.Join(t.Context(), []string{a.Addr()})
	var other *ClusterError
	if !errors.As(err, &other) || *other != (ClusterError{Theirs: testCluster, Ours: 0xb}) {
		t.Errorf("%v", err)
	}
	if !strings.Contains(err.Error(), "belongs to cluster 00000000000000c1") {
		t.Errorf("%v", err)
	}
	if len(b.Alive()) != 1 || b.mapFrom(1) != "" {
		t.Error("the joining side took something over")
	}
	// The other side merges after it has answered: a join the other way round comes after that.
	if err := a.Join(t.Context(), []string{b.Addr()}); !errors.As(err, &other) || len(a.Alive()) != 1 {
		t.Errorf("the joined side took something over: %v, %v", err, a.Alive())
	}
}

func TestANodeWithoutAClusterJoinsOneAndTellsSo(t *testing.T) {
	w := newWorld(t)
	fresh := func(c *Config) { c.Meta.ClusterID = 0 }
	a, b := w.start(1, 1), w.start(2, 1, fresh)
	var c *node
	c = w.start(3, 1, fresh, func(cfg *Config) {
		cfg.OnState = func(vclock.Actor, []byte) error { return c.SetCluster(testCluster) } // as a server would
	})
	if err := b.Join(t.Context(), []string{c.Addr()}); !errors.Is(err, ErrNotJoined) {
		t.Fatalf("two nodes without a cluster met: %v", err)
	}
	a.setMap("map of a")
	w.join(b, a)
	if b.mapFrom(1) != "map of a" {
		t.Fatal("no map")
	}
	var other *ClusterError
	if err := b.SetCluster(0xbad); !errors.As(err, &other) {
		t.Errorf("moved to another cluster: %v", err)
	}
	if err := b.SetCluster(testCluster); err != nil {
		t.Fatal(err)
	}
	w.until("the others learn of it", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.alive[2].Meta.ClusterID == testCluster
	})
	b.setMap("map of b")
	w.join(c, b)
	w.untilAll([]*node{a, b, c}, a, b, c)
	w.until("the third tells so too", func() bool { return a.Alive()[3].Meta.ClusterID == testCluster })
}

func TestJoinNamesEveryAddressAndItsReason(t *testing.T) {
	w := newWorld(t)
	a := w.start(1, 1)
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := deaf.Addr().String()
	_ = deaf.Close()
	err = a.Join(t.Context(), []string{closed, "nonsense", a.Addr()})
	var failed *JoinError
	if !errors.As(err, &failed) || len(failed.Failed) != 3 {
		t.Fatalf("%v", err)
	}
	for i, part := range []string{"refused", "host:port", "itself"} {
		if got := failed.Failed[i].Err.Error(); !strings.Contains(got, part) {
			t.Errorf("%s: %s", failed.Failed[i].Addr, got)
		}
	}
	b := w.start(2, 1)
	if err := b.Join(t.Context(), []string{closed, a.Addr()}); err != nil {
		t.Errorf("one success is enough: %v", err)
	}
}

func TestJoinEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	a := w.start(1, 1)
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // accepts into the kernel's queue, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Join(ctx, []string{deaf.Addr().String()}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestAPortInUseIsACleanError(t *testing.T) {
	w := newWorld(t)
	a := w.start(1, 1)
	cfg := a.cfg
	cfg.Self.Node, cfg.BindAddr = 2, a.Addr()
	if _, err := Start(cfg); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), a.Addr()) {
		t.Errorf("%v", err)
	}
	cfg.BindAddr, cfg.Advertise = "localhost:0", "no such host."
	if _, err := Start(cfg); err == nil || !strings.Contains(err.Error(), "advertise") {
		t.Errorf("%v", err)
	}
}

func TestOneNodeRunTwiceIsReported(t *testing.T) {
	w := newWorld(t)
	a, b := w.start(1, 1), w.start(2, 1)
	w.join(b, a)
	twin := w.start(1, 1)
	w.join(twin, b)
	if a.Stats().Conflicts+b.Stats().Conflicts+twin.Stats().Conflicts == 0 {
		t.Error("two processes with one id and boot went unnoticed")
	}
	later := w.start(2, 2)
	w.join(later, a)
	w.until("the former boot hears of the later", func() bool { return b.Stats().Conflicts > 0 })
}

func TestCloseLeavesNoGoroutineEvenAmidstJoins(t *testing.T) {
	ours := goleak.IgnoreCurrent()
	w := newWorld(t)
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	a := w.start(1, 1, func(c *Config) { c.Timings.TCP = time.Hour }) // no deadline will end it
	joined := make(chan error)
	go func() { joined <- a.Join(context.Background(), []string{deaf.Addr().String()}) }()
	conn, err := deaf.Accept() // the join is under way, and will hear nothing
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	a.Close()
	a.Close()
	if err := <-joined; err == nil {
		t.Error("joined nobody, without an error")
	}
	goleak.VerifyNone(t, ours)
}

// Invariant 5.
func TestCloseWaitsForACallbackUnderWay(t *testing.T) {
	w := newWorld(t)
	begun, release := make(chan struct{}, 1), make(chan struct{})
	a := w.start(1, 1, func(c *Config) {
		c.OnChange = func(Alive) {
			signal(begun)
			<-release
		}
	})
	<-begun
	closed := make(chan struct{})
	go func() {
		a.Close()
		close(closed)
	}()
	<-guardOf(a).stopped // all but the wait is done
	for range 10_000 {
		runtime.Gosched()
	}
	select {
	case <-closed:
		t.Error("Close returned while a callback ran")
	default:
	}
	close(release)
	<-closed
}

func TestValidateReturnsEveryProblemAtOnce(t *testing.T) {
	bad := Config{BindAddr: "x", Key: []byte("short"), Meta: Meta{Rack: strings.Repeat("r", 600)}}
	err := bad.Validate()
	for _, part := range []string{"boot", "name", "host:port", "shorten", "16, 24 or 32", "timing"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in: %v", part, err)
		}
	}
}
