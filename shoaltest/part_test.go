package shoaltest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/shoaltest"
)

func to(t *testing.T, c *shoaltest.Cluster, i int, opts ...client.Option) *client.Client {
	t.Helper()
	one, err := client.Dial(t.Context(), c.Addrs()[i:i+1], append(opts, client.WithoutRouting())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(one.Close)
	return one
}

func TestAPartedNodeHearsNothingAndTheOthersGoOn(t *testing.T) {
	c := shoaltest.NewCluster(t, 3)
	if err := c.Part([]int{0}); err != nil {
		t.Fatal(err)
	}
	var quorum *client.QuorumError
	if err := to(t, c, 0).Set(t.Context(), "k", []byte("alone")); !errors.As(err, &quorum) {
		t.Errorf("alone: %v, want a quorum that is not there", err)
	}
	if err := to(t, c, 1).Set(t.Context(), "k", []byte("two of three")); err != nil {
		t.Error(err)
	}
	if v, err := to(t, c, 0).Get(t.Context(), "k", client.WithLevel(client.LevelOne)); err == nil && string(v) == "two of three" {
		t.Error("it has heard of a write on the other side")
	}
	if err := c.Heal(); err != nil {
		t.Fatal(err)
	}
	if v, err := to(t, c, 0).Get(t.Context(), "k"); err != nil || string(v) != "two of three" {
		t.Errorf("healed: %q, %v", v, err)
	}
}

func TestANodeThatRestartsOnItsSideStaysThere(t *testing.T) {
	c := shoaltest.NewCluster(t, 3)
	if err := c.Part([]int{0}); err != nil {
		t.Fatal(err)
	}
	if err := c.Restart(0); err != nil {
		t.Fatal(err)
	}
	if up := c.Nodes()[0].Stats().NodesUp; up != 1 {
		t.Errorf("it sees %d nodes", up)
	}
	if err := c.Part([]int{0, 1}); err != nil { // other sides
		t.Fatal(err)
	}
	for i, want := range []int{2, 2, 1} {
		if up := c.Nodes()[i].Stats().NodesUp; up != want {
			t.Errorf("node %d sees %d nodes, want %d", i, up, want)
		}
	}
}

func TestPartRefusesWhatIsNoNodeOrOnTwoSides(t *testing.T) {
	c := shoaltest.NewCluster(t, 1)
	for want, sides := range map[string][][]int{"no node 1": {{1}}, "no node -1": {{-1}}, "on two sides": {{0}, {0}}} {
		if err := c.Part(sides...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", sides, err, want)
		}
	}
}
