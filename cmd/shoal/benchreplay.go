package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/bench"
	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/server"
	"github.com/urfave/cli/v2"
)

// benchNodesMax is how many nodes a replay starts.
const benchNodesMax = 16

func replayFlags() []cli.Flag {
	const category = "replay"
	return []cli.Flag{
		&cli.IntFlag{Category: category, Name: "cluster", Usage: "start `N` nodes for the replay, in place of --server"},
		&cli.StringFlag{Category: category, Name: "share", Usage: "give each of them memory for this `SHARE` of the trace's keys that it owns, as in 10%"},
		&cli.IntFlag{Category: category, Name: "window", Usage: "`N` requests of the trace under way at once", DefaultText: "32, fewer for large values"},
	}
}

// replayDocument is the report of a replay in JSON.
type replayDocument struct {
	Trace string `json:"trace"`
	*bench.ReplayReport
	Share   float64    `json:"share,omitempty"`           // of the keys that were to fit in each node
	Entries int        `json:"entries_planned,omitempty"` // in each node
	Nodes   []heldNode `json:"nodes"`
}

// heldNode is what a node held after the replay.
type heldNode struct {
	Name         string `json:"name"`
	Keys         int64  `json:"keys"`
	StorageBytes int64  `json:"memory_limit_bytes"`
	UsedBytes    int64  `json:"memory_used_bytes"`
	Evicted      uint64 `json:"evicted"` // ever
}

func (t *tool) benchReplay(c *cli.Context) error {
	args, err := replayArguments(c)
	if err != nil {
		return err
	}
	if err := notOf(c, "replay", append(runFlags(), hitRatioOwn()...)); err != nil {
		return err
	}
	cfg, err := replayConfig(c)
	if err != nil {
		return err
	}
	plan, err := planOf(c)
	if err != nil {
		return err
	}
	if cfg.Trace, err = bench.ReadTrace(args, c.Int("requests")); err != nil {
		return usage("%s", say(err))
	}
	if err := asUsageOf(cfg.Validate()); err != nil {
		return err
	}
	out, err := t.benchOutput(c)
	if err != nil {
		return err
	}
	defer out.close()
	if out.live {
		cfg.Progress = out.progress
	}
	doc := &replayDocument{Trace: args}
	if plan == nil {
		return out.replay(c.Context, cfg, doc)
	}
	return out.replayAt(c.Context, plan, cfg, doc)
}

func replayArguments(c *cli.Context) (string, error) {
	switch c.NArg() {
	case 1:
		return "", usage("bench replay needs FILE: shoal bench replay FILE")
	case 2:
		return c.Args().Get(1), nil
	}
	return "", usage("bench replay takes no argument %q: shoal bench replay FILE", c.Args().Get(2))
}

// replayConfig reads the flags, all but the trace.
func replayConfig(c *cli.Context) (cfg bench.ReplayConfig, err error) {
	to, err := targetOf(c)
	if err != nil {
		return cfg, err
	}
	cfg.Addrs, cfg.Level, cfg.Timeout, cfg.Namespace = to.addrs, to.level, to.timeout, to.namespace
	if c.IsSet("value-size") {
		n, err := parseSize(c.String("value-size"))
		if err != nil || n == 0 {
			return cfg, usage("--value-size %s: a replay sets values of one size, as in 100 or 4KiB", c.String("value-size"))
		}
		cfg.ValueBytes = int(min(n, 1<<30))
	}
	for _, n := range []struct {
		flag string
		to   *int
	}{{"conns", &cfg.Conns}, {"window", &cfg.Window}, {"requests", new(int)}} {
		if *n.to = c.Int(n.flag); *n.to <= 0 && c.IsSet(n.flag) {
			return cfg, usage("--%s %d: use a number from 1", n.flag, *n.to)
		}
	}
	return cfg, nil
}

// replayPlan is a cluster for a replay.
type replayPlan struct {
	nodes int
	share float64
}

// planOf reads which cluster to start; nil for one that is there.
func planOf(c *cli.Context) (*replayPlan, error) {
	p := &replayPlan{nodes: c.Int("cluster")}
	switch given := c.IsSet("cluster"); {
	case !given && c.IsSet("share"):
		return nil, usage("--share goes with --cluster: the memory of a cluster that runs is what it is")
	case !given:
		return nil, nil
	case c.IsSet("server") || c.IsSet("context"):
		return nil, usage("--cluster does not go with --server and --context: it is a cluster of its own")
	case p.nodes < 1 || p.nodes > benchNodesMax:
		return nil, usage("--cluster %d: use 1 to %d", p.nodes, benchNodesMax)
	case !c.IsSet("share"):
		return nil, usage("--cluster needs --share, as in --share 10%%")
	}
	number, percent := strings.CutSuffix(c.String("share"), "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share > 0 && share <= 1) {
		return nil, usage("--share %s: use more than 0, up to 100%%, as in 10%% or 0.1", c.String("share"))
	}
	p.share = share
	return p, nil
}

