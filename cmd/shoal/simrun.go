package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shoalcache/shoal/sim"
	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

func simRunFlags() []cli.Flag {
	const category = "run"
	return []cli.Flag{
		&cli.Uint64Flag{Category: category, Name: "seed", Usage: "the `S` that cluster, operations and faults are drawn from", DefaultText: "none, it has to be given"},
		&cli.StringFlag{Category: category, Name: "ops", Usage: "keep only the operations of `LIST`, as in 3,7,40-52, or none", DefaultText: "all"},
		&cli.StringFlag{Category: category, Name: "faults", Usage: "keep only the faults of `LIST`, by number, or none", DefaultText: "all"},
		&cli.BoolFlag{Category: category, Name: "timeline", DisableDefaultText: true, Usage: "print what happened, event by event"},
	}
}

// simulated is a run of a plan, in JSON: of what is left of it, where it was cut down.
type simulated struct {
	Seed         uint64         `json:"seed"`
	Operations   int            `json:"operations"` // asked, and asked again
	Acknowledged int            `json:"acknowledged"`
	Faults       int            `json:"faults"` // that happened
	Events       int            `json:"events"`
	Trace        string         `json:"trace"`   // a hash of all events, in hexadecimal
	Starved      bool           `json:"starved"` // too little was acknowledged to prove much
	States       map[string]int `json:"states"`
	Failure      *sim.Failure   `json:"failure"`                  // null: every promise was kept
	KeptOps      []int          `json:"kept_operations,omitzero"` // by number, where not all were
	KeptFaults   []int          `json:"kept_faults,omitzero"`
	Replay       string         `json:"replay"` // the command that runs it again
	Timeline     []string       `json:"timeline,omitempty"`
}

// simOrder is what to do with a plan.
type simOrder struct {
	style
	plan     sim.Plan
	cut      int // runs at most, to cut down what fails; 0: leave it
	timeline bool
}

func (t *tool) simRun(c *cli.Context, look style) error {
	if err := notOf(c, "run", append(simSweepFlags(), simExhaustFlags()...)); err != nil {
		return err
	}
	if !c.IsSet("seed") {
		return usage("sim run needs --seed: shoal sim run --seed S")
	}
	order := simOrder{style: look, plan: sim.Draw(c.Uint64("seed")), timeline: c.Bool("timeline")}
	var kept [2][]int
	for i, l := range []struct {
		flag string
		most int
	}{{"ops", len(order.plan.Asks)}, {"faults", len(order.plan.Faults)}} {
		if !c.IsSet(l.flag) {
			continue
		}
		var err error
		if kept[i], err = parseNumbers(c.String(l.flag), "this seed has", l.most); err != nil {
			return usage("--%s: %v", l.flag, err)
		}
	}
	order.plan = order.plan.Keep(kept[0], kept[1])
	if c.Bool("shrink") {
		order.cut = c.Int("runs")
	}
	return t.simulate(c.Context, order)
}

// simulate runs a plan twice and shows how that went; a promise that was broken is an error.
func (t *tool) simulate(ctx context.Context, order simOrder) error {
	plan := order.plan
	r, err := unlessInterrupted(ctx, fmt.Sprintf("seed %d", plan.Seed), func() (sim.Result, error) {
		r := sim.Twice(plan)
		if order.timeline && (r.Failure == nil || order.cut == 0) {
			r.Timeline = sim.Run(plan, true).Timeline
		}
		return r, nil
	})
	if err != nil {
		return err
	}
	if !order.json() {
		if err := t.showSimulated(&plan, &r); err != nil {
			return err
		}
	}
	next := "cut it down with " + replayOf(&plan) + " --shrink"
	if r.Failure != nil && order.cut > 0 {
		var done bool
		plan, r, done = t.cutFailure(ctx, order, r)
		if next = "replay it with " + replayOf(&plan) + " --timeline"; !done {
			next = "cut it down further with " + replayOf(&plan) + " --shrink"
		}
		if !order.json() {
			if err := t.showCut(&plan, &r, done); err != nil {
				return err
			}
		}
	}
	if order.json() {
		if err := t.document(newSimulated(&plan, &r), order.format); err != nil {
			return err
		}
	} else if len(r.Timeline) > 0 {
		if err := t.write([]byte("\n" + strings.Join(r.Timeline, "\n") + "\n")); err != nil {
			return err
		}
	}
	if r.Failure == nil {
		return nil
	}
	return &brokenError{fmt.Sprintf("seed %d broke %s", plan.Seed, r.Failure.Promise), next}
}

// cutFailure cuts a failing plan down, as far as it comes until ctx ends, and runs what is left: with a timeline, unless it
// was interrupted, as that of a plan hardly cut is long. What is left does not fail where it was two runs that differed.
func (t *tool) cutFailure(ctx context.Context, order simOrder, r sim.Result) (left sim.Plan, short sim.Result, done bool) {
	left, _, done = t.cutDown(ctx, order.plan, order.cut)
	short = sim.Run(left, done || order.timeline)
	if short.Failure == nil {
		short.Failure = r.Failure
	}
	return left, short, done
}

