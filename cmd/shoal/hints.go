package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

// hintReport is what nodes owe each other, in JSON.
type hintReport struct {
	Cluster string     `json:"cluster"`
	Owed    int64      `json:"hints_owed"` // in the memory of all nodes
	Disk    int64      `json:"disk_bytes"`
	Debts   []hintDebt `json:"debts"`
	Silent  []string   `json:"silent"`  // names of nodes that did not answer: what they owe is not told
	Leaving []string   `json:"leaving"` // names of nodes that let others keep what they owe
}

// hintDebt is what a holder owes, or has delivered, to a node.
type hintDebt struct {
	Holder string `json:"holder"`
	wire.HintDebt
}

func (t *tool) hintsCommand() *cli.Command {
	return &cli.Command{
		Name: "hints", Usage: "print the writes that nodes keep for nodes that missed them, or let a node hand them over", Flags: sessionFlags(append(handOverFlags(), watchFlag(),
			&cli.StringFlag{Name: "node", Usage: "only what is kept by, or for, the node of this `NAME`"})...),
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			told := given(c, "node", "hand-over", "keep")
			if len(told) > 1 {
				return usage("%s and %s: use one of them", told[0], told[1])
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			hints := func(ctx context.Context, node string) (view, error) {
				m, err := s.Map(ctx)
				if err != nil {
					return nil, err
				}
				return hintsOf(gather(ctx, s, m), node)
			}
			if len(told) == 1 && told[0] != "--node" {
				return t.handOver(c, s, hints)
			}
			return t.follow(c, s.style, func(ctx context.Context) (view, error) { return hints(ctx, c.String("node")) })
		},
	}
}

// hintsOf is what the nodes of a cluster say that they owe; of the node of that name, if any, by it and to it.
func hintsOf(all *clusterStatus, name string) (*hintReport, error) {
	r := &hintReport{Cluster: all.Cluster, Debts: []hintDebt{}, Silent: []string{}, Leaving: []string{}}
	known := name == ""
	for i := range all.Nodes {
		n := &all.Nodes[i]
		known = known || n.Name == name
		switch {
		case !n.Up:
			r.Silent = append(r.Silent, n.Name)
		case n.HandsOver:
			r.Leaving = append(r.Leaving, n.Name)
		}
		for _, d := range n.Hints {
			if name == "" || n.Name == name || d.Name == name {
				r.Debts = append(r.Debts, hintDebt{n.Name, d})
				r.Owed, r.Disk = r.Owed+d.Owed, r.Disk+d.DiskBytes
			}
		}
	}
	if !known {
		return nil, usage("no node %q in cluster %s: see shoal status", name, all.Cluster)
	}
	slices.SortStableFunc(r.Debts, func(a, b hintDebt) int { return strings.Compare(a.Holder, b.Holder) })
	return r, nil
}

func (r *hintReport) show(t *tool) error {
	head := fmt.Sprintf("cluster %s: %s owed in memory, %s on disk\n", r.Cluster, count(int(r.Owed), "hint"), formatSize(r.Disk))
	if len(r.Silent) > 0 {
		head += "no answer from " + strings.Join(r.Silent, ", ") + ", who may owe some as well\n"
	}
	if len(r.Leaving) > 0 {
		head += "others are to keep what is owed by " + strings.Join(r.Leaving, ", ") + "\n"
	}
	if err := t.write([]byte(head + "\n")); err != nil {
		return err
	}
	var rows []table.Row
	for _, d := range r.Debts {
		oldest := "-"
		if d.OldestMillis > 0 {
			oldest = formatUptime(d.OldestMillis)
		}
		rows = append(rows, table.Row{
			d.Holder, d.Name, d.Owed, formatSize(d.MemoryBytes), formatSize(d.DiskBytes), formatSize(d.UnreadBytes), oldest, d.Delivered, d.Dropped, d.Expired, d.HandedOver, d.Taken,
		})
	}
	return t.table(table.Row{"KEPT BY", "FOR", "OWED", "MEMORY", "ON DISK", "UNREAD", "OLDEST", "DELIVERED", "DROPPED", "EXPIRED", "HANDED OVER", "TAKEN"}, rows)
}
