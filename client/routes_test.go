package client

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// steady lets a client take its time, so that a slow machine does not look like a slow node.
func steady(o *options) { o.quiet, o.hedging = time.Minute, false }

// settled waits until a client has routes to n nodes, and connections to so many of the fakes.
func settled(t *testing.T, c *Client, conns int) {
	t.Helper()
	eventually(t, "the map has come and its nodes are connected", func() bool {
		for i := range 64 { // what no call needs is not connected
			_, _ = c.Exists(t.Context(), fmt.Sprint("warm", i))
		}
		n := c.Counters()
		return n.Maps > 0 && n.Conns == conns
	})
}

// cluster starts fakes that know each other.
func cluster(t *testing.T, n int) []*fake {
	t.Helper()
	var fakes []*fake
	for range n {
		fakes = append(fakes, newFake(t))
	}
	join(fakes...)
	return fakes
}

// owner is the index of the fake that is the first owner of key under the map that they know.
func owner(t *testing.T, fakes []*fake, key string) int {
	t.Helper()
	table, err := ring.Compile(fakes[0].cluster.Load(), xxhash.Sum64)
	if err != nil {
		t.Fatal(err)
	}
	return int(table.Owners(table.Partition(ring.Slot([]byte(key))))[0].Node)
}

// keyOf is a key whose first owner is that fake.
func keyOf(t *testing.T, fakes []*fake, i int) string {
	t.Helper()
	for n := range 1000 {
		if key := fmt.Sprint("k", n); owner(t, fakes, key) == i {
			return key
		}
	}
	t.Fatalf("node %d owns nothing first", i)
	return ""
}

