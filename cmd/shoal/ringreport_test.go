package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/ring"
)

// spreadMap is a cluster of two datacenters: five nodes in two racks, and two nodes in one.
func spreadMap() *ring.Map {
	m := &ring.Map{ClusterID: 1, Cluster: "c", Partitions: 1024, Namespaces: []ring.Namespace{{Name: "default", Replicas: 3, Version: 1}}}
	for i := range 7 {
		n := ring.Node{ID: uint64(i + 1), Name: fmt.Sprintf("n%d", 7-i), ClientAddr: fmt.Sprintf("h%d:7400", i), Datacenter: "east", Rack: fmt.Sprintf("r%d", i%2), Weight: 100, State: ring.Active, Version: 1}
		if i >= 5 {
			n.Datacenter, n.Rack = "west", ""
		}
		m.Nodes = append(m.Nodes, n)
	}
	return m
}

func TestTheRingReportSaysWhoOwnsWhat(t *testing.T) {
	p, err := placementOf(spreadMap())
	if err != nil {
		t.Fatal(err)
	}
	share := map[string]float64{}
	for _, n := range p.Nodes {
		share[n.Datacenter] += n.Share
		if n.PartitionsFirst > n.PartitionsOwned {
			t.Errorf("%s owns %d partitions and is the first owner of %d", n.Name, n.PartitionsOwned, n.PartitionsFirst)
		}
	}
	if share["east"] < 2.99 || share["east"] > 3.01 || share["west"] != 2 {
		t.Errorf("shares add up to %v: want three copies where there are three nodes, and two where there are two", share)
	}
	if p.Nodes[0].Name != "n3" || p.Nodes[4].Name != "n7" || p.Nodes[5].Name != "n1" {
		t.Errorf("not in the order of datacenters and names: %+v", p.Nodes)
	}
	var out bytes.Buffer
	if err := p.show(&tool{out: &out}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"cluster c (0000000000000001): 1024 partitions, 3 replicas each in 2 datacenters\n",
		"east: 5 nodes in 2 racks, the fullest at 1.0", ", 1024 partitions with two owners in one rack\n",
		"west: 2 nodes in 1 rack, the fullest at 1.00 of the mean\n", "\nA     n3    active  h4:7400  east/r0",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestThePictureShowsEachDatacentersOwnNodes(t *testing.T) {
	p, err := placementOf(spreadMap())
	if err != nil {
		t.Fatal(err)
	}
	for d, c := range []struct{ name, marks, others string }{{"east", "ABCDE", "FG"}, {"west", "FG", "ABCDE"}} {
		text := p.picture(&tool{}, uint8(d), c.name)
		ring := strings.Replace(text, c.name, "", 1)
		if ring == text || strings.Count(text, "\n") != 2*ringRadius+1 {
			t.Errorf("%s is not in its picture:\n%s", c.name, text)
		}
		for _, m := range c.marks {
			if !strings.ContainsRune(ring, m) {
				t.Errorf("%c owns nothing of %s in\n%s", m, c.name, text)
			}
		}
		if strings.ContainsAny(ring, c.others) {
			t.Errorf("a node of another datacenter in the picture of %s:\n%s", c.name, text)
		}
	}
}

func TestThePictureIsNotObeyedByATerminal(t *testing.T) {
	p, err := placementOf(spreadMap())
	if err != nil {
		t.Fatal(err)
	}
	text := p.picture(&tool{}, 0, "\x1b[2J"+strings.Repeat("x", 100))
	if strings.Contains(text, "\x1b") {
		t.Errorf("an escape sequence in %q", text)
	}
	for line := range strings.Lines(text) {
		if len(line) > 4*ringRadius+5 {
			t.Errorf("a line of %d: %q", len(line), line)
		}
	}
}

func TestNodesBeyondTheMarksShareOne(t *testing.T) {
	if markOf(0) != 'A' || markOf(len(marks)-1) != '*' || markOf(ring.NodesMax) != '*' {
		t.Error(string([]byte{markOf(0), markOf(len(marks) - 1), markOf(ring.NodesMax)}))
	}
}