func newSimulated(plan *sim.Plan, r *sim.Result) *simulated {
	s := &simulated{
		Seed: r.Seed, Operations: r.Operations, Acknowledged: r.Acknowledged, Faults: r.Faults, Events: r.Events,
		Trace: traceText(r), Starved: r.Starved(), States: r.States, Failure: r.Failure, Replay: replayOf(plan), Timeline: r.Timeline,
	}
	s.KeptOps, s.KeptFaults = leftOf(plan)
	if r.Failure != nil {
		s.Replay += " --timeline"
	}
	return s
}

func traceText(r *sim.Result) string { return fmt.Sprintf("%016x", r.Trace) }

// showSimulated writes what the cluster was, what happened to it, and whether it kept its promises.
func (t *tool) showSimulated(plan *sim.Plan, r *sim.Result) error {
	whole := sim.Draw(plan.Seed)
	rows := append(simShape(plan),
		table.Row{"plan", fmt.Sprintf("%d of %s, %d of %s", len(plan.Asks), count(len(whole.Asks), "operation"), len(plan.Faults), count(len(whole.Faults), "fault"))},
		table.Row{"operations", fmt.Sprintf("%d asked, %s acknowledged", r.Operations, percent(r.Acknowledged, r.Operations))},
		table.Row{"faults", fmt.Sprintf("%d happened", r.Faults)},
		table.Row{"events", r.Events},
		table.Row{"trace", traceText(r)})
	if r.Starved() {
		rows = append(rows, table.Row{"starved", t.colour(text.FgYellow, "fewer than half were acknowledged: the run proves little")})
	}
	verdict := t.colour(text.FgGreen, "every promise kept")
	if r.Failure != nil {
		verdict = t.colour(text.FgRed, "broken: "+r.Failure.Promise)
	}
	rows = append(rows, table.Row{"promises", verdict})
	if err := t.table(table.Row{"SEED", r.Seed}, rows); err != nil || r.Failure == nil {
		return err
	}
	return t.write([]byte("\n" + r.Failure.String() + "\n"))
}

// showCut writes what is left of a plan that fails, which could be less if it was not done.
func (t *tool) showCut(plan *sim.Plan, r *sim.Result, done bool) error {
	how, next := "cut down", "--timeline"
	if !done {
		how, next = "interrupted, cut down so far", "--shrink"
	}
	return t.write(fmt.Appendf(nil, "\n%s to %s and %s: %s\n%s %s\n",
		how, count(len(plan.Asks), "operation"), count(len(plan.Faults), "fault"), r.Failure, replayOf(plan), next))
}

// simShape says in words what a plan's cluster is, and what it is asked.
func simShape(plan *sim.Plan) []table.Row {
	c, net := &plan.Cluster, &plan.Net
	shape := count(c.Nodes, "node") + ", " + count(c.Replicas, "replica")
	if c.More > 0 {
		shape += fmt.Sprintf(" beside a namespace of %d", c.Replicas+c.More)
	}
	if c.Datacenters > 1 {
		shape += fmt.Sprintf(" in each of %d datacenters", c.Datacenters)
	}
	levels := fmt.Sprintf("read %v, write %v", c.Read, c.Write)
	if c.Read == wire.LevelExplicit {
		levels = fmt.Sprintf("R %d, W %d", c.R, c.W)
	}
	if c.Strict() {
		levels += ": reads are never stale"
	} else {
		levels += ": reads may be stale"
	}
	clients := count(c.Keys, "key")
	for _, habit := range []struct {
		is   bool
		what string
	}{{c.TTLs, "TTLs"}, {c.Sloppy, "some sloppy writes"}, {c.Retries, "retries"}, {c.Checks > 0, "reads that check"}} {
		if habit.is {
			clients += ", " + habit.what
		}
	}
	shards := count(c.Shards, "shard")
	if c.ShardsOdd > 0 {
		shards = fmt.Sprintf("%d or %s", c.Shards, count(c.ShardsOdd, "shard"))
	}
	clocks := fmt.Sprintf("within %v of the truth", c.Skew)
	if c.Drift > 0 {
		clocks += fmt.Sprintf(", drifting by up to %.3f %%", 100*c.Drift)
	}
	messages := fmt.Sprintf("%v one way", net.Delay)
	for _, trouble := range []struct {
		rate float64
		what string
	}{{net.Loss, "lost"}, {net.Copies, "twice"}, {net.Tail, "slow"}} {
		if trouble.rate > 0 {
			messages += fmt.Sprintf(", %.1f %% %s", 100*trouble.rate, trouble.what)
		}
	}
	return []table.Row{
		{"cluster", shape},
		{"levels", levels},
		{"memory", fmt.Sprintf("%s a node, %s, %s, policy %s", formatSize(c.Memory), shards, count(int(c.Partitions), "partition"), c.Policy)},
		{"", "lost by at most " + count(c.Down, "node") + " at a time"},
		{"clients", clients},
		{"clocks", clocks},
		{"messages", messages},
		{"gossip", fmt.Sprintf("within %v", net.Gossip)},
	}
}
