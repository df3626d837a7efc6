package main

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoalcache/shoal/sim"
	"github.com/shoalcache/shoal/wire"
)

// stuckPlan breaks a promise, which no plan does that is drawn: a node comes back empty, and the two that it would recover
// from stand still until the end, in the time in which nothing may go wrong.
func stuckPlan() sim.Plan {
	plan := sim.Plan{
		Seed: 7,
		Cluster: sim.Cluster{
			Nodes: 3, Datacenters: 1, Replicas: 3, Read: wire.LevelQuorum, Write: wire.LevelQuorum,
			Partitions: 8, Shards: 1, Memory: 1 << 20, Keys: 1, Down: 1,
		},
		Net: sim.Net{Delay: time.Millisecond, Gossip: time.Second}, Trouble: 90 * time.Second,
		Faults: []sim.Fault{
			{Number: 1, Kind: sim.Wipe, At: 89 * time.Second, For: time.Second / 2},
			{Number: 2, Kind: sim.Pause, At: 91 * time.Second, For: time.Hour, Node: 1},
			{Number: 3, Kind: sim.Pause, At: 91 * time.Second, For: time.Hour, Node: 2},
		},
	}
	for i := range 10 {
		plan.Asks = append(plan.Asks, sim.Ask{Number: i + 1, At: time.Duration(i+10) * time.Second, Op: wire.OpSet, Patient: true})
	}
	return plan
}

// simulateStuck simulates stuckPlan and returns the exit code and what was printed.
func simulateStuck(t *testing.T, order simOrder) (code int, out, screen string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	x := &tool{out: &stdout, err: &stderr}
	order.plan = stuckPlan()
	code = x.report(x.simulate(t.Context(), order), order.format)
	return code, stdout.String(), stderr.String()
}

func TestABrokenPromiseIsShownAndExitsWithOne(t *testing.T) {
	code, out, screen := simulateStuck(t, simOrder{})
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	if !regexp.MustCompile(`(?s)^SEED +7\n.*\npromises +broken: liveness\n\nliveness: n1 has not recovered [^\n]*\n$`).MatchString(out) {
		t.Errorf("printed\n%s", out)
	}
	want := "shoal: seed 7 broke liveness: cut it down with shoal sim run --seed 7 --ops 1-10 --faults 1-3 --shrink\n"
	if screen != want {
		t.Errorf("said %q, not %q", screen, want)
	}
}

func TestWhatIsLeftOfAFailureIsShownWithItsCommandAndItsTimeline(t *testing.T) {
	code, out, screen := simulateStuck(t, simOrder{cut: 100})
	left := regexp.MustCompile(`(?s)promises +broken: liveness\n.*\ncut down to 0 operations and 2 faults: liveness: n1 has not recovered [^\n]*\n` +
		`(shoal sim run --seed 7 --ops none --faults 1,[23] --timeline)\n\n.*fault 1: wipe n1 .*FAIL liveness: [^\n]*\n$`).FindStringSubmatch(out)
	if code != 1 || left == nil {
		t.Fatalf("exit code %d, printed\n%s", code, out)
	}
	if want := "shoal: seed 7 broke liveness: replay it with " + left[1] + "\n"; screen != want {
		t.Errorf("said %q, not %q", screen, want)
	}
}

func TestAFailureCutDownIsOneObjectInJSON(t *testing.T) {
	code, out, screen := simulateStuck(t, simOrder{cut: 100, style: style{format: formatJSON}})
	var got simulated
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	switch {
	case code != 1, got.Failure == nil, got.Failure.Promise != "liveness", got.Operations != 0, got.Faults != 2, got.KeptOps == nil, len(got.KeptOps) != 0,
		len(got.KeptFaults) != 2, got.KeptFaults[0] != 1, !strings.HasSuffix(got.Replay, " --timeline"), len(got.Timeline) == 0:
		t.Errorf("exit code %d, printed\n%s", code, out)
	}
	if !strings.HasPrefix(screen, `{"error":"seed 7 broke liveness: replay it with shoal sim run --seed 7 --ops none --faults 1,`) {
		t.Errorf("said %s", screen)
	}
}

func TestTheTimelineOfAFailureIsThatOfTheWholePlanWhereItIsNotCutDown(t *testing.T) {
	_, out, _ := simulateStuck(t, simOrder{timeline: true})
	if !strings.Contains(out, "op 10 ") || !strings.Contains(out, "fault 3: pause n3") {
		t.Errorf("printed\n%s", out)
	}
}

func TestAFailureThatIsNotCutDownToTheEndSaysSoAndHowToGoOn(t *testing.T) {
	var out bytes.Buffer
	plan := stuckPlan()
	r := sim.Result{Failure: &sim.Failure{Promise: "I2", Text: "stale"}}
	if err := (&tool{out: &out}).showCut(&plan, &r, false); err != nil {
		t.Fatal(err)
	}
	want := "\ninterrupted, cut down so far to 10 operations and 3 faults: I2: stale\nshoal sim run --seed 7 --ops 1-10 --faults 1-3 --shrink\n"
	if out.String() != want {
		t.Errorf("printed %q, not %q", out.String(), want)
	}
}

func TestACutThatIsInterruptedHasNoTimelineUnlessItWasAskedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	whole := sim.Result{Failure: &sim.Failure{Promise: "liveness", Text: "as the whole plan fails"}}
	for _, asked := range []bool{false, true} {
		order := simOrder{plan: stuckPlan(), cut: 100, timeline: asked}
		left, r, done := (&tool{err: &bytes.Buffer{}}).cutFailure(ctx, order, whole)
		if done || len(left.Asks) != 10 || r.Failure == nil || (len(r.Timeline) > 0) != asked {
			t.Errorf("asked for %v: done %v, %d operations left, %v, %d lines", asked, done, len(left.Asks), r.Failure, len(r.Timeline))
		}
	}
}

func TestAStarvedRunSaysSo(t *testing.T) {
	var out bytes.Buffer
	plan := sim.Draw(3)
	r := sim.Result{Seed: 3, Operations: 100, Acknowledged: 49}
	if err := (&tool{out: &out}).showSimulated(&plan, &r); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "49.0 % acknowledged") || !strings.Contains(got, "\nstarved ") || !strings.Contains(got, "every promise kept\n") {
		t.Errorf("printed\n%s", got)
	}
	if !newSimulated(&plan, &r).Starved {
		t.Error("JSON does not say so")
	}
}

func TestTheShapeOfEveryClusterFitsATerminal(t *testing.T) {
	for seed := range uint64(300) {
		var out bytes.Buffer
		plan := sim.Draw(seed)
		if err := (&tool{out: &out}).showSimulated(&plan, &sim.Result{Seed: seed, Operations: 2100, Acknowledged: 1, Events: 3_000_000}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
				t.Errorf("seed %d: %d columns: %s", seed, n, line)
			}
		}
	}
}

func TestALineOnATerminalIsDrawnEverySecondAndTakenAway(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		lasts    time.Duration
		want     string
	}{
		{true, 2500 * time.Millisecond, "\r1s\x1b[K\r2s\x1b[K\r\x1b[K"},
		{true, time.Millisecond, "\r\x1b[K"},
		{false, 2500 * time.Millisecond, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var screen bytes.Buffer
			stop := (&tool{err: &screen, errTerminal: c.terminal}).ticking(func(so time.Duration) string { return so.String() })
			time.Sleep(c.lasts)
			stop()
			if screen.String() != c.want {
				t.Errorf("terminal %v, %v: %q, not %q", c.terminal, c.lasts, screen.String(), c.want)
			}
		})
	}
}
