package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// demoSight is what the nodes say of themselves at one moment.
type demoSight struct {
	up                int   // nodes that answer
	hints, recovering int64 // owed, and partitions
	settled           bool  // all nodes answer, agree on the map and have recovered
}

// look asks every node; one that does not answer within most of a second counts as down.
func (d *demo) look(ctx context.Context) (s demoSight) {
	ctx, cancel := context.WithTimeout(ctx, 900*time.Millisecond)
	defer cancel()
	all := make([]wire.NodeStats, len(d.nodes))
	errs := make([]error, len(d.nodes))
	var asked sync.WaitGroup
	for i, n := range d.nodes {
		asked.Go(func() { all[i], errs[i] = d.client.Stats(ctx, n.ClientAddr) })
	}
	asked.Wait()
	s.settled = true
	for i, n := range all {
		if errs[i] != nil {
			s.settled = false
			continue
		}
		s.up++
		s.hints += n.HintsOwed
		s.recovering += n.PartitionsRecovering
		s.settled = s.settled && n.State == ring.Active.String() && n.Nodes == len(all) && n.MapHash == all[0].MapHash
	}
	d.load.owed(s.hints)
	return s
}

const demoLine = "%6s  %9s  %8s  %9s  %8s  %10s  %5s\n"

// heads stand above the lines.
func (d *demo) heads() {
	d.print("\n"+demoLine, "TIME", "OPS/S", "P99", "1ST FAILS", "HINTS", "RECOVERING", "NODES")
}

// line is one second. Fields are coloured once they have their width, which colours would count towards.
func (d *demo) line(s *demoSight) {
	w := d.load.turn()
	field := func(width int, n int64, c text.Color) string {
		f := fmt.Sprintf("%*d", width, n)
		if n == 0 {
			return f
		}
		return d.colour(c, f)
	}
	nodes := fmt.Sprintf("%5s", fmt.Sprintf("%d/%d", s.up, len(d.nodes)))
	if s.up < len(d.nodes) {
		nodes = d.colour(text.FgRed, nodes)
	}
	d.print(demoLine, strconv.Itoa(int(time.Since(d.began).Seconds()))+"s", strconv.Itoa(w.operations), formatMicros(w.p99.Microseconds()),
		field(9, int64(w.failedFirst), text.FgYellow), field(8, s.hints, text.FgYellow), field(10, s.recovering, text.FgYellow), nodes)
}

// say is a note between the lines.
func (d *demo) say(c text.Color, format string, args ...any) {
	d.print("%s\n", d.colour(c, "------  "+fmt.Sprintf(format, args...)))
}

// print shows how it goes. The result does not depend on whether anybody sees that.
func (d *demo) print(format string, args ...any) { _, _ = fmt.Fprintf(d.progress, format, args...) }

// verdict prints the table, and is an error if something was seen that must not be.
func (d *demo) verdict(format string) error {
	t := d.load.sum()
	t.Seconds = time.Since(d.began).Seconds()
	t.Nodes, t.Keys = len(d.nodes), len(d.load.ledger)
	t.judge(d.reads)
	var err error
	if format == formatJSON || format == formatJSONLines {
		err = d.document(&t, format)
	} else {
		err = d.showTally(&t)
	}
	if err == nil && len(t.Problems) > 0 {
		err = fmt.Errorf("the demo failed: %s", strings.Join(t.Problems, "; "))
	}
	return err
}

func (d *demo) showTally(t *demoTally) error {
	must := func(n int) string {
		if n > 0 {
			return d.colour(text.FgRed, strconv.Itoa(n))
		}
		return d.colour(text.FgGreen, "0")
	}
	if err := d.write([]byte("\n")); err != nil {
		return err
	}
	return d.table(table.Row{fmt.Sprintf("IN %.0f SECONDS", t.Seconds), "COUNT"}, []table.Row{
		{"operations", t.Operations},
		{"  writes", t.Writes},
		{"  reads, all checked", t.Reads},
		{"    while " + d.nodes[demoVictim].Name + " was down", t.ReadsDown},
		{"hints owed, at most", t.HintsOwedMost},
		{"hints owed, at the end", must(int(t.HintsOwedEnd))},
		{"failed at the first try", t.FailedFirst},
		{fmt.Sprintf("failed after %d tries within %v", triesMax, triesTime), must(t.Failed)},
		{"reads that were stale", must(t.Stale)},
		{"reads of a lost key", must(t.Lost)},
		{"reads of what nobody wrote", must(t.Wrong)},
	})
}
