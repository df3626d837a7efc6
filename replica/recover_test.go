package replica

import (
	"errors"
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

const (
	recoverWall   = 1_700_000_000_000
	recoverShards = 2
)

// recoverNow is a moment, as long after the start.
func recoverNow(mono time.Duration) vclock.Now {
	return vclock.Now{Mono: time.Second + mono, Wall: recoverWall + mono.Milliseconds()}
}

// recoverMap is a cluster of nodes 1 to n with three replicas and 16 partitions.
func recoverMap(nodes int) *ring.Map {
	m := &ring.Map{ClusterID: 7, Cluster: "test", Partitions: 16, Namespaces: []ring.Namespace{{
		Name: ring.DefaultNamespace, Replicas: 3, Read: uint8(wire.LevelQuorum), Write: uint8(wire.LevelQuorum), Version: 1,
	}}}
	for i := range nodes {
		m = m.With(ring.Node{
			ID: uint64(i + 1), Boot: 1, Name: fmt.Sprint("n", i+1), ClientAddr: "h:1", PeerAddr: "h:2", GossipAddr: "h:3",
			Datacenter: "dc", Weight: ring.StandardWeight, State: ring.Active, Version: 1,
		})
	}
	return m
}

// restarted is node 1 of a cluster, back without its memory: its ceiling on disk was a second ago.
func restarted(t *testing.T, nodes int) *Node {
	t.Helper()
	n, err := New(Config{
		Self: vclock.Actor{Node: 1, Boot: 2}, Shards: recoverShards, BytesMax: 1 << 20, PendingMax: 100, PendingMem: 1 << 20,
		BootFloor: vclock.StampAt(recoverWall - 1000), Hash: xxhash.Sum64, Limits: wire.DefaultLimits(),
		Coordinator: coordinator.DefaultConfig(), Hints: hints.DefaultConfig(), Refill: antientropy.DefaultConfig(), RefillsMax: 1,
	}, recoverMap(nodes), recoverNow(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range n.Shards() {
		s.SetCeiling(vclock.StampAt(recoverWall + 60_000))
	}
	return n
}

// look gives the node's shards its present view.
func look(n *Node, now time.Duration) {
	for _, s := range n.Shards() {
		s.SetView(recoverNow(now), n.View(), &Outbox{})
	}
}

// messages are those for a node in an outbox.
func messages(t *testing.T, out *Outbox, to uint64) (all []wire.Message) {
	t.Helper()
	limits := wire.DefaultLimits()
	for _, p := range out.Peers {
		for rest := p.Frames; p.To == to && len(rest) > 0; {
			frame, r, err := wire.NextFrame(rest, &limits)
			if err != nil {
				t.Fatal(err)
			}
			rest = r
			var m wire.Message
			if err := wire.DecodeMessage(frame, &m, &limits); err != nil {
				t.Fatal(err)
			}
			all = append(all, m)
		}
	}
	return all
}

func TestALoneNodeKeepsWhatItTookWhileItRecovered(t *testing.T) { // I1
	n := restarted(t, 1)
	var keys []storage.Key
	for i := range 50 {
		k, shard := n.Key(n.View(), fmt.Append(nil, "key", i))
		set := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 2}, Stamp: vclock.StampAt(recoverWall)}, Value: []byte("v")}
		if r := n.Shards()[shard].store.Put(k, &set, recoverWall); r.Outcome != storage.Stored {
			t.Fatal(r.Outcome)
		}
		keys = append(keys, k)
	}
	for i := range 20 {
		for _, s := range n.Shards() {
			s.Tick(recoverNow(time.Duration(i)*time.Millisecond), &Outbox{})
		}
	}
	for _, k := range keys {
		s := n.Shards()[k.Partition%recoverShards]
		if set, floor := s.store.Get(k, recoverWall); set.IsZero() || floor != 0 || s.Recovering() != 0 {
			t.Errorf("%s: held %v, floor %v, %d recovering", k.Bytes, set.Dot, floor, s.Recovering())
		}
	}
}

// pulled lets node 1 recover until it asks, and returns the first pull of every node.
func pulled(t *testing.T, n *Node, shard int, from ...uint64) map[uint64]wire.Message {
	t.Helper()
	var out Outbox
	n.Shards()[shard].Tick(recoverNow(time.Minute), &out)
	asked := map[uint64]wire.Message{}
	for _, f := range from {
		for _, m := range messages(t, &out, f) {
			if m.Kind == wire.KindPull {
				asked[f] = m
			}
		}
	}
	return asked
}

