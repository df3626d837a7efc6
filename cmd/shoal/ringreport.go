package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/ring"
	"github.com/urfave/cli/v2"
)

// placement is who owns how much, in JSON. It is computed here from the cluster map, as every node does.
type placement struct {
	Cluster     string           `json:"cluster"`
	ClusterID   string           `json:"cluster_id"`
	Partitions  uint32           `json:"partitions"`
	Replicas    int              `json:"replicas"` // in each datacenter
	Datacenters []datacenterLoad `json:"datacenters"`
	Nodes       []nodeLoad       `json:"nodes"`
	table       *ring.Table
	ranks       []int // of the table's nodes, in the order of Nodes
}

type datacenterLoad struct {
	Datacenter       string  `json:"datacenter"`
	Nodes            int     `json:"nodes"`
	Racks            int     `json:"racks"`
	MaxLoadRatio     float64 `json:"max_load_ratio"`    // the highest load by weight, against the mean
	PartitionsShared int     `json:"partitions_shared"` // with two owners in one rack
}

type nodeLoad struct {
	Node            string  `json:"node"`
	Name            string  `json:"name"`
	Addr            string  `json:"addr"`
	Datacenter      string  `json:"datacenter"`
	Rack            string  `json:"rack"`
	State           string  `json:"state"`
	WeightRatio     float64 `json:"weight_ratio"` // against a standard node
	Share           float64 `json:"share"`        // of its datacenter's data, 0 to 1
	PartitionsOwned uint32  `json:"partitions_owned"`
	PartitionsFirst uint32  `json:"partitions_first"` // of those, with it as the first owner
}

func (t *tool) ringCommand() *cli.Command {
	return &cli.Command{
		Name: "ring", Usage: "print how the data is spread over nodes and racks", Flags: sessionFlags(watchFlag()),
		Description: "On a terminal with a picture: each letter on the ring is a node, and the first owner of the keys there.",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			return t.follow(c, s.style, func(ctx context.Context) (view, error) {
				m, err := s.Map(ctx)
				if err != nil {
					return nil, err
				}
				return placementOf(m)
			})
		},
	}
}

func placementOf(m *ring.Map) (*placement, error) {
	tbl, err := ring.Compile(m, xxhash.Sum64)
	if err != nil {
		return nil, err
	}
	p := &placement{
		Cluster: m.Cluster, ClusterID: nodeID(m.ClusterID), Partitions: tbl.Partitions(), table: tbl,
		Datacenters: []datacenterLoad{}, Nodes: []nodeLoad{},
	}
	for _, ns := range m.Namespaces {
		p.Replicas = max(p.Replicas, int(ns.Replicas))
	}
	for _, r := range tbl.Reports() {
		p.Datacenters = append(p.Datacenters, datacenterLoad{r.Datacenter, r.Nodes, r.Racks, r.MaxOverMean, r.Shared})
	}
	nodes := tbl.Nodes()
	order := make([]int, len(nodes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(nodes[a].Datacenter, nodes[b].Datacenter), cmp.Compare(nodes[a].Name, nodes[b].Name), a-b)
	})
	p.ranks = make([]int, len(nodes))
	for rank, i := range order {
		n := &nodes[i]
		p.ranks[i] = rank
		owned, first := tbl.Owned(uint16(i))
		p.Nodes = append(p.Nodes, nodeLoad{
			nodeID(n.ID), n.Name, n.ClientAddr, n.Datacenter, n.Rack, n.State.String(),
			float64(n.Weight) / ring.StandardWeight, tbl.Share(uint16(i)), owned, first,
		})
	}
	return p, nil
}

func (p *placement) show(t *tool) error {
	head := fmt.Sprintf("cluster %s (%s): %s, %s each in %s\n", p.Cluster, p.ClusterID,
		count(int(p.Partitions), "partition"), count(p.Replicas, "replica"), count(len(p.Datacenters), "datacenter"))
	for _, d := range p.Datacenters {
		head += fmt.Sprintf("%s: %s in %s, the fullest at %.2f of the mean", d.Datacenter, count(d.Nodes, "node"), count(d.Racks, "rack"), d.MaxLoadRatio)
		if d.Racks > 1 && d.PartitionsShared > 0 {
			head += fmt.Sprintf(", %s with two owners in one rack", count(d.PartitionsShared, "partition"))
		}
		head += "\n"
	}
	if t.terminal {
		for d, load := range p.Datacenters {
			if load.Nodes > 0 {
				head += "\n" + p.picture(t, uint8(d), load.Datacenter)
			}
		}
	}
	if err := t.write([]byte(head + "\n")); err != nil {
		return err
	}
	var rows []table.Row
	for i, n := range p.Nodes {
		mark := string(markOf(i))
		rows = append(rows, table.Row{
			t.colour(markColour(i), mark), n.Name, n.State, n.Addr, site(n.Datacenter, n.Rack), strconv.FormatFloat(n.WeightRatio, 'g', -1, 64),
			strconv.FormatFloat(100*n.Share, 'f', 1, 64) + "%", n.PartitionsOwned, n.PartitionsFirst,
		})
	}
	return t.table(table.Row{"MARK", "NODE", "STATE", "ADDRESS", "DC/RACK", "WEIGHT", "SHARE", "PARTITIONS", "FIRST"}, rows)
}

// marks stand for nodes in the picture; those beyond share the last one.
const marks = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*"

func markOf(node int) byte { return marks[min(node, len(marks)-1)] }

func markColour(node int) text.Color {
	colours := []text.Color{text.FgCyan, text.FgMagenta, text.FgYellow, text.FgBlue, text.FgGreen, text.FgRed}
	return colours[node%len(colours)]
}

// The picture's radius in lines; a letter is half as wide as a line is high.
const ringRadius = 9

// picture is the ring of one datacenter from above, clockwise from the top, with its name in the middle: each place shows
// the first owner of the partition there.
func (p *placement) picture(t *tool, datacenter uint8, name string) string {
	const size, steps = 2*ringRadius + 1, 720
	var cells [size][2*size - 1]string
	for i := range steps {
		turn := float64(i) / steps
		angle := 2 * math.Pi * turn
		x := 2*ringRadius + int(math.Round(2*ringRadius*math.Sin(angle)))
		y := ringRadius - int(math.Round(ringRadius*math.Cos(angle)))
		owners := p.table.Owners(uint32(turn * float64(p.Partitions)))
		first := slices.IndexFunc(owners, func(o ring.Place) bool { return o.Datacenter == datacenter })
		if cells[y][x] == "" && first >= 0 {
			node := p.ranks[owners[first].Node]
			cells[y][x] = t.colour(markColour(node), string(markOf(node)))
		}
	}
	label := []rune(style{}.printable([]byte(name)))
	label = label[:min(len(label), 2*ringRadius)]
	for i, r := range label {
		cells[ringRadius][2*ringRadius-len(label)/2+i] = string(r)
	}
	var b strings.Builder
	for y := range cells {
		blank := 2 // what is empty is written only once something follows
		for _, cell := range cells[y] {
			if cell == "" {
				blank++
				continue
			}
			b.WriteString(strings.Repeat(" ", blank) + cell)
			blank = 0
		}
		b.WriteString("\n")
	}
	return b.String()
}
