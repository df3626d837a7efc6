package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shoalcache/shoal/bench"
	"github.com/urfave/cli/v2"
)

// benchWays are what may follow the command.
var benchWays = []string{"run", "replay", "hitratio"}

// benchOps are what a load may consist of.
var benchOps = []string{"set", "get", "mixed", "incr"}

// What a load is bounded by if nothing is said.
const (
	benchRequests = 100_000
	benchDuration = 10 * time.Second // of an open loop
)

func (t *tool) benchCommand() *cli.Command {
	return &cli.Command{
		Name: "bench", Usage: "load a cluster and measure it", ArgsUsage: "[run | replay FILE | hitratio FILE...]",
		Description: "run (which may be left out) writes the keys key:000000000000 and so on, over what they hold. Without --rate every\n" +
			"connection writes --depth requests at once, and the next when all are answered. With it requests are due at fixed\n" +
			"times, and latencies count from then. A request that is not answered within --timeout counts as failed, with timeout.\n" +
			"When a connection breaks the run ends, whatever the other addresses do, and reports what it measured until then.\n" +
			"replay looks up the keys of a trace in its order, and sets what it missed: gzip of little-endian 64-bit numbers.\n" +
			"The cluster is that of --server, or with --cluster one that is started for the purpose and stopped at the end.\n" +
			"hitratio asks no cluster: it puts traces through the storage engine within this process, with room for 0.1%, 1% and 10% of\n" +
			"their keys, and says what it hits beside exact caches: LRU, S3-FIFO, and OPT (Belady's), which knows the future.",
		Flags:  sessionFlags(slices.Concat(benchShared(), runFlags(), replayFlags(), hitRatioOwn())...),
		Action: t.benchAction,
	}
}

// benchShared are the flags of both ways to load a cluster.
func benchShared() []cli.Flag {
	return []cli.Flag{
		levelFlag(), namespaceFlag(),
		&cli.IntFlag{Name: "conns", Usage: "`N` connections, dealt to the --server addresses in turn", DefaultText: "50; replay: 4"},
		&cli.StringFlag{Name: "value-size", Aliases: []string{"size"}, Usage: "`SIZE` of values, as in 100 or 4KiB; run: also a range, 100-4KiB, or several by weight, 100:9,4KiB:1", DefaultText: "100; replay: 1000; hitratio: 990"},
		&cli.IntFlag{Name: "requests", Aliases: []string{"n"}, Usage: "`N` requests in all; replay and hitratio: of the trace", DefaultText: "100000 without --duration and --rate"},
		&cli.StringFlag{Name: "json", Usage: "write the report with a series by the second to `FILE`; - is the standard output, in place of the table"},
		&cli.StringFlag{Name: "csv", Usage: "write the series to `FILE`"},
	}
}

func runFlags() []cli.Flag {
	const category = "run"
	return []cli.Flag{
		&cli.StringFlag{Category: category, Name: "workload", Usage: "YCSB's `NAME`: " + strings.Join(workloadNames(), ", ")},
		&cli.StringFlag{Category: category, Name: "op", Usage: "`OP`: " + strings.Join(benchOps, ", "), Value: "set"},
		&cli.Float64Flag{Category: category, Name: "read-share", Usage: "`SHARE` of a mixed load or of counters that reads, 0 to 1", DefaultText: "0.5; 0 with --op incr", Value: 0.5},
		&cli.IntFlag{Category: category, Name: "depth", Usage: "`N` requests under way on each connection, in batches; with --rate the most", DefaultText: "1; with --rate 1024"},
		&cli.BoolFlag{Category: category, Name: "sliding", Usage: "send the next request when one is answered, not in batches"},
		&cli.Float64Flag{Category: category, Name: "rate", Usage: "`N` requests a second are due in all, whatever the cluster answers"},
		&cli.BoolFlag{Category: category, Name: "poisson", Usage: "they are due at random, not evenly"},
		&cli.DurationFlag{Category: category, Name: "duration", Usage: "end after `TIME`, as in 10s", DefaultText: "when the requests are answered; with --rate 10s"},
		&cli.DurationFlag{Category: category, Name: "warmup", Usage: "load for `TIME` before counting", DefaultText: "none"},
		&cli.BoolFlag{Category: category, Name: "load", Usage: "set every key once before; a --workload and --verify do"},
		&cli.IntFlag{Category: category, Name: "keys", Usage: "`N` keys", Value: 100_000},
		&cli.StringFlag{Category: category, Name: "dist", Usage: "how keys are drawn, `NAME`: " + strings.Join(bench.Distributions, ", "), Value: bench.Uniform},
		&cli.Float64Flag{Category: category, Name: "theta", Usage: "`SKEW` of zipf and latest, between 0 and 1", DefaultText: "0.99"},
		&cli.Float64Flag{Category: category, Name: "hot-keys", Usage: "hotspot: `SHARE` of the keys that are hot", DefaultText: "0.2"},
		&cli.Float64Flag{Category: category, Name: "hot-ops", Usage: "hotspot: `SHARE` of the requests that fall on them", DefaultText: "0.8"},
		&cli.StringFlag{Category: category, Name: "ttl", Usage: "let values expire after `TIME`, or a range, 10s-60s", DefaultText: "never"},
		&cli.BoolFlag{Category: category, Name: "verify", Usage: "check every value that is read, which takes --op mixed, get or a --workload, under keys of the run's own; exit code 1 if one is stale or corrupt"},
		&cli.Uint64Flag{Category: category, Name: "seed", Usage: "`N` that keys and sizes are drawn by", Value: 1},
	}
}

