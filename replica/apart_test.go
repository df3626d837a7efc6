package replica

import (
	"fmt"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// founded is node id of a new cluster of nodes in two datacenters, the odd ones in one, all of them up.
func founded(t *testing.T, id uint64, nodes int) *Node {
	t.Helper()
	return foundedWith(t, id, nodes, storage.Adaptive)
}

func foundedWith(t *testing.T, id uint64, nodes int, policy storage.Policy) *Node {
	t.Helper()
	m := recoverMap(nodes)
	for i := range m.Nodes {
		m.Nodes[i].Datacenter = fmt.Sprint("dc", m.Nodes[i].ID%2)
	}
	n, err := New(Config{
		Self: vclock.Actor{Node: id, Boot: 1}, Shards: 1, BytesMax: 1 << 20, PendingMax: 100, PendingMem: 1 << 20, Founder: true,
		Hash: xxhash.Sum64, Limits: wire.DefaultLimits(), Coordinator: coordinator.DefaultConfig(), Hints: hints.DefaultConfig(),
		Refill: antientropy.DefaultConfig(), RefillsMax: 1, Policy: policy, Exchange: antientropy.DefaultExchangeConfig(),
	}, m, recoverNow(0))
	if err != nil {
		t.Fatal(err)
	}
	n.Shards()[0].SetCeiling(vclock.StampAt(recoverWall + 60_000))
	for i := range nodes {
		n.SetUp(uint64(i+1), uint64(i+1) != id)
	}
	look(n, 0)
	return n
}

// keyOf is a key that node id owns, or does not.
func keyOf(t *testing.T, n *Node, id uint64, owns bool) []byte {
	t.Helper()
	for i := range 1000 {
		key := fmt.Append(nil, "key", i)
		if p := n.View().Table.Partition(ring.Slot(key)); n.View().Owns(id, p) == owns {
			return key
		}
	}
	t.Fatal("no such key")
	return nil
}

func TestALocalQuorumIsOneOfTheClientsDatacenterWhoeverCoordinates(t *testing.T) {
	n := founded(t, 1, 6) // three owners in each datacenter: all of them
	key := keyOf(t, n, 1, true)
	r := wire.Request{Op: wire.OpSet, ID: 1, Level: wire.LevelLocalQuorum, Key: key, Value: []byte("v")}
	forward := wire.Message{Kind: wire.KindForward, ID: 77, Body: wire.AppendRequest(nil, &r)[wire.FrameHeader:]}
	k, shard, ok := n.Route(n.View(), &forward, &r)
	if !ok {
		t.Fatal("no shard")
	}
	s := n.Shards()[shard]
	var out Outbox
	s.Receive(recoverNow(0), 2, n.View().Placement, k, &forward, &r, &out) // from the other datacenter
	ids := map[uint64]uint64{}
	for id := uint64(2); id <= 6; id++ {
		for _, m := range messages(t, &out, id) {
			ids[id] = m.ID
		}
	}
	for i, id := range []uint64{3, 5, 4, 2} { // this node and 3 are a quorum here, 4 and 2 one over there
		var out Outbox
		s.Receive(recoverNow(0), id, n.View().Placement, k, &wire.Message{Kind: wire.KindStoreReply, ID: ids[id]}, nil, &out)
		answered := false
		for _, m := range messages(t, &out, 2) {
			answered = answered || m.Kind == wire.KindForwardReply
		}
		if want := i == 3; answered != want {
			t.Errorf("after the ack of n%d: answered %v, want %v", id, answered, want)
		}
	}
}

// What its client has given up is not begun, and what is begun does not outlast the client: a write that came forwarded
// has the time that is left of its own.
func TestADeadlineIsNotPutOffByForwarding(t *testing.T) {
	n := founded(t, 1, 3)
	r := wire.Request{Op: wire.OpSet, ID: 1, Timeout: 4000, Key: keyOf(t, n, 1, true), Value: []byte("v")}
	body := wire.AppendRequest(nil, &r)[wire.FrameHeader:]
	for left, want := range map[int64]int64{5000: 4000, 1000: 1000 + SkewAllowed.Milliseconds(), -400: SkewAllowed.Milliseconds() - 400} {
		forward := wire.Message{Kind: wire.KindForward, ID: 77, Expires: recoverWall + left, Body: body}
		k, shard, ok := n.Route(n.View(), &forward, &r)
		if !ok {
			t.Fatal("no shard")
		}
		var out Outbox
		n.Shards()[shard].Receive(recoverNow(0), 2, n.View().Placement, k, &forward, &r, &out)
		if got := messages(t, &out, 3); len(got) != 1 || got[0].Expires != recoverWall+want {
			t.Errorf("%d ms are left of 4 s: %+v, want %d", left, got, want)
		}
	}
}

// With the clocks of all owners off a write would else be handed round until it fails, for ever. What one whose clock is
// ahead stamps is not ahead, or the others would refuse it.
func TestAWriteThatNoOwnerWithAGoodClockTakesIsTakenByForce(t *testing.T) {
	for _, c := range []struct {
		offset time.Duration // from this node's clock to the others'
		force  bool
		takes  bool
	}{
		{0, false, true},
		{3 * time.Second, false, false},
		{-3 * time.Second, false, false},
		{3 * time.Second, true, true},
		{-3 * time.Second, true, true},
		{SkewMax + time.Second, true, false},
		{-SkewMax - time.Second, true, false},
	} {
		n := founded(t, 1, 3)
		for id := uint64(2); id <= 3; id++ {
			n.Greet(recoverNow(0), id, recoverWall+c.offset.Milliseconds(), 0)
		}
		look(n, 0)
		r := wire.Request{Op: wire.OpSet, ID: 1, Key: keyOf(t, n, 1, true), Value: []byte("v")}
		m := wire.Message{Kind: wire.KindForward, ID: 77, Body: wire.AppendRequest(nil, &r)[wire.FrameHeader:], Force: c.force}
		k, shard, _ := n.Route(n.View(), &m, &r)
		var out Outbox
		n.Shards()[shard].Receive(recoverNow(0), 2, n.View().Placement, k, &m, &r, &out)
		got := messages(t, &out, 2)
		if len(got) != 1 || (got[0].Kind == wire.KindStore) != c.takes {
			t.Errorf("%+v: %+v", c, got)
			continue
		}
		if latest := recoverWall + min(c.offset.Milliseconds(), 0); c.takes && got[0].Set.Dot.Stamp.Millis() > latest {
			t.Errorf("%+v: stamped %v, the others' clocks say %d", c, got[0].Set.Dot.Stamp, latest)
		}
	}
}

// An owner whose clock is slow would else refuse what the others stamp again and again.
func TestTheCeilingIsAheadOfTheOthersClocksToo(t *testing.T) {
	for offset, want := range map[time.Duration]time.Duration{
		0: 2 * time.Second, 3 * time.Second: 5 * time.Second, -3 * time.Second: 2 * time.Second, time.Hour: SkewMax + 2*time.Second,
	} {
		v := View{Offset: offset.Milliseconds()}
		if got := v.Ceiling(recoverNow(0), 0); got != vclock.StampAt(recoverWall+want.Milliseconds()) {
			t.Errorf("%v behind the others: %v", offset, got)
		}
	}
	wanted := vclock.StampAt(recoverWall + 5000)
	if got := (&View{}).Ceiling(recoverNow(0), wanted); got != vclock.StampAt(recoverWall+6000) {
		t.Errorf("with a stamp 5 s ahead wanted: %v", got)
	}
}

func TestAWriteIsForwardedWithinTheDatacenterFirst(t *testing.T) {
	for id := uint64(1); id <= 2; id++ {
		n := founded(t, id, 10)
		r := wire.Request{Op: wire.OpSet, ID: 1, Key: keyOf(t, n, id, false), Value: []byte("v")}
		k, shard := n.Key(n.View(), r.Key)
		var out Outbox
		n.Shards()[shard].Request(recoverNow(0), k, coordinator.Client{Conn: 1, ID: 1}, &r, wire.AppendRequest(nil, &r)[wire.FrameHeader:], &out)
		if len(out.Peers) != 1 || out.Peers[0].To%2 != id%2 {
			t.Errorf("n%d forwards to %+v", id, out.Peers)
		}
	}
}

func TestADeadlineIsJudgedByTheMedianOfTheClocksAndNotByOnesOwn(t *testing.T) {
	n := founded(t, 1, 3)
	const ahead = 3000 // this node is, of the two others
	for id := uint64(2); id <= 3; id++ {
		if changed, _ := n.Greet(recoverNow(0), id, recoverWall-ahead, 0); changed {
			look(n, 0)
		}
	}
	key := keyOf(t, n, 1, true)
	for expires, want := range map[int64]wire.Outcome{recoverWall - ahead + 100: wire.OutcomeOK, recoverWall - ahead - 600: wire.OutcomeLate} {
		m := wire.Message{Kind: wire.KindStore, ID: 5, Key: key, Expires: expires, Set: vclock.Set{
			Dot: vclock.Dot{Actor: vclock.Actor{Node: 2, Boot: 1}, Stamp: vclock.StampAt(recoverWall - ahead)},
		}}
		k, shard, _ := n.Route(n.View(), &m, nil)
		var out Outbox
		n.Shards()[shard].Receive(recoverNow(0), 2, n.View().Placement, k, &m, nil, &out)
		if got := messages(t, &out, 2); len(got) != 1 || got[0].Outcome != want {
			t.Errorf("due %d ms from now by this clock: %+v, want %v", expires-recoverWall, got, want)
		}
	}
}

func TestANodeWhoseClockIsFarBehindDoesNotRefuseItsOwnWrites(t *testing.T) {
	n := founded(t, 1, 10)
	key := keyOf(t, n, 1, true)
	others := n.View().Others(n.View().Table.Partition(ring.Slot(key)))
	for id := uint64(2); id <= 10; id++ {
		n.Greet(recoverNow(0), id, recoverWall+3000, 0)
	}
	for _, o := range others { // so that there is nobody to hand the write to
		n.SetUp(o.Node, false)
	}
	look(n, 0)
	r := wire.Request{Op: wire.OpSet, ID: 1, Level: wire.LevelOne, Timeout: 1000, Key: key, Value: []byte("v")}
	k, shard := n.Locate(n.View(), &r)
	var out Outbox
	n.Shards()[shard].Request(recoverNow(0), k, coordinator.Client{Conn: 1, ID: 1}, &r, wire.AppendRequest(nil, &r)[wire.FrameHeader:], &out)
	if len(out.Conns) != 1 {
		t.Fatalf("not answered at once: %+v", out)
	}
	var resp wire.Response
	limits := wire.DefaultLimits()
	if err := wire.DecodeResponse(out.Conns[0].Frames[wire.FrameHeader:], &resp, &limits); err != nil || resp.Status != wire.StatusOK {
		t.Errorf("%v, %+v", err, resp.AsError())
	}
}

func TestAFallbackKeepsNoHintThatItsOwnerWouldRefuseAsAhead(t *testing.T) {
	n := founded(t, 1, 10)
	key := keyOf(t, n, 1, false)
	p := n.View().Table.Partition(ring.Slot(key))
	owner := n.View().Table.Nodes()[n.View().Table.Owners(p)[0].Node].ID
	for by, want := range map[time.Duration]wire.Outcome{time.Second: wire.OutcomeHinted, SkewMax + time.Second: wire.OutcomeAhead} {
		m := wire.Message{Kind: wire.KindOwe, ID: 5, Key: key, Target: owner, Set: vclock.Set{
			Dot: vclock.Dot{Actor: vclock.Actor{Node: 2, Boot: 1}, Stamp: vclock.StampAt(recoverWall + by.Milliseconds())},
		}}
		k, shard, _ := n.Route(n.View(), &m, nil)
		var out Outbox
		n.Shards()[shard].Receive(recoverNow(0), 2, n.View().Placement, k, &m, nil, &out)
		if got := messages(t, &out, 2); len(got) != 1 || got[0].Outcome != want {
			t.Errorf("%v ahead: %+v, want %v", by, got, want)
		}
	}
}

func TestTheClockOfANodeCountsFromTheMomentThatItIsUp(t *testing.T) {
	n := founded(t, 1, 3)
	for id := uint64(2); id <= 3; id++ {
		n.SetUp(id, false)
		if changed, _ := n.Greet(recoverNow(0), id, recoverWall+3000, 0); changed {
			t.Error("the clock of a node that is not up changes the view")
		}
	}
	if n.View().Skewed {
		t.Error("this clock is said to be wrong by nodes that are not up")
	}
	n.SetUp(2, true)
	n.SetUp(3, true)
	if !n.View().Skewed || n.View().Offset != 3000 {
		t.Errorf("two nodes are up whose clocks are known: skewed %v, offset %d", n.View().Skewed, n.View().Offset)
	}
}