func TestAPartitionWhoseOwnerIsDownDoesNotKeepTheOthersWaiting(t *testing.T) {
	n := restarted(t, 5) // RefillsMax is 1: one that cannot end would hold up all
	for id := uint64(2); id <= 4; id++ {
		n.SetUp(id, true)
	}
	look(n, 0)
	v := n.View()
	reached, blocked := 0, 0
	for i, s := range n.Shards() {
		for round := range 40 {
			var out Outbox
			s.Tick(recoverNow(time.Minute+time.Duration(round)*time.Second), &out)
			for id := uint64(2); id <= 5; id++ {
				for _, m := range messages(t, &out, id) {
					if m.Kind != wire.KindPull {
						continue
					}
					reply := wire.Message{Kind: wire.KindPullReply, ID: m.ID, Partition: m.Partition}
					s.Receive(recoverNow(time.Minute), id, v.Placement, storage.Key{}, &reply, nil, &Outbox{})
				}
			}
		}
		for p := uint32(i); p < v.Map.Partitions; p += recoverShards {
			if !v.Owns(1, p) {
				continue
			}
			_, recovering := s.store.Recovering(p)
			if v.Owns(5, p) != recovering {
				t.Errorf("partition %d: owned by the node that is down %v, recovering %v", p, v.Owns(5, p), recovering)
			}
			if recovering {
				blocked++
			} else {
				reached++
			}
		}
	}
	if reached == 0 || blocked == 0 {
		t.Fatalf("%d partitions recovered, %d wait: the test proves nothing", reached, blocked)
	}
}

// A refill that waits for a node that went down leaves its turn to one that does not.
func TestARefillThatLostItsSourceMakesRoom(t *testing.T) {
	n := restarted(t, 5)
	for id := uint64(2); id <= 5; id++ {
		n.SetUp(id, true)
	}
	look(n, 0)
	s := n.Shards()[0]
	s.Tick(recoverNow(time.Minute), &Outbox{})
	if len(s.refill.active) != 1 {
		t.Fatal("nothing is being refilled")
	}
	first := s.refill.active[0].partition
	total := s.Recovering()
	others := n.View().Others(first)
	n.SetUp(others[0].Node, false)
	look(n, time.Minute)
	if len(s.refill.active) != 0 || s.Recovering() != total {
		t.Errorf("%d active, %d recovering of %d", len(s.refill.active), s.Recovering(), total)
	}
}

func TestAPartitionLostAndGainedAgainIsRefilledOnce(t *testing.T) {
	n := restarted(t, 3)
	for _, nodes := range []int{5, 3, 5, 3} { // placement goes away and comes back
		m := recoverMap(nodes)
		n.m = m
		n.cfg.Founder = false
		if err := n.look(); err != nil {
			t.Fatal(err)
		}
		look(n, time.Second)
	}
	for i, s := range n.Shards() {
		if got, want := s.Recovering(), len(s.refill.ranks); got != want {
			t.Errorf("shard %d: %d refills for %d partitions", i, got, want)
		}
	}
}

func TestAPageWithAStampThatNoClockReachesIsNotTakenOver(t *testing.T) { // I17
	far := vclock.StampAt(recoverWall + time.Hour.Milliseconds())
	key := []byte("key")
	record := func(dot, deadline vclock.Stamp) []byte {
		return wire.AppendPageRecord(nil, key, &vclock.Set{
			Dot: vclock.Dot{Actor: vclock.Actor{Node: 2, Boot: 1}, Stamp: dot}, Deadline: vclock.Deadline{At: recoverWall * 2, Stamp: deadline},
		}, 0)
	}
	for name, body := range map[string][]byte{
		"a ghost":    wire.AppendPageGhost(nil, wire.Ghost{Hash: xxhash.Sum64(key), Stamp: far}),
		"a record":   record(far, 0),
		"a deadline": record(vclock.StampAt(recoverWall-2000), far),
	} {
		n := restarted(t, 3)
		n.SetUp(2, true)
		n.SetUp(3, true)
		look(n, 0)
		k, shard := n.Key(n.View(), key)
		s := n.Shards()[shard]
		for round := range 40 { // page after page until the key's partition has its turn
			asked := pulled(t, n, shard, 2, 3)
			if len(asked) == 0 {
				t.Fatalf("%s: round %d: nothing asked", name, round)
			}
			if asked[2].Partition == k.Partition {
				m := wire.Message{Kind: wire.KindPullReply, ID: asked[2].ID, Partition: k.Partition, Body: body}
				s.Receive(recoverNow(time.Minute), 2, 0, storage.Key{}, &m, nil, &Outbox{})
				break
			}
			for id, p := range asked {
				m := wire.Message{Kind: wire.KindPullReply, ID: p.ID, Partition: p.Partition}
				s.Receive(recoverNow(time.Minute), id, 0, storage.Key{}, &m, nil, &Outbox{})
			}
		}
		if s.stats.Ahead != 1 || s.stats.Refilled != 0 {
			t.Errorf("%s: %d counted as ahead, %d taken", name, s.stats.Ahead, s.stats.Refilled)
		}
	}
}