func workloadNames() (names []string) {
	for _, w := range bench.Workloads {
		names = append(names, w.Name)
	}
	return names
}

func (t *tool) benchAction(c *cli.Context) error {
	switch way := c.Args().First(); way {
	case "", "run":
		if c.NArg() > 1 {
			return usage("bench run takes no argument %q: shoal bench run", c.Args().Get(1))
		}
		return t.benchRun(c)
	case "replay":
		return t.benchReplay(c)
	case "hitratio":
		return t.benchHitRatio(c)
	default:
		return unknown("bench", way, benchWays)
	}
}

func (t *tool) benchRun(c *cli.Context) error {
	if err := notOf(c, "run", append(replayFlags(), hitRatioOwn()...)); err != nil {
		return err
	}
	cfg, err := runConfig(c)
	if err != nil {
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
	report, err := bench.Run(c.Context, cfg)
	if report.Requests == 0 && err != nil {
		return err
	}
	doc := runDocument{Op: c.String("op"), Workload: c.String("workload"), Report: &report}
	if doc.Workload != "" {
		doc.Op = "mixed"
	}
	if shown := out.showRun(&doc); shown != nil {
		return shown
	}
	return outcome(&report, err)
}

// unloadedShare is the part of the keys that may be missing where they were to be loaded, before the run was of something
// else than what was asked for.
const unloadedShare = 0.01

// outcome is what the report of a run means for the exit code.
func outcome(r *bench.Report, err error) error {
	bad := r.Verified
	switch {
	case bad.Bad() > 0:
		return fmt.Errorf("verify: of %d values read %d were stale, %d corrupt and %d another key's or run's", bad.Reads, bad.Stale, bad.Corrupt, bad.Foreign)
	case err != nil:
		return cutShort(err)
	case r.Failed() == r.Requests && r.Requests > 0:
		return fmt.Errorf("all %d requests failed: %s", r.Requests, failures(r.Errors))
	case float64(r.Unloaded) > unloadedShare*float64(r.Keys):
		return fmt.Errorf("load: %d of %d keys could not be loaded: the run read what was not there; use fewer --conns, a longer --timeout or smaller values", r.Unloaded, r.Keys)
	}
	return nil
}

// cutShort is how a load ended that did not come to its end, and was reported nevertheless.
func cutShort(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: the report covers what was measured until then: %w", context.Canceled)
	}
	return err
}

// notOf refuses flags that the way taken of a command does not have.
func notOf(c *cli.Context, way string, others []cli.Flag) error {
	for _, f := range others {
		if name := f.Names()[0]; c.IsSet(name) {
			return usage("--%s does not go with %s %s", name, c.Command.Name, way)
		}
	}
	return nil
}

