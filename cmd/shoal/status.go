package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

// askingMax is how many nodes are asked at a time.
const askingMax = 64

// clusterStatus is a whole cluster, in JSON. A field is never renamed; new ones may come.
type clusterStatus struct {
	Cluster   string       `json:"cluster"`
	ClusterID string       `json:"cluster_id"`
	Replicas  int          `json:"replicas"`
	Agreed    bool         `json:"agreed"` // all that answered hold the same map
	Up        int          `json:"nodes_up"`
	Conflicts int64        `json:"conflicts"` // of all nodes since each started, as are:
	Collapsed int64        `json:"siblings_collapsed"`
	Nodes     []nodeStatus `json:"nodes"`
}

// nodeStatus is one node: what it says, or from the map alone if it says nothing.
type nodeStatus struct {
	ID    string `json:"id"`
	Up    bool   `json:"up"`
	Error string `json:"error,omitempty"` // why it did not answer
	wire.NodeStats
	compared string // when it last compared what it shares with others
}

func (t *tool) statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "print the state of every node", Flags: sessionFlags(watchFlag(),
			&cli.BoolFlag{Name: "check", DisableDefaultText: true, Usage: "exit with 1 unless all nodes are up, have recovered, and agree"}),
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			check := c.Bool("check")
			if check && c.IsSet("watch") {
				return usage("--check looks once: leave out --watch")
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			var last *clusterStatus
			err = t.follow(c, s.style, func(ctx context.Context) (view, error) {
				m, err := s.Map(ctx)
				if err != nil {
					return nil, err
				}
				last = gather(ctx, s, m)
				return last, nil
			})
			if err == nil && check {
				err = last.check()
			}
			return err
		},
	}
}

// check is what keeps a cluster from being all right, or nil.
func (doc *clusterStatus) check() error {
	var wrong []string
	for i := range doc.Nodes {
		switch n := &doc.Nodes[i]; {
		case !n.Up:
			wrong = append(wrong, n.Name+" is down")
		case n.PartitionsRecovering > 0:
			wrong = append(wrong, fmt.Sprintf("%s is recovering %s", n.Name, count(int(n.PartitionsRecovering), "partition")))
		case n.State != ring.Active.String():
			wrong = append(wrong, n.Name+" is "+n.State)
		}
	}
	if !doc.Agreed {
		wrong = append(wrong, "the nodes hold different maps")
	}
	if wrong == nil {
		return nil
	}
	return fmt.Errorf("cluster %s is not well: %s", doc.Cluster, strings.Join(wrong, ", "))
}

// gather asks every node of the map about itself. One that does not answer is down as far as this machine can see.
func gather(ctx context.Context, s *session, m *ring.Map) *clusterStatus {
	doc := &clusterStatus{Cluster: m.Cluster, ClusterID: nodeID(m.ClusterID), Agreed: true}
	for _, ns := range m.Namespaces {
		doc.Replicas = max(doc.Replicas, int(ns.Replicas))
	}
	for _, n := range m.Nodes {
		if n.State != ring.Removed {
			doc.Nodes = append(doc.Nodes, nodeStatus{NodeStats: wire.NodeStats{
				Node: n.ID, Boot: n.Boot, Name: n.Name, ClientAddr: n.ClientAddr, Datacenter: n.Datacenter, Rack: n.Rack, State: "down",
			}})
		}
	}
	var asked sync.WaitGroup
	turns := make(chan struct{}, askingMax)
	for i := range doc.Nodes {
		n := &doc.Nodes[i]
		n.ID = nodeID(n.Node)
		turns <- struct{}{}
		asked.Go(func() {
			defer func() { <-turns }()
			stats, err := s.Stats(ctx, n.ClientAddr)
			switch {
			case err != nil:
				n.Error = say(err)
			case stats.Node != n.Node:
				n.Error = fmt.Sprintf("another node answers at %s: %s (%s)", n.ClientAddr, stats.Name, nodeID(stats.Node))
			default:
				n.NodeStats, n.Up = stats, true
			}
		})
	}
	asked.Wait()
	hash := uint64(0)
	for _, n := range doc.Nodes {
		if n.Up {
			doc.Agreed = doc.Agreed && (doc.Up == 0 || n.MapHash == hash)
			hash = n.MapHash
			doc.Up++
			doc.Conflicts += n.Conflicts
			doc.Collapsed += n.SiblingsCollapsed
		}
	}
	for i := range doc.Nodes {
		doc.Nodes[i].compared = doc.comparedText(doc.Nodes[i].Name)
	}
	slices.SortStableFunc(doc.Nodes, func(a, b nodeStatus) int {
		return strings.Compare(a.Datacenter+"\x00"+a.Name, b.Datacenter+"\x00"+b.Name)
	})
	return doc
}

// comparedText is when a node last compared what it shares with others, with the one for which that is longest ago, and how many
// partitions differed then, with all of them. Of two nodes one has asked, and knows it.
func (doc *clusterStatus) comparedText(name string) string {
	ago, differing := int64(-2), int64(0)
	for i := range doc.Nodes {
		for _, c := range doc.Nodes[i].Comparisons {
			switch {
			case doc.Nodes[i].Name != name && c.Node != name:
				continue
			case c.AgoMillis < 0:
				return "not yet"
			}
			ago, differing = max(ago, c.AgoMillis), differing+c.Differing
		}
	}
	switch {
	case ago < 0:
		return "-"
	case differing > 0:
		return fmt.Sprintf("%s, %d differed", formatUptime(ago), differing)
	}
	return formatUptime(ago)
}

