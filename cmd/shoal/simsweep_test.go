package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/sim"
)

// failedTally is a sweep such as none of the shipped code is: two seeds of it broke a promise.
func failedTally() *sim.Tally {
	return &sim.Tally{
		From: 100, Seeds: 50, Clean: 45, Starved: 3, Operations: 100_000, Acknowledged: 81_300, Faults: 1300, Events: 4_000_000,
		States: map[string]int{"crash": 3, "cut": 4}, Elapsed: 90 * time.Second,
		Failures: []sim.FailedSeed{
			{Seed: 103, Failure: sim.Failure{Promise: "I2", Text: "stale: op 7 reads k1"}},
			{Seed: 120, Failure: sim.Failure{Promise: "liveness", Text: "n1 has not recovered"}},
		},
	}
}

func TestASweepWithFailuresNamesEachWithItsCommandAndExitsWithOne(t *testing.T) {
	var out bytes.Buffer
	s := newSwept(failedTally())
	if err := (&tool{out: &out}).present(style{}, s); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?s)^FROM SEED 100 +IN 90.0 SECONDS\nseeds +50, each run twice\nseeds an hour +2000\noperations a seed +2000\n` +
		` +acknowledged +81.3 %\nfaults a seed +26.0\nstates reached +2\nclean +45\nstarved +3, with .*\nfailed +2\n\n` +
		`seed 103  I2: stale: op 7 reads k1\n  shoal sim run --seed 103 --shrink\n\n` +
		`seed 120  liveness: n1 has not recovered\n  shoal sim run --seed 120 --shrink\n$`).MatchString(out.String()) {
		t.Errorf("printed\n%s", out.String())
	}
	for line := range strings.Lines(out.String()) {
		if n := len(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, interrupted := range []error{nil, context.Canceled} {
		err := s.outcome(interrupted)
		if want := "2 of 50 seeds broke a promise: cut the first down with shoal sim run --seed 103 --shrink"; codeOf(err) != 1 || err.Error() != want {
			t.Errorf("interrupted %v: exit code %d, %v", interrupted, codeOf(err), err)
		}
	}
}

func TestASweepWithFailuresIsItsTallyInJSON(t *testing.T) {
	var out bytes.Buffer
	if err := (&tool{out: &out}).present(style{format: formatJSONLines}, newSwept(failedTally())); err != nil {
		t.Fatal(err)
	}
	want := `{"from":100,"seeds":50,"clean":45,"starved":3,"operations":100000,"acknowledged":81300,"faults":1300,"events":4000000,` +
		`"states":{"crash":3,"cut":4},"failures":[` +
		`{"seed":103,"promise":"I2","text":"stale: op 7 reads k1","replay":"shoal sim run --seed 103 --shrink"},` +
		`{"seed":120,"promise":"liveness","text":"n1 has not recovered","replay":"shoal sim run --seed 120 --shrink"}],` +
		`"seconds":90,"seeds_per_hour":2000}` + "\n"
	if out.String() != want {
		t.Errorf("printed\n%s, not\n%s", out.String(), want)
	}
	empty, err := json.Marshal(newSwept(&sim.Tally{}))
	if err != nil || !strings.Contains(string(empty), `"states":{},"failures":[]`) {
		t.Errorf("nothing swept is %s, %v", empty, err)
	}
}

func TestASweepWithoutFailuresExitsByWhetherItWasInterrupted(t *testing.T) {
	s := newSwept(&sim.Tally{Seeds: 3, Clean: 3})
	if err := s.outcome(nil); err != nil {
		t.Error(err)
	}
	if err := s.outcome(context.Canceled); codeOf(err) != exitTimeout {
		t.Errorf("interrupted: %v, exit code %d", err, codeOf(err))
	}
}

func TestASweepThatTriedNothingIsNoSuccess(t *testing.T) {
	s := newSwept(&sim.Tally{})
	if err := s.outcome(nil); codeOf(err) != exitNotFound || !strings.Contains(err.Error(), "nothing was tried") {
		t.Errorf("%v, exit code %d", err, codeOf(err))
	}
	if err := s.outcome(context.Canceled); codeOf(err) != exitTimeout || !strings.Contains(err.Error(), "nothing was tried") {
		t.Errorf("interrupted: %v, exit code %d", err, codeOf(err))
	}
}

func TestACutOfAFailedSeedReplacesItsTextAndItsCommand(t *testing.T) {
	f := sweptFailure{FailedSeed: sim.FailedSeed{Seed: 7, Failure: sim.Failure{Promise: "liveness", Text: "as the whole plan fails"}}, uncut: true}
	(&tool{err: &bytes.Buffer{}}).cutSwept(t.Context(), stuckPlan(), &f, 100)
	if !strings.HasPrefix(f.Text, "n1 has not recovered") || f.uncut || !regexp.MustCompile(`^shoal sim run --seed 7 --ops none --faults 1,[23] --timeline$`).MatchString(f.Replay) {
		t.Errorf("%+v", f)
	}
}

func TestACutThatIsInterruptedLeavesACommandThatGoesOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := sweptFailure{FailedSeed: failedTally().Failures[0]}
	(&tool{err: &bytes.Buffer{}}).cutSwept(ctx, sim.Draw(f.Seed), &f, 100)
	if f.FailedSeed != failedTally().Failures[0] || !f.uncut || f.Replay != "shoal sim run --seed 103 --shrink" {
		t.Errorf("%+v", f)
	}
}

func TestTheCutOfASeedThatDoesNotFailAgainIsItsCommand(t *testing.T) {
	x := &tool{err: &bytes.Buffer{}}
	f := newSwept(failedTally()).Failures[0]
	x.cutSwept(t.Context(), sim.Draw(f.Seed), &f, 1)
	if f.Replay != "shoal sim run --seed 103 --timeline" || f.uncut { // nothing was left out: the seed does not fail
		t.Errorf("%+v", f)
	}
	s := newSwept(failedTally())
	s.Failures[0] = f
	if err := s.outcome(nil); !strings.HasSuffix(err.Error(), ": replay the first with shoal sim run --seed 103 --timeline") {
		t.Error(err)
	}
	var broken *brokenError
	if !errors.As(s.outcome(nil), &broken) {
		t.Error("it is no broken promise")
	}
}

func TestTheLineOfASweepFitsATerminalAndSaysWhatIsLeft(t *testing.T) {
	so := failedTally()
	for _, c := range []struct {
		sweep sim.Sweep
		want  string
	}{
		{sim.Sweep{Seeds: 100}, "[####----]  50 seeds  2000/h  81% acked  1300 faults  2 failed  1m30s left"},
		{sim.Sweep{For: 2 * time.Minute}, "[######--]  50 seeds  2000/h  81% acked  1300 faults  2 failed  30s left"},
		{sim.Sweep{Seeds: 1000, For: 2 * time.Minute}, "[######--]  50 seeds  2000/h  81% acked  1300 faults  2 failed  30s left"},
		{sim.Sweep{Seeds: 50, For: 2 * time.Minute}, "[########]  50 seeds  2000/h  81% acked  1300 faults  2 failed  0s left"},
		{sim.Sweep{For: time.Minute}, "[########]  50 seeds  2000/h  81% acked  1300 faults  2 failed  0s left"},
		{sim.Sweep{}, "50 seeds  2000/h  81% acked  1300 faults  2 failed  Ctrl-C ends"},
	} {
		if got := sweepLine(&c.sweep, so); got != c.want {
			t.Errorf("%+v: %q, not %q", c.sweep, got, c.want)
		}
	}
	long := &sim.Tally{Seeds: 2_345_678, Operations: 1e9, Acknowledged: 1e9, Faults: 57_000_000, Elapsed: 23 * time.Hour, Failures: make([]sim.FailedSeed, 99)}
	if got := sweepLine(&sim.Sweep{For: 48 * time.Hour}, long); len(got) > 79 {
		t.Errorf("%d columns: %s", len(got), got)
	}
	if got := sweepLine(&sim.Sweep{Seeds: 10}, &sim.Tally{}); !strings.HasPrefix(got, "[--------]  0 seeds") {
		t.Error(got)
	}
}