// runConfig reads the flags. What a Config takes for not given was not given here either, or is refused.
func runConfig(c *cli.Context) (cfg bench.Config, err error) {
	to, err := targetOf(c)
	if err != nil {
		return cfg, err
	}
	cfg.Addrs, cfg.Level, cfg.Timeout, cfg.Namespace = to.addrs, to.level, to.timeout, to.namespace
	if c.IsSet("value-size") {
		if cfg.Sizes, err = parseSizes(c.String("value-size")); err != nil {
			return cfg, usage("--value-size: %v", err)
		}
	}
	if cfg.TTL, err = parseInterval(c.String("ttl")); err != nil {
		return cfg, usage("--ttl: %v", err)
	}
	if err := readMix(c, &cfg); err != nil {
		return cfg, err
	}
	for _, n := range []struct {
		flag string
		to   *int
	}{{"conns", &cfg.Conns}, {"depth", &cfg.Depth}, {"requests", &cfg.Requests}, {"keys", &cfg.Keys}} {
		if *n.to = c.Int(n.flag); *n.to <= 0 && c.IsSet(n.flag) {
			return cfg, usage("--%s %d: use a number from 1", n.flag, *n.to)
		}
	}
	for _, n := range []struct {
		flag string
		to   *float64
	}{{"rate", &cfg.Rate}, {"theta", &cfg.Theta}, {"hot-keys", &cfg.HotKeys}, {"hot-ops", &cfg.HotOps}} {
		if *n.to = c.Float64(n.flag); !(*n.to > 0) && c.IsSet(n.flag) {
			return cfg, usage("--%s %g: give it more than 0", n.flag, *n.to)
		}
	}
	if c.Bool("verify") && cfg.Counters {
		return cfg, usage("--verify with --op incr: it checks values that are read, and counters are none: use --op mixed, or a --workload")
	}
	if c.Bool("verify") && cfg.ReadShare == 0 && cfg.ModifyShare == 0 {
		return cfg, usage("--verify without reads would check nothing: add --op mixed, or a --workload")
	}
	cfg.Sliding, cfg.Poisson, cfg.Verify = c.Bool("sliding"), c.Bool("poisson"), c.Bool("verify")
	cfg.Load = cfg.Load || cfg.Verify || c.Bool("load")
	cfg.Duration, cfg.Warmup, cfg.Seed = c.Duration("duration"), c.Duration("warmup"), c.Uint64("seed")
	if cfg.Requests == 0 && !c.IsSet("duration") {
		if cfg.Rate > 0 {
			cfg.Duration = benchDuration
		} else {
			cfg.Requests = benchRequests
		}
	}
	return cfg, asUsageOf(cfg.Validate())
}

// asUsageOf turns what is wrong with a config into one line about the command line.
func asUsageOf(err error) error {
	if !errors.Is(err, bench.ErrConfig) {
		return err
	}
	text := strings.ReplaceAll(err.Error(), bench.ErrConfig.Error()+": ", "")
	return usage("%s", strings.ReplaceAll(text, "\n", "; "))
}

// readMix reads which requests fall on which keys: by the name of a workload, or one by one.
func readMix(c *cli.Context, cfg *bench.Config) error {
	if name := c.String("workload"); name != "" {
		i := slices.Index(workloadNames(), name)
		if i < 0 {
			return unknown("--workload", name, workloadNames())
		}
		for _, f := range []string{"op", "read-share", "dist"} {
			if c.IsSet(f) {
				return usage("--%s does not go with --workload, which says it", f)
			}
		}
		bench.Workloads[i].Apply(cfg)
		return nil
	}
	if cfg.Kind = c.String("dist"); !slices.Contains(bench.Distributions, cfg.Kind) {
		return unknown("--dist", cfg.Kind, bench.Distributions)
	}
	switch op := c.String("op"); {
	case !slices.Contains(benchOps, op):
		return unknown("--op", op, benchOps)
	case c.IsSet("read-share") && op != "mixed" && op != "incr":
		return usage("--read-share goes with --op mixed or incr")
	case op == "get":
		cfg.ReadShare = 1
	case op == "mixed":
		cfg.ReadShare = c.Float64("read-share")
	case op == "incr":
		if cfg.Counters = true; c.IsSet("read-share") {
			cfg.ReadShare = c.Float64("read-share")
		}
	}
	return nil
}
