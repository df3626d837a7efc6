package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

// repairEvery is how often a repair that is waited for is looked at.
const repairEvery = 200 * time.Millisecond

// repair lets all nodes compare what they hold, and fill in what some of them miss. Of two owners one asks the other, so every node is
// told, and one that is down as soon as it is back.
type repair struct {
	*tool
	*session
	cluster string
	what    wire.Repair
	nodes   []repairNode
	begun   time.Time
	most    int64 // exchanges that were pending at one time
}

// repairNode is what one node has repaired, in JSON.
type repairNode struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Up    bool   `json:"up"`
	Error string `json:"error,omitempty"` // why it did not answer
	wire.RepairState

	addr string
	told bool
	was  wire.RepairState // when it was told
}

// repairReport is what the nodes of a cluster have repaired, in JSON.
type repairReport struct {
	Cluster string       `json:"cluster"`
	Pending int64        `json:"pending"`
	Nodes   []repairNode `json:"nodes"`
}

// repaired is the result of a repair that was waited for.
type repaired struct {
	Cluster        string `json:"cluster"`
	Compared       int64  `json:"compared"`  // partitions, by each pair of owners; as what follows of all exchanges meanwhile
	Differing      int64  `json:"differing"` // of these
	Entries        int64  `json:"entries"`   // records, and what is remembered of keys that are gone, that said something new to a node
	ExchangedBytes int64  `json:"exchanged_bytes"`
	Failed         int64  `json:"failed"`          // exchanges, which were begun anew
	Partition      *int64 `json:"partition"`       // null: all
	Pairs          []pair `json:"pairs,omitempty"` // of owners of that partition
	DurationMillis int64  `json:"duration_ms"`
}

// pair is what two owners of a partition found.
type pair struct {
	Nodes [2]string `json:"nodes"`
	Found string    `json:"found"` // agreed, differed, and was exchanged, or nothing: of what is settled
}

func (t *tool) repairCommand() *cli.Command {
	return &cli.Command{
		Name: "repair", Usage: "print what nodes have repaired, or let them compare what they hold", Flags: sessionFlags(namespaceFlag("n"), hexFlag(), watchFlag(),
			&cli.BoolFlag{Name: "all", DisableDefaultText: true, Usage: "repair everything, and wait for it; for nodes that are down only with --timeout"},
			&cli.Int64Flag{Name: "partition", Usage: "repair the partition of this `NUMBER`", DefaultText: "none"},
			&cli.StringFlag{Name: "key", Usage: "repair the partition of this `KEY`"}),
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			asked := given(c, "all", "partition", "key")
			if len(asked) > 1 {
				return usage("%s and %s: use one of them", asked[0], asked[1])
			}
			s, err := dial(c)
			if err != nil {
				return err
			}
			defer s.Close()
			r, err := t.newRepair(c, s)
			switch {
			case err != nil:
				return err
			case asked == nil || c.IsSet("watch"):
				return t.follow(c, s.style, func(ctx context.Context) (view, error) {
					err := r.ask(ctx)
					return r.report(), err
				})
			}
			return r.wait(c.Context, c.IsSet("timeout"), c.Duration("timeout"))
		},
	}
}

// newRepair finds out who is to be asked, and about what.
func (t *tool) newRepair(c *cli.Context, s *session) (*repair, error) {
	m, err := s.Map(c.Context)
	if err != nil {
		return nil, err
	}
	r := &repair{tool: t, session: s, cluster: m.Cluster, begun: time.Now()}
	switch p := c.Int64("partition"); {
	case c.IsSet("key"):
		key, err := plain(c, "key", c.String("key"))
		if err != nil {
			return nil, err
		}
		w, err := s.Where(c.Context, string(key))
		if err != nil {
			return nil, err
		}
		r.what.Partition = &w.Partition
	case c.IsSet("partition"):
		if p < 0 || p >= int64(m.Partitions) {
			return nil, usage("--partition %d: use 0 to %d", p, m.Partitions-1)
		}
		number := uint32(p)
		r.what.Partition = &number
	}
	r.what.Begin = r.what.Partition != nil || c.Bool("all")
	for _, n := range m.Nodes {
		if n.State != ring.Removed {
			r.nodes = append(r.nodes, repairNode{ID: nodeID(n.ID), Name: n.Name, addr: n.ClientAddr})
		}
	}
	slices.SortFunc(r.nodes, func(a, b repairNode) int { return cmp.Compare(a.Name, b.Name) })
	return r, nil
}

