package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/bench"
	"github.com/shoalcache/shoal/storage"
	"github.com/urfave/cli/v2"
)

// hitRatios are traces that are put through the store and through exact caches, one after the other.
type hitRatios struct {
	*tool
	files    []string
	requests int // of each trace, at most; 0: all
	cfg      bench.HitRatioConfig

	trace       atomic.Int64 // its place in files
	done, total atomic.Int64 // caches of the trace

	points  []bench.HitRatioPoint
	leftOut []string // points that are too small
}

// hitRatioFlags are those that hitratio takes, of all that bench has.
var hitRatioFlags = []string{"value-size", "requests", "policy", "output"}

// hitRatioOwn are the flags that only hitratio takes.
func hitRatioOwn() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Category: "hitratio", Name: "policy", Usage: "by which the storage engine evicts, `NAME`: " + strings.Join(storage.PolicyNames()[:storage.None], ", "), Value: storage.Adaptive.String()},
	}
}

func (t *tool) benchHitRatio(c *cli.Context) error {
	for _, f := range c.Command.Flags {
		if name := f.Names()[0]; c.IsSet(name) && !slices.Contains(hitRatioFlags, name) {
			return usage("--%s does not go with bench hitratio", name)
		}
	}
	y, err := styleOf(c)
	if err != nil {
		return err
	}
	h := &hitRatios{tool: t, files: c.Args().Tail(), requests: c.Int("requests")}
	if len(h.files) == 0 {
		return usage("bench hitratio needs FILE: shoal bench hitratio FILE...")
	}
	if h.cfg.Policy, err = storage.ParsePolicy(c.String("policy")); err != nil {
		return usage("--policy %s", strings.TrimPrefix(err.Error(), storage.ErrPolicy.Error()+": "))
	}
	if h.requests <= 0 && c.IsSet("requests") {
		return usage("--requests %d: use a number from 1", h.requests)
	}
	if c.IsSet("value-size") {
		n, err := parseSize(c.String("value-size"))
		if err != nil || n == 0 {
			return usage("--value-size %s: the store is given values of one size, as in 100 or 4KiB", c.String("value-size"))
		}
		h.cfg.ValueBytes = int(min(n, 1<<30))
	}
	for _, path := range h.files { // a name that is wrong is not told after minutes
		if _, err := bench.ReadTrace(path, 1); err != nil {
			return usage("%s", say(err))
		}
	}
	stop := t.ticking(h.progress)
	err = h.drive(c.Context)
	stop()
	if err == nil && len(h.points) == 0 {
		return usage("%s: fewer than %d entries, in which one makes too much: use a trace with more keys", strings.Join(h.leftOut, ", "), bench.HitRatioEntriesMin)
	}
	if len(h.points) > 0 {
		if shown := h.show(y); shown != nil {
			return shown
		}
	}
	return err
}

// drive reads one trace after the other, and collects what was hit.
func (h *hitRatios) drive(ctx context.Context) (err error) {
	for i, path := range h.files {
		h.trace.Store(int64(i))
		h.done.Store(0)
		if h.cfg.Trace, err = bench.ReadTrace(path, h.requests); err != nil {
			return usage("%s", say(err))
		}
		h.cfg.Progress = func(done, total int) {
			h.total.Store(int64(total))
			h.done.Store(int64(done))
		}
		report, err := bench.HitRatio(ctx, h.cfg)
		if err != nil {
			return cutShort(asUsageOf(err))
		}
		name := traceName(path)
		for _, p := range report.Points {
			p.Trace = name
			h.points = append(h.points, p)
		}
		for _, percent := range report.LeftOut {
			h.leftOut = append(h.leftOut, fmt.Sprintf("%s %g%%", name, percent))
		}
	}
	return nil
}

// traceName is what a trace is called: its file without directory and ending.
func traceName(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".gz")
	return strings.TrimSuffix(name, ".u64")
}