func TestARecordOfAnotherPartitionIsNotStoredAndCountsAsForgotten(t *testing.T) {
	n := restarted(t, 3)
	s := n.Shards()[0]
	s.enter(recoverNow(0), &Outbox{})
	for i := range 100 {
		k, shard := n.Key(n.View(), fmt.Append(nil, "key", i))
		if shard != 0 {
			continue
		}
		e := &wire.PageEntry{Key: k.Bytes, Set: vclock.Set{Dot: vclock.Dot{Stamp: 5}}}
		if got := s.install((k.Partition+recoverShards)%16, e); got != antientropy.Refused {
			t.Fatalf("verdict %v", got)
		}
		if set, _ := s.store.Get(k, recoverWall); !set.IsZero() {
			t.Fatal("it is stored")
		}
		if got := s.install(k.Partition, e); got != antientropy.Taken {
			t.Fatalf("of its own partition: verdict %v", got)
		}
	}
}

func TestAnOwnerThatRecoversRemembersNothingOfKeysThatAreNotIts(t *testing.T) {
	n := restarted(t, 3)
	n.SetUp(2, true)
	n.SetUp(3, true)
	look(n, 0)
	s := n.Shards()[0]
	ghost := func(p uint32, fewer uint8) wire.Ghost {
		return wire.Ghost{Hash: uint64(p)<<8 | uint64(fewer), Stamp: vclock.StampAt(recoverWall - 2000), Fewer: fewer}
	}
	for s.Recovering() > 0 {
		asked := pulled(t, n, 0, 2, 3)
		if len(asked) == 0 {
			t.Fatal("nothing asked")
		}
		for id, p := range asked {
			m := wire.Message{Kind: wire.KindPullReply, ID: p.ID, Partition: p.Partition}
			for fewer := range uint8(storage.FewerMost) {
				m.Body = wire.AppendPageGhost(m.Body, ghost(p.Partition, fewer))
			}
			s.Receive(recoverNow(time.Minute), id, 0, storage.Key{}, &m, nil, &Outbox{})
		}
	}
	for p := uint32(0); p < 16; p += recoverShards {
		for fewer := range uint8(storage.FewerMost) {
			_, known := s.store.Version(p, ghost(p, fewer).Hash)
			if owns := s.rank(p) < 3-fewer; known != owns {
				t.Errorf("partition %d, in which it is owner %d: of a key of %d owners it remembers %t", p, s.rank(p)+1, 3-fewer, known)
			}
		}
	}
}

// Nobody can tell an only owner what it forgot, now or once it has others beside it.
func TestAnOnlyOwnerThatRestartsVouchesForNothingOfBefore(t *testing.T) { // I2, I12
	n := restarted(t, 1)
	k, shard := n.Key(n.View(), []byte("key"))
	s := n.Shards()[shard]
	for i := range 100 {
		s.Tick(recoverNow(time.Duration(i)*time.Second), &Outbox{})
	}
	if s.Recovering() != 0 {
		t.Fatal("it waits for somebody")
	}
	if _, floor := s.store.Get(k, recoverWall); floor != n.cfg.BootFloor {
		t.Errorf("floor %v, want %v", floor, n.cfg.BootFloor)
	}
}

func TestAHintIsKeptForAnOwnerOnlyAndDroppedWhenItsTargetIsNoneAnyMore(t *testing.T) {
	n := restarted(t, 5)
	k, shard := n.Key(n.View(), []byte("key"))
	s := n.Shards()[shard]
	kept := 0
	for id := uint64(1); id <= 6; id++ {
		owner := n.View().Owns(id, k.Partition)
		set := vclock.Set{Dot: vclock.Dot{Stamp: 5}}
		if got := s.owes(hints.Owed{Target: id, Partition: k.Partition, Key: k.Bytes, Set: &set, Must: true}); got != owner {
			t.Errorf("node %d, owner %v: kept %v", id, owner, got)
		}
		if owner {
			kept++
		}
	}
	if kept != 3 {
		t.Fatalf("%d owners", kept)
	}
	n.m = recoverMap(1)
	if err := n.look(); err != nil {
		t.Fatal(err)
	}
	look(n, time.Second)
	for id := uint64(2); id <= 5; id++ {
		if s.OwedTo(id) != 0 {
			t.Errorf("%d owed to node %d, which is no owner", s.OwedTo(id), id)
		}
	}
}

func TestNewReportsBadHintsAndRefillsWithTheRest(t *testing.T) {
	_, err := New(Config{Self: vclock.Actor{Node: 1}, Shards: 1, PendingMax: 1, Hash: xxhash.Sum64}, recoverMap(1), recoverNow(0))
	for _, want := range []error{hints.ErrConfig, antientropy.ErrConfig} {
		if !errors.Is(err, want) {
			t.Errorf("%v: want %v in it", err, want)
		}
	}
}