// ask asks every node how far it is, and tells what to begin to those that have not heard it. A node that does not answer is down as far
// as this machine can see; the error is of a request that no node will ever take.
func (r *repair) ask(ctx context.Context) error {
	var asked sync.WaitGroup
	turns := make(chan struct{}, askingMax)
	bad := make([]error, len(r.nodes))
	for i := range r.nodes {
		n := &r.nodes[i]
		turns <- struct{}{}
		asked.Go(func() {
			defer func() { <-turns }()
			what := r.what
			what.Begin = what.Begin && !n.told
			state, err := r.Repair(ctx, n.addr, what, client.WithTimeout(client.DefaultTimeout))
			var refused *client.BadRequestError
			switch {
			case errors.As(err, &refused):
				bad[i] = err
			case err == nil && nodeID(state.Node) != n.ID:
				err = fmt.Errorf("another node answers at %s: %s", n.addr, nodeID(state.Node))
			}
			if n.Up = err == nil; !n.Up {
				n.Error = say(err)
				return
			}
			if n.Error, n.RepairState = "", state; what.Begin {
				n.told, n.was = true, state
			}
		})
	}
	asked.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(bad...)
}

// pending is how many exchanges are not over, as far as the nodes that answer say, and how many of these can go on.
func (r *repair) pending() (all, active int64) {
	for i := range r.nodes {
		if n := &r.nodes[i]; n.Up {
			all, active = all+n.Pending, active+n.Pending-n.Stalled
		}
	}
	return all, active
}