func (doc *clusterStatus) show(t *tool) error {
	agreed := t.colour(text.FgGreen, "all agree on the map")
	if !doc.Agreed {
		agreed = t.colour(text.FgYellow, "their maps differ")
	}
	head := fmt.Sprintf("cluster %s (%s): %d of %s up, %s, %s\n\n",
		doc.Cluster, doc.ClusterID, doc.Up, count(len(doc.Nodes), "node"), count(doc.Replicas, "replica"), agreed)
	if err := t.write([]byte(head)); err != nil {
		return err
	}
	var rows []table.Row
	for i := range doc.Nodes {
		rows = append(rows, t.statusRow(&doc.Nodes[i]))
	}
	err := t.table(table.Row{
		"NODE", "STATE", "ADDRESS", "DC/RACK", "SHARE", "MEMORY", "KEYS", "OPS/S", "P99", "HINTS", "CONFLICTS", "COMPARED", "RECOVERING", "UPTIME",
	}, rows)
	if err != nil {
		return err
	}
	if doc.Collapsed > 0 {
		if err := t.write(fmt.Appendf(nil, "\n%s gave way to newer ones: keys that are written side by side and never resolved\n", count(int(doc.Collapsed), "sibling"))); err != nil {
			return err
		}
	}
	for i := range doc.Nodes {
		if n := &doc.Nodes[i]; n.Up && n.PartitionsRecovering > 0 {
			if err := t.write([]byte("\n" + n.progress() + "\n")); err != nil {
				return err
			}
		}
	}
	for _, n := range doc.Nodes {
		if n.OutOfMemory > 0 {
			if err := t.write(fmt.Appendf(nil, "\n%s has refused %s since it started, being out of memory: delete something, or give it more --memory or another --policy\n", n.Name, count(int(n.OutOfMemory), "write"))); err != nil {
				return err
			}
		}
	}
	for _, n := range doc.Nodes {
		if !n.Up {
			if err := t.write([]byte("\n" + n.Name + ": " + n.Error)); err != nil {
				return err
			}
		}
	}
	if doc.Up < len(doc.Nodes) {
		return t.write([]byte("\n"))
	}
	return nil
}

// barWidth is that of a bar of progress, in characters.
const barWidth = 20

// progress says how far a node has come that recovers.
func (n *nodeStatus) progress() string {
	done := 0.0
	if n.RecoveryPartitions > 0 {
		done = 1 - float64(n.PartitionsRecovering)/float64(n.RecoveryPartitions)
	}
	full := min(max(int(done*barWidth), 0), barWidth)
	text := fmt.Sprintf("%s: recovering [%s%s] %d of %s to go", n.Name,
		strings.Repeat("#", full), strings.Repeat("-", barWidth-full), n.PartitionsRecovering, count(int(n.RecoveryPartitions), "partition"))
	if n.RecoveryTookMillis > 0 {
		text += fmt.Sprintf(", %s at %s/s", formatSize(n.RecoveryBytes), formatSize(n.RecoveryBytes*1000/n.RecoveryTookMillis))
	}
	if n.RecoveryLeftMillis > 0 {
		text += ", about " + formatUptime(n.RecoveryLeftMillis) + " left"
	}
	return text
}

func (t *tool) statusRow(n *nodeStatus) table.Row {
	site := site(n.Datacenter, n.Rack)
	if !n.Up {
		return table.Row{n.Name, t.colour(text.FgRed, n.State), n.ClientAddr, site, "", "", "", "", "", "", "", "", "", ""}
	}
	state := t.colour(text.FgGreen, n.State)
	if n.State != ring.Active.String() || n.PartitionsRecovering > 0 {
		state = t.colour(text.FgYellow, n.State)
	}
	recovering := "-"
	if n.PartitionsRecovering > 0 {
		recovering = fmt.Sprintf("%d of %d", n.PartitionsRecovering, n.PartitionsOwned)
	}
	return table.Row{
		n.Name, state, n.ClientAddr, site,
		strconv.FormatFloat(100*n.Share, 'f', 1, 64) + "%",
		formatSize(n.MemoryUsed) + "/" + formatSize(n.MemoryLimit),
		n.Keys, strconv.FormatFloat(n.OpsPerSecond, 'f', 0, 64), formatMicros(n.P99Micros),
		owedText(n), n.Conflicts, n.compared, recovering, formatUptime(n.UptimeMillis),
	}
}

// owedText is how many hints a node has in memory, and how much of them is on disk alone.
func owedText(n *nodeStatus) string {
	text, unread := strconv.FormatInt(n.HintsOwed, 10), int64(0)
	for _, d := range n.Hints {
		unread += d.UnreadBytes
	}
	if unread > 0 {
		text += "+" + formatSize(unread)
	}
	return text
}

func formatMicros(us int64) string {
	if us == 0 {
		return "-"
	}
	return (time.Duration(us) * time.Microsecond).String()
}

// formatUptime keeps the two greatest units.
func formatUptime(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return d.Round(time.Second).String()
	}
}
