package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/shoalcache/shoal/bench"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

// benchOps are what a load may consist of.
var benchOps = []string{"set", "get", "mixed"}

func (t *tool) benchCommand() *cli.Command {
	return &cli.Command{
		Name: "bench", Usage: "load a cluster and measure it",
		Description: "A closed loop: every connection writes --depth requests at once, and the next when all are answered. It writes\n" +
			"the keys key:000000000000 and so on, over what they hold. Latencies are those of whole batches, at full load.",
		Flags: sessionFlags(
			levelFlag(),
			&cli.StringFlag{Name: "op", Usage: "`OP`: " + strings.Join(benchOps, ", "), Value: "set"},
			&cli.Float64Flag{Name: "read-share", Usage: "`SHARE` of a mixed load that reads, 0 to 1", Value: 0.5},
			&cli.IntFlag{Name: "conns", Usage: "`N` connections, dealt to the --server addresses in turn", Value: 50},
			&cli.IntFlag{Name: "depth", Usage: "`N` requests under way on each connection", Value: 1},
			&cli.IntFlag{Name: "requests", Aliases: []string{"n"}, Usage: "`N` requests in all", DefaultText: "100000 without --duration"},
			&cli.DurationFlag{Name: "duration", Usage: "end after `TIME`, as in 10s", DefaultText: "when the requests are answered"},
			&cli.DurationFlag{Name: "warmup", Usage: "load for `TIME` before counting", DefaultText: "none"},
			&cli.IntFlag{Name: "keys", Usage: "`N` keys, drawn from uniformly", Value: 100_000},
			&cli.StringFlag{Name: "value-size", Usage: "`SIZE` of values, as in 100 or 4KiB", Value: "100"},
			&cli.Uint64Flag{Name: "seed", Usage: "`N` that the keys are drawn by", Value: 1},
		),
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			format, err := formatOf(c)
			if err != nil {
				return err
			}
			cfg, err := benchConfig(c)
			if err != nil {
				return err
			}
			report, err := bench.Run(c.Context, cfg)
			if report.Requests == 0 && err != nil {
				return err
			}
			if shown := t.showBench(format, c.String("op"), &report); shown != nil {
				return shown
			}
			return err
		},
	}
}

// benchConfig reads the flags. What a Config takes for not given was not given here either, or is refused.
func benchConfig(c *cli.Context) (cfg bench.Config, err error) {
	if cfg.Addrs, err = servers(c.StringSlice("server")); err != nil {
		return cfg, err
	}
	if name := c.String("consistency"); name != "" {
		if cfg.Level, err = wire.ParseLevel(name); err != nil {
			return cfg, usage("%v", err)
		}
	}
	if c.IsSet("timeout") {
		if cfg.Timeout = c.Duration("timeout"); cfg.Timeout <= 0 {
			return cfg, usage("--timeout %v: give it more than 0, as in 2s", cfg.Timeout)
		}
	}
	size, err := parseSize(c.String("value-size"))
	if err != nil {
		return cfg, usage("--value-size: %v", err)
	}
	op := c.String("op")
	switch {
	case !slices.Contains(benchOps, op):
		return cfg, unknown("--op", op, benchOps)
	case c.IsSet("read-share") && op != "mixed":
		return cfg, usage("--read-share goes with --op mixed")
	case op == "get":
		cfg.ReadShare = 1
	case op == "mixed":
		cfg.ReadShare = c.Float64("read-share")
	}
	for _, n := range []struct {
		flag string
		to   *int
	}{{"conns", &cfg.Conns}, {"depth", &cfg.Depth}, {"requests", &cfg.Requests}, {"keys", &cfg.Keys}} {
		if *n.to = c.Int(n.flag); *n.to <= 0 && (n.flag != "requests" || c.IsSet(n.flag)) {
			return cfg, usage("--%s %d: use a number from 1", n.flag, *n.to)
		}
	}
	cfg.ValueBytes = int(min(size, 1<<30)) // over the bound of a Config, which says so
	cfg.Duration, cfg.Warmup, cfg.Seed = c.Duration("duration"), c.Duration("warmup"), c.Uint64("seed")
	if cfg.Requests == 0 && !c.IsSet("duration") {
		cfg.Requests = 100_000
	}
	if err := cfg.Validate(); err != nil {
		text := strings.ReplaceAll(err.Error(), bench.ErrConfig.Error()+": ", "")
		return cfg, usage("%s", strings.ReplaceAll(text, "\n", "; "))
	}
	return cfg, nil
}

// showBench writes a report.
func (t *tool) showBench(format, op string, r *bench.Report) error {
	if format == formatJSON || format == formatJSONLines {
		return t.document(struct {
			Op string `json:"op"`
			*bench.Report
		}{op, r}, format)
	}
	micros := func(n int64) string { return (time.Duration(n) * time.Microsecond).String() }
	rows := []table.Row{{
		op, r.Conns, r.Depth, r.Requests, fmt.Sprintf("%.1fs", r.Seconds), fmt.Sprintf("%.0f", r.PerSecond),
		micros(r.P50Micros), micros(r.P99Micros), micros(r.P999Micros), r.Misses, failures(r.Errors),
	}}
	return t.table(table.Row{"OP", "CONNS", "DEPTH", "REQUESTS", "TIME", "REQUESTS/S", "P50", "P99", "P99.9", "MISSES", "FAILED"}, rows)
}

// failures are counts by status, in one cell.
func failures(by map[string]uint64) string {
	if len(by) == 0 {
		return "0"
	}
	var parts []string
	for status, n := range by {
		parts = append(parts, fmt.Sprintf("%d %s", n, status))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