// missing are the names of the nodes without which the repair cannot end.
func (r *repair) missing() (names []string) {
	for i := range r.nodes {
		switch n := &r.nodes[i]; {
		case !n.Up:
			names = append(names, n.Name)
		case n.Stalled > 0:
			names = append(names, n.Waiting...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// wait begins the repair and waits until it is over: with a timeout so long, also for nodes that are down; else until there is nothing
// left to do without them.
func (r *repair) wait(ctx context.Context, limited bool, timeout time.Duration) error {
	var limit <-chan time.Time
	if limited {
		limit = time.After(timeout)
	}
	look := time.NewTicker(repairEvery)
	defer look.Stop()
	for known := int64(0); ; {
		err := r.ask(ctx)
		if ctx.Err() != nil { // what was asked last was not answered
			r.wipe()
			return &notedError{fmt.Sprintf("interrupted: %s pending, with which the nodes go on: see shoal repair", exchanges(known)), ctx.Err()}
		}
		all, active := r.pending()
		known = all
		missing := r.missing()
		switch {
		case err != nil:
			r.wipe()
			return err
		case all == 0 && missing == nil:
			r.wipe()
			return r.present(r.style, r.result())
		case active == 0 && missing != nil && !limited:
			r.wipe()
			return &missingError{fmt.Errorf("repair: down: %s: all else is repaired; begin again when they are back, or wait for them with --timeout", strings.Join(missing, ", "))}
		}
		r.draw(all, missing)
		select {
		case <-look.C:
		case <-ctx.Done():
		case <-limit:
			r.wipe()
			return r.late(timeout, all, missing)
		}
	}
}

// late is the error of a repair that takes longer than it may.
func (r *repair) late(timeout time.Duration, pending int64, missing []string) error {
	for i := range r.nodes {
		if n := &r.nodes[i]; n.Up && n.Pending > n.Stalled {
			missing = append(missing, n.Name)
		}
	}
	slices.Sort(missing)
	text := fmt.Sprintf("repair: not over within %v: %s pending, with which the nodes go on: it waits for %s", timeout, exchanges(pending), strings.Join(slices.Compact(missing), ", "))
	if down := r.missing(); down != nil {
		text += "; down: " + strings.Join(down, ", ")
	}
	return &notedError{text, &client.TimeoutError{Op: wire.OpRepair, Text: text}}
}

// missingError is work that ended without nodes that it takes.
type missingError struct{ error }

// exchanges is n exchanges, in words.
func exchanges(n int64) string {
	if n == 1 {
		return "1 exchange is"
	}
	return fmt.Sprintf("%d exchanges are", n)
}

// draw says on a terminal how far the repair is.
func (r *repair) draw(pending int64, missing []string) {
	if !r.errTerminal {
		return
	}
	r.most = max(r.most, pending)
	share := 1 - float64(pending)/float64(max(r.most, 1))
	said := r.result()
	line := fmt.Sprintf("repair  %s %3.0f%%  %s pending  %s exchanged", bar(share, 30), 100*share, exchanges(pending), formatSize(said.ExchangedBytes))
	if missing != nil {
		line += "  down: " + strings.Join(missing, ", ")
	}
	fmt.Fprintf(r.tool.err, "\r%s\x1b[K", line)
}

// wipe takes away what draw has written.
func (r *repair) wipe() {
	if r.errTerminal {
		fmt.Fprint(r.tool.err, "\r\x1b[K")
	}
}

// result sums up what was done since the nodes were told. One that was started anew meanwhile counts from 0.
func (r *repair) result() *repaired {
	d := &repaired{Cluster: r.cluster, DurationMillis: time.Since(r.begun).Milliseconds()}
	for i := range r.nodes {
		n := &r.nodes[i]
		now, was := &n.RepairState, &n.was
		if now.Compared < was.Compared {
			was = &wire.RepairState{}
		}
		d.Compared += now.Compared - was.Compared
		d.Differing += now.Differing - was.Differing
		d.Entries += now.Merged - was.Merged
		d.ExchangedBytes += now.SentBytes - was.SentBytes + now.ReceivedBytes - was.ReceivedBytes
		d.Failed += now.Failed - was.Failed
		if r.what.Partition == nil {
			continue
		}
		for _, x := range now.Comparisons {
			if x.AgoMillis >= 0 {
				found := "agreed"
				switch {
				case x.Differing > 0:
					found = "differed"
				case x.Compared == 0:
					found = "nothing"
				}
				d.Pairs = append(d.Pairs, pair{[2]string{n.Name, x.Node}, found})
			}
		}
	}
	if r.what.Partition != nil {
		p := int64(*r.what.Partition)
		d.Partition = &p
	}
	return d
}

func (d *repaired) show(t *tool) error {
	what := "everything"
	if d.Partition != nil {
		what = fmt.Sprintf("partition %d", *d.Partition)
	}
	brought := fmt.Sprintf("%d entries", d.Entries)
	if d.Entries == 1 {
		brought = "1 entry"
	}
	line := fmt.Sprintf("%s is repaired: %s compared with another owner, %d differed, %s brought, %s exchanged, in %v\n", what,
		count(int(d.Compared), "partition"), d.Differing, brought, formatSize(d.ExchangedBytes), time.Duration(d.DurationMillis)*time.Millisecond)
	for _, p := range d.Pairs {
		found := map[string]string{
			"agreed": t.colour(text.FgGreen, "agreed"), "differed": t.colour(text.FgYellow, "differed"), "nothing": "had nothing to compare yet",
		}[p.Found]
		line += fmt.Sprintf("%s and %s %s\n", p.Nodes[0], p.Nodes[1], found)
	}
	return t.write([]byte(line))
}

func (r *repair) report() *repairReport {
	all, _ := r.pending()
	return &repairReport{Cluster: r.cluster, Pending: all, Nodes: slices.Clone(r.nodes)}
}

func (d *repairReport) show(t *tool) error {
	if err := t.write(fmt.Appendf(nil, "cluster %s: %s pending\n\n", d.Cluster, exchanges(d.Pending))); err != nil {
		return err
	}
	var rows []table.Row
	for i := range d.Nodes {
		n := &d.Nodes[i]
		if !n.Up {
			rows = append(rows, table.Row{n.Name, t.colour(text.FgRed, "down")})
			continue
		}
		waits := "-"
		if n.Stalled > 0 {
			waits = strings.Join(n.Waiting, ", ")
		}
		rows = append(rows, table.Row{
			n.Name, n.Pending, n.Compared, n.Differing, n.Given, n.Merged, formatSize(n.SentBytes), formatSize(n.ReceivedBytes), n.Failed, waits,
		})
	}
	return t.table(table.Row{"NODE", "PENDING", "COMPARED", "DIFFERED", "GAVE", "GOT", "SENT", "RECEIVED", "FAILED", "WAITS FOR"}, rows)
}