func TestAKeyIsAskedOfItsFirstOwner(t *testing.T) {
	fakes := cluster(t, 4)
	c := routed(t, []Option{steady}, fakes[2]) // one seed is enough
	settled(t, c, 4)
	share := map[int]int{}
	for i := range 200 {
		key := fmt.Sprint("key", i)
		at := owner(t, fakes, key)
		before := len(fakes[at].ops())
		if err := c.Set(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if got := len(fakes[at].ops()) - before; got != 2 {
			t.Errorf("%s: its owner got %d of 2 calls", key, got)
		}
		share[at]++
	}
	for i := range fakes {
		if share[i] == 0 {
			t.Errorf("node %d got none of 200 keys", i)
		}
	}
}

func TestNearOwnersComeFirstAndAmongEqualsTheListsOrderStays(t *testing.T) {
	m := &ring.Map{ClusterID: 7, Cluster: "c", Partitions: 256, Namespaces: []ring.Namespace{{Name: "default", Replicas: 3, Version: 1}}}
	for i := range 12 {
		m.Nodes = append(m.Nodes, ring.Node{
			ID: uint64(i + 1), Boot: 1, Name: fmt.Sprint("n", i), ClientAddr: fmt.Sprint("10.0.0.", i, ":7400"), PeerAddr: "p:1", GossipAddr: "g:1",
			Datacenter: []string{"paris", "rome"}[i%2], Rack: []string{"r1", "r2", "r3"}[i/2%3], Weight: ring.StandardWeight, State: ring.Active, Version: 1,
		})
	}
	table, err := ring.Compile(m, xxhash.Sum64)
	if err != nil {
		t.Fatal(err)
	}
	linkTo := func(n *ring.Node) *link { return &link{addr: n.ClientAddr} }
	for _, near := range []site{{}, {datacenter: "rome"}, {"rome", "r2"}, {"nowhere", "r2"}} {
		r, err := compile(m, near, linkTo, nil)
		if err != nil {
			t.Fatal(err)
		}
		for p := range m.Partitions {
			var want []uint16
			for _, like := range []func(n *ring.Node) bool{
				func(n *ring.Node) bool { return n.Datacenter == near.datacenter && n.Rack == near.rack },
				func(n *ring.Node) bool { return n.Datacenter == near.datacenter },
				func(*ring.Node) bool { return true },
			} {
				for _, place := range table.Owners(p) {
					if like(&m.Nodes[place.Node]) && !slices.Contains(want, place.Node) {
						want = append(want, place.Node)
					}
				}
			}
			if got := r.ofPartition("", p); !slices.Equal(got, want) {
				t.Fatalf("%+v, partition %d: %v, want %v", near, p, got, want)
			}
		}
		for slot := range uint16(ring.Slots) {
			if &r.of("", slot)[0] != &r.ofPartition("", table.Partition(slot))[0] {
				t.Fatalf("slot %d leads to another partition than %d", slot, table.Partition(slot))
			}
		}
	}
}

// closed is an address where nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// unreachableMap gives fakes a map in which nodes from the given one on have addresses that nobody can reach.
func unreachableMap(t *testing.T, fakes []*fake, from int) {
	t.Helper()
	m := fakes[0].cluster.Load().Clone()
	for i := from; i < len(m.Nodes); i++ {
		m.Nodes[i].ClientAddr = closed(t)
	}
	know(m, fakes...)
}

func TestAClientThatReachesOnlyItsSeedsGoesOn(t *testing.T) {
	fakes := cluster(t, 3)
	unreachableMap(t, fakes, 0)
	c := routed(t, []Option{steady}, fakes[0])
	settled(t, c, 1)
	for i := range 500 {
		if err := c.Set(t.Context(), fmt.Sprint("k", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.Counters(); n.Retries != 0 || n.DialsFailed == 0 {
		t.Errorf("%+v", n)
	}
}

func TestASeedIsTheDoorOfItsNodeWhereTheMapsAddressIsNot(t *testing.T) {
	fakes := cluster(t, 3)
	unreachableMap(t, fakes, 0)
	c := routed(t, []Option{steady}, fakes...)
	settled(t, c, 3)
	for i := range fakes {
		key := keyOf(t, fakes, i)
		eventually(t, fmt.Sprint("calls reach node ", i, " by its seed"), func() bool {
			before := len(fakes[i].ops())
			_, err := c.Exists(t.Context(), key)
			return err == nil && len(fakes[i].ops()) > before
		})
	}
}

func TestTheKeysOfANodeThatDiedGoToTheirNextOwners(t *testing.T) {
	fakes := cluster(t, 3)
	c := routed(t, []Option{steady}, fakes...)
	settled(t, c, 3)
	fakes[1].close()
	for i := range 300 {
		key := fmt.Sprint("k", i)
		if _, err := c.Exists(t.Context(), key); err != nil { // one that was under way is asked elsewhere
			t.Fatal(err)
		}
		if err := c.Set(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.Counters(); n.Retries > 1 {
		t.Errorf("%d calls had to be tried again", n.Retries)
	}
}

func TestANodeThatJoinsOrLeavesIsNoticed(t *testing.T) {
	fakes := cluster(t, 3)
	c := routed(t, []Option{steady}, fakes[0], fakes[1])
	settled(t, c, 3)
	fourth := newFake(t)
	grown := append(slices.Clone(fakes), fourth)
	join(grown...)
	fakes[0].cut() // its new hello shows the new map
	eventually(t, "the fourth node is asked", func() bool {
		for i := range 64 {
			if _, err := c.Exists(t.Context(), fmt.Sprint("k", i)); err != nil {
				t.Fatal(err)
			}
		}
		return len(fourth.ops()) > 0
	})
	settled(t, c, 4) // the first one is connected again, to be cut again
	m := fakes[0].cluster.Load()
	gone := m.Nodes[3]
	gone.State, gone.Version = ring.Removed, gone.Version+1
	know(m.With(gone), grown...)
	fakes[0].cut()
	eventually(t, "it is let go", func() bool {
		_, _ = c.Exists(t.Context(), keyOf(t, fakes, 0))
		return c.Counters().Nodes == 3 && fourth.open.Load() == 0
	})
}

func TestAConnectionToANodeWithAnotherMapIsReasonToLookAtIt(t *testing.T) {
	fakes := cluster(t, 3)
	join(fakes[:2]...)
	c := routed(t, []Option{steady}, fakes[0])
	eventually(t, "the map has come", func() bool { return c.Counters().Maps == 1 })
	key := keyOf(t, fakes, 1)
	join(fakes...)
	eventually(t, "the third node is known", func() bool { // as soon as the key's owner is connected, which it was not
		if _, err := c.Exists(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		return c.Counters().Nodes == 3
	})
	if n := c.Counters(); n.ConnsLost != 0 {
		t.Errorf("%+v", n)
	}
}

func TestAMapOfAnotherClusterIsNotBelieved(t *testing.T) {
	fakes := cluster(t, 2)
	m := fakes[0].cluster.Load().Clone()
	m.ClusterID = 8
	fakes[0].cluster.Store(m)
	c := routed(t, []Option{steady}, fakes[0])
	eventually(t, "the map was looked at", func() bool { return c.Counters().MapsFailed > 0 })
	if n := c.Counters(); n.Maps != 0 || n.Nodes != 1 {
		t.Errorf("%+v", n)
	}
	if err := c.Set(t.Context(), "k", nil); err != nil {
		t.Error(err)
	}
}

func TestAMapThatIsGarbageLeavesTheSeeds(t *testing.T) {
	f := newFake(t)
	f.garbage.Store(true)
	c := routed(t, []Option{steady}, f)
	eventually(t, "the map was looked at", func() bool { return c.Counters().MapsFailed > 0 })
	if err := c.Set(t.Context(), "k", nil); err != nil {
		t.Error(err)
	}
}

func TestEachOwnerIsAskedForItsKeysOfAMultiGet(t *testing.T) {
	fakes := cluster(t, 3)
	c := routed(t, []Option{steady}, fakes...)
	settled(t, c, 3)
	var keys []string
	for i := range 90 {
		keys = append(keys, fmt.Sprint("k", i))
		fakes[owner(t, fakes, keys[i])].set(keys[i], fmt.Sprint("v", i))
	}
	keys = append(keys, "nothing")
	got, err := c.MGet(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got[:90] {
		if r.Err != nil || string(r.Value) != fmt.Sprint("v", i) {
			t.Fatalf("%s: %q, %v", keys[i], r.Value, r.Err)
		}
	}
	if !errors.Is(got[90].Err, ErrNotFound) {
		t.Errorf("what is not there: %v", got[90].Err)
	}
	asked := len(fakes[0].ops()) + len(fakes[1].ops()) + len(fakes[2].ops())
	if _, err := c.MGet(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	if n := len(fakes[0].ops()) + len(fakes[1].ops()) + len(fakes[2].ops()) - asked; n != 3 {
		t.Errorf("%d requests for three owners", n)
	}
}

func TestAMultiGetTellsWhichKeysFailed(t *testing.T) {
	fakes := cluster(t, 3)
	for _, f := range fakes {
		f.answer = func(q *wire.Request, reply func(*wire.Response)) {
			if q.Op == wire.OpMGet && owner(t, fakes, string(q.Keys[0])) == 1 {
				reply(&wire.Response{Status: wire.StatusQuorum, Err: &wire.Error{Op: q.Op, Want: 2, Got: 1}})
				return
			}
			f.store(q, reply)
		}
	}
	c := routed(t, []Option{steady}, fakes...)
	settled(t, c, 3)
	keys := []string{keyOf(t, fakes, 0), keyOf(t, fakes, 1), keyOf(t, fakes, 2)}
	got, err := c.MGet(t.Context(), keys)
	var quorum *QuorumError
	if err != nil || !errors.As(got[1].Err, &quorum) {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, i := range []int{0, 2} {
		if !errors.Is(got[i].Err, ErrNotFound) {
			t.Errorf("key %d: %v", i, got[i].Err)
		}
	}
	if _, err := c.MGet(t.Context(), keys[1:2]); !errors.As(err, &quorum) {
		t.Errorf("where every key failed: %v", err)
	}
}

func TestAMultiGetAsksAgainForTheKeysThatANodeCouldNotRead(t *testing.T) {
	for name, after := range map[string]func(*fake, *wire.Request, func(*wire.Response)){
		"and gets them elsewhere": (*fake).store,
		"and keeps what it has": func(_ *fake, q *wire.Request, reply func(*wire.Response)) {
			reply(&wire.Response{Status: wire.StatusBadRequest, Err: &wire.Error{Op: q.Op}})
		},
	} {
		fakes := cluster(t, 3)
		keys := []string{keyOf(t, fakes, 1), keyOf(t, fakes, 1) + "x"}
		for _, f := range fakes {
			f.set(keys[0], "v")
			f.set(keys[1], "w")
			f.answer = func(q *wire.Request, reply func(*wire.Response)) { after(f, q, reply) }
		}
		c := dial(t, nil, fakes...)
		fakes[0].answer = func(_ *wire.Request, reply func(*wire.Response)) {
			reply(&wire.Response{Items: []wire.Item{{Value: []byte("v"), Stamp: 1}, {Status: wire.StatusNotReady}}})
		}
		got, err := c.MGet(t.Context(), keys)
		if err != nil || got[0].Err != nil || string(got[0].Value) != "v" {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		var notReady *NotReadyError
		if kept := errors.As(got[1].Err, &notReady); kept != (name == "and keeps what it has") {
			t.Errorf("%s: %+v", name, got[1])
		}
	}
}

func TestAMultiGetKeepsWhatItHasAndAsksAgainForTheRest(t *testing.T) {
	a, b := newFake(t), newFake(t)
	keys := make([]string, 10)
	for i := range keys {
		keys[i] = fmt.Sprint("k", i)
	}
	var mu sync.Mutex
	var asked [][]string
	refuse := func(some string) func(*wire.Request, func(*wire.Response)) {
		return func(q *wire.Request, reply func(*wire.Response)) {
			p, names := &wire.Response{}, []string(nil)
			for _, key := range q.Keys {
				it := wire.Item{Value: []byte("of " + string(key)), Stamp: 1}
				if strings.Contains(some, string(key)) {
					it = wire.Item{Status: wire.StatusQuorum}
				}
				p.Items, names = append(p.Items, it), append(names, string(key))
			}
			mu.Lock()
			asked = append(asked, names)
			mu.Unlock()
			reply(p)
		}
	}
	a.answer = refuse("k3 k7")
	b.answer = refuse("k0 k1 k7")
	c := dial(t, []Option{steady, WithRetries(1)}, a, b)
	got, err := c.MGet(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got {
		var quorum *QuorumError
		if i == 7 && !errors.As(r.Err, &quorum) || i != 7 && (r.Err != nil || string(r.Value) != "of "+keys[i]) {
			t.Errorf("%s: %q, %v", keys[i], r.Value, r.Err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 2 || !slices.Equal(asked[1], []string{"k3", "k7"}) {
		t.Errorf("asked for %v", asked)
	}
}

func TestANodeThatHangsCostsNoCallAndIsLeftAlone(t *testing.T) {
	fakes := cluster(t, 3)
	c := routed(t, nil, fakes...)
	settled(t, c, 3)
	var hanging atomic.Bool
	f := fakes[1]
	f.answer = func(q *wire.Request, reply func(*wire.Response)) {
		if !hanging.Load() {
			f.store(q, reply)
		}
	}
	f.deaf.Store(true)
	hanging.Store(true)
	key := keyOf(t, fakes, 1)
	var callers sync.WaitGroup
	for range 30 {
		callers.Go(func() {
			for range 30 {
				if _, err := c.Get(t.Context(), key); !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	if n := len(f.ops()); n > 300 {
		t.Errorf("of 900 calls, %d went to the node that hangs", n)
	}
}

func TestANodeThatHangsUpOnEveryCallIsLeftAlone(t *testing.T) {
	fakes := cluster(t, 3)
	fakes[1].deaf.Store(true)
	fakes[1].answer = func(*wire.Request, func(*wire.Response)) { fakes[1].cut() }
	c := routed(t, []Option{steady}, fakes[0])
	key := keyOf(t, fakes, 1)
	eventually(t, "it has been asked", func() bool {
		_, err := c.Exists(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return len(fakes[1].ops()) > 0
	})
	for range 300 {
		if _, err := c.Exists(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.Counters(); n.Dials > 40 {
		t.Errorf("%d attempts to connect in 300 calls", n.Dials)
	}
}
