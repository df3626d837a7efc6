package main

import (
	"testing"

	"github.com/shoalcache/shoal/wire"
)

func TestACheckNamesAllThatIsNotWell(t *testing.T) {
	node := func(name, state string, up bool, recovering int64) nodeStatus {
		return nodeStatus{Up: up, NodeStats: wire.NodeStats{Name: name, State: state, PartitionsRecovering: recovering}}
	}
	well := clusterStatus{Cluster: "c", Agreed: true, Nodes: []nodeStatus{node("n1", "active", true, 0)}}
	if err := well.check(); err != nil {
		t.Errorf("of a cluster that is well: %v", err)
	}
	ill := clusterStatus{Cluster: "c", Nodes: []nodeStatus{
		node("n1", "active", true, 0), node("n2", "down", false, 0), node("n3", "recovering", true, 7),
		node("n4", "active", true, 1), node("n5", "leaving", true, 0),
	}}
	want := "cluster c is not well: n2 is down, n3 is recovering 7 partitions, n4 is recovering 1 partition, n5 is leaving, the nodes hold different maps"
	if err := ill.check(); err == nil || err.Error() != want || codeOf(err) != exitNotFound {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestANodeThatRecoversSaysHowFarItHasCome(t *testing.T) {
	n := nodeStatus{Up: true, NodeStats: wire.NodeStats{
		Name: "n1", PartitionsRecovering: 64, RecoveryPartitions: 256, RecoveryBytes: 30 << 20, RecoveryTookMillis: 3000, RecoveryLeftMillis: 1000,
	}}
	want := "n1: recovering [###############-----] 64 of 256 partitions to go, 30MiB at 10MiB/s, about 1s left"
	if got := n.progress(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	n.NodeStats = wire.NodeStats{Name: "n1", PartitionsRecovering: 256, RecoveryPartitions: 256}
	want = "n1: recovering [--------------------] 256 of 256 partitions to go"
	if got := n.progress(); got != want {
		t.Errorf("before it has begun: %s, want %s", got, want)
	}
}

func TestStatusSaysOfEachPairWhenItWasComparedThoughOneOfTheTwoKnowsIt(t *testing.T) {
	node := func(name string, found ...wire.Comparison) nodeStatus {
		return nodeStatus{NodeStats: wire.NodeStats{Name: name, Comparisons: found}}
	}
	doc := clusterStatus{Nodes: []nodeStatus{
		node("a", wire.Comparison{Node: "b", AgoMillis: 9000, Compared: 64}, wire.Comparison{Node: "c", AgoMillis: 70_000, Compared: 64, Differing: 2}),
		node("b", wire.Comparison{Node: "c", AgoMillis: 12_000, Compared: 64, Differing: 1}, wire.Comparison{Node: "d", AgoMillis: -1}),
		node("c"), node("d"), node("e"),
	}}
	for i, want := range []string{"1m10s, 2 differed", "not yet", "1m10s, 3 differed", "not yet", "-"} {
		if got := doc.comparedText(doc.Nodes[i].Name); got != want {
			t.Errorf("%s: %q, want %q", doc.Nodes[i].Name, got, want)
		}
	}
}
