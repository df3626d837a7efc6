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
	Silent  []string   `json:"silent"` // names of nodes that did not answer: what they owe is not told
}

// hintDebt is what a holder owes, or has delivered, to a node.
type hintDebt struct {
	Holder string `json:"holder"`
	wire.HintDebt
}

func (t *tool) hintsCommand() *cli.Command {
	return &cli.Command{
		Name: "hints", Usage: "print the writes that nodes keep for nodes that missed them", Flags: sessionFlags(watchFlag(),
			&cli.StringFlag{Name: "node", Usage: "only what is kept by, or for, the node of this `NAME`"}),
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
				return hintsOf(gather(ctx, s, m), c.String("node"))
			})
		},
	}
}

// hintsOf is what the nodes of a cluster say that they owe; of the node of that name, if any, by it and to it.
func hintsOf(all *clusterStatus, name string) (*hintReport, error) {
	r := &hintReport{Cluster: all.Cluster, Debts: []hintDebt{}, Silent: []string{}}
	known := name == ""
	for i := range all.Nodes {
		n := &all.Nodes[i]
		known = known || n.Name == name
		if !n.Up {
			r.Silent = append(r.Silent, n.Name)
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
			d.Holder, d.Name, d.Owed, formatSize(d.MemoryBytes), formatSize(d.DiskBytes), formatSize(d.UnreadBytes), oldest, d.Delivered, d.Dropped, d.Expired,
		})
	}
	return t.table(table.Row{"KEPT BY", "FOR", "OWED", "MEMORY", "ON DISK", "UNREAD", "OLDEST", "DELIVERED", "DROPPED", "EXPIRED"}, rows)
}