// progress is the line that says how far it is.
func (h *hitRatios) progress(elapsed time.Duration) string {
	i, share := h.trace.Load(), 0.0
	if total := h.total.Load(); total > 0 {
		share = float64(h.done.Load()) / float64(total)
	}
	return fmt.Sprintf("%s  trace %d of %d  %s  %s", bar((float64(i)+share)/float64(len(h.files)), 30), i+1, len(h.files), elapsed.Round(time.Second), traceName(h.files[i]))
}

// show writes what was hit.
func (h *hitRatios) show(y style) error {
	if y.json() {
		return documents(h.tool, h.points, y.format)
	}
	rows := make([]table.Row, 0, len(h.points)+1)
	for _, p := range h.points {
		r, shoal := p.HitRatio, hitPart(p.HitRatio.Shoal)
		switch {
		case r.Shoal < r.LRU:
			shoal = h.colour(text.FgRed, shoal)
		case r.Shoal >= r.S3FIFO:
			shoal = h.colour(text.FgGreen, shoal)
		}
		rows = append(rows, table.Row{p.Trace, fmt.Sprintf("%g%%", p.SizePercent), p.Entries, p.Requests, shoal, hitPart(r.LRU), hitPart(r.S3FIFO), hitPart(r.OPT)})
	}
	sum := summed(h.points)
	of := sum.ofOPT
	rows = append(rows, table.Row{"mean part of OPT", "", "", "", hitPart(of.Shoal), hitPart(of.LRU), hitPart(of.S3FIFO), hitPart(of.OPT)})
	if err := h.table(table.Row{"TRACE", "SIZE", "ENTRIES", "REQUESTS", "SHOAL", "LRU", "S3-FIFO", "OPT"}, rows); err != nil {
		return err
	}
	var b strings.Builder
	w := sum.worst
	fmt.Fprintf(&b, "\nshoal's worst against LRU: %+.2f points, %s at %g%%\n", 100*(w.HitRatio.Shoal-w.HitRatio.LRU), w.Trace, w.SizePercent)
	if len(h.leftOut) > 0 {
		fmt.Fprintf(&b, "left out, fewer than %d entries: %s\n", bench.HitRatioEntriesMin, strings.Join(h.leftOut, ", "))
	}
	for _, p := range h.points {
		if off := p.Held/float64(p.Entries) - 1; off > heldOff || off < -heldOff {
			b.WriteString(h.colour(text.FgYellow, fmt.Sprintf("warning: %s at %g%%: the store held %.1f entries in the mean, not %d: its hits are those of another size", p.Trace, p.SizePercent, p.Held, p.Entries)) + "\n")
		}
	}
	return h.write([]byte(b.String()))
}

// heldOff is how far what the store held may be from what was wanted without a word.
const heldOff = 0.01

// hitRatioSum is what all points come to.
type hitRatioSum struct {
	ofOPT bench.HitRatios     // in the mean, as parts of what OPT hits
	worst bench.HitRatioPoint // of shoal, against LRU
}

// summed leaves points out of the means where nothing can be hit.
func summed(points []bench.HitRatioPoint) (s hitRatioSum) {
	n, ahead := 0.0, func(p bench.HitRatioPoint) float64 { return p.HitRatio.Shoal - p.HitRatio.LRU }
	s.worst = points[0]
	for _, p := range points {
		if ahead(p) < ahead(s.worst) {
			s.worst = p
		}
		if r := p.HitRatio; r.OPT > 0 {
			n++
			s.ofOPT.Shoal += (r.Shoal/r.OPT - s.ofOPT.Shoal) / n
			s.ofOPT.LRU += (r.LRU/r.OPT - s.ofOPT.LRU) / n
			s.ofOPT.S3FIFO += (r.S3FIFO/r.OPT - s.ofOPT.S3FIFO) / n
			s.ofOPT.OPT = 1
		}
	}
	return s
}

func hitPart(part float64) string { return fmt.Sprintf("%.2f%%", 100*part) }