// replay carries out the trace, looks at what the nodes hold then, and reports both.
func (o *benchOutput) replay(ctx context.Context, cfg bench.ReplayConfig, doc *replayDocument) error {
	report, err := bench.Replay(ctx, cfg)
	if report.Requests == 0 && err != nil {
		return err
	}
	doc.ReplayReport = &report
	held, failed := o.held(context.WithoutCancel(ctx), cfg.Addrs)
	doc.Nodes = held
	if shown := o.showReplay(doc); shown != nil {
		return shown
	}
	switch {
	case err != nil:
		return cutShort(err)
	case report.FailedGets == report.Requests:
		return fmt.Errorf("all %d requests failed: %s", report.Requests, failures(report.Errors))
	case report.FailedSets == report.Sets && report.Sets > 0:
		return fmt.Errorf("all %d sets failed: %s", report.Sets, failures(report.Errors))
	}
	return failed
}

// heldTimeout bounds the look at what the nodes hold.
const heldTimeout = 5 * time.Second

// held asks every node of the cluster what it holds.
func (o *benchOutput) held(ctx context.Context, addrs []string) (all []heldNode, err error) {
	ctx, cancel := context.WithTimeout(ctx, heldTimeout)
	defer cancel()
	cl, err := client.Dial(ctx, addrs)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	m, err := cl.Map(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range m.Nodes {
		s, err := cl.Stats(ctx, n.ClientAddr)
		if err != nil {
			return all, err
		}
		evicted, _ := strconv.ParseUint(fmt.Sprint(s.Packages["storage"]["evicted"]), 10, 64)
		all = append(all, heldNode{Name: s.Name, Keys: s.Keys, StorageBytes: s.MemoryLimit, UsedBytes: s.MemoryUsed, Evicted: evicted})
	}
	return all, nil
}

// replayAt starts the cluster that the trace is for, carries it out there, and stops the cluster again.
func (o *benchOutput) replayAt(ctx context.Context, plan *replayPlan, cfg bench.ReplayConfig, doc *replayDocument) error {
	fit, err := plan.fit(&cfg)
	if err != nil {
		return err
	}
	doc.Share, doc.Entries = plan.share, fit.Entries
	return o.withCluster(ctx, plan.nodes, server.MemoryOf(fit.StorageBytes, benchPartitions), func(ctx context.Context, addrs []string) error {
		cfg.Addrs = addrs
		return o.replay(ctx, cfg, doc)
	})
}

// fit is what each node has to hold: the share of its part of the keys, which is all of them where there are no more
// nodes than replicas.
func (p *replayPlan) fit(cfg *bench.ReplayConfig) (bench.Fit, error) {
	size := cfg.ValueBytes
	if size == 0 {
		size = bench.ReplayValueBytes
	}
	replicas := min(p.nodes, benchReplicas)
	keys := bench.Unique(cfg.Trace)
	owned := keys * replicas / p.nodes
	fit, err := bench.FitShare(max(owned, 1), p.share, size, benchPartitions)
	if err != nil {
		return fit, asUsageOf(err)
	}
	if least := server.StorageOf(server.MemoryMin, benchPartitions); fit.StorageBytes < least {
		return fit, usage("--share %g%% of the %d keys that a node owns are %d, which with values of %d bytes need less memory than the %s that a node has at least: use a larger --value-size, about %s",
			100*p.share, owned, fit.Entries, size, formatSize(server.MemoryMin), formatSize(int64(float64(size)*1.1*float64(least)/float64(fit.StorageBytes))))
	}
	return fit, nil
}

// showReplay writes the report of a replay.
func (o *benchOutput) showReplay(doc *replayDocument) error {
	r := doc.ReplayReport
	return o.report(doc, r.Series, func() error {
		rows := []table.Row{{
			r.Requests, r.Unique, fmt.Sprintf("%.2f%%", 100*r.HitRatio), fmt.Sprintf("%.1fs", r.Seconds), fmt.Sprintf("%.0f", r.PerSecond),
			micros(r.Get.P50Micros), micros(r.Get.P99Micros), micros(r.Get.P999Micros), r.Sets, micros(r.Set.P99Micros), failures(r.Errors),
		}}
		err := o.table(table.Row{"REQUESTS", "KEYS", "HITS", "TIME", "REQUESTS/S", "GET P50", "P99", "P99.9", "SETS", "P99", "FAILED"}, rows)
		if err != nil {
			return err
		}
		var b strings.Builder
		b.WriteString("\n")
		for _, n := range doc.Nodes {
			fmt.Fprintf(&b, "%s holds %d keys", n.Name, n.Keys)
			if doc.Entries > 0 {
				fmt.Fprintf(&b, " of the %d that should fit", doc.Entries)
			}
			fmt.Fprintf(&b, ", %s of %s, %d evicted\n", formatSize(n.UsedBytes), formatSize(n.StorageBytes), n.Evicted)
		}
		if doc.missed() {
			b.WriteString(o.colour(text.FgYellow, "warning: a node holds another number of keys than planned: the hit ratio is that of another share") + "\n")
		}
		return o.write([]byte(b.String()))
	})
}

// fitTolerance is how far the keys held may be from those planned: shards fill unevenly.
const fitTolerance = 0.05

// missed reports whether nodes that had to evict hold much more or less than planned.
func (d *replayDocument) missed() bool {
	for _, n := range d.Nodes {
		off := float64(n.Keys)/float64(max(d.Entries, 1)) - 1
		if d.Entries > 0 && n.Evicted > 0 && (off > fitTolerance || off < -fitTolerance) {
			return true
		}
	}
	return false
}

// errNodeEnded is a node of a replay's own cluster that did not live to see its end.
var errNodeEnded = errors.New("a node of the cluster ended during the replay, see above")
