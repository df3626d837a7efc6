package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/sim"
)

// Which seed finds a bug changes with the simulator, so that this asks for a bug that nearly every seed finds.
func TestABugIsFoundReplayedAndMissedWhereItIsNot(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the simulator")
	}
	module, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	bugs, err := readBugs(root)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(bugs, func(b bug) bool { return b.name == "last-reply-wins" })
	if i < 0 {
		t.Fatal("the bug that this test plants is gone: use another that soon shows")
	}
	var told strings.Builder
	good, err := run(t.Context(), &told, module, bugs[i:i+1], atMost(100))
	if err != nil || len(good) != 1 || good[0].seed == 0 {
		t.Fatalf("%v\n%s", err, &told)
	}
	if err := replay(t.Context(), &told, module, good); err != nil {
		t.Errorf("%v\n%s", err, &told)
	}
	if err := good[0].blamed(t.Context()); err != nil {
		t.Error(err)
	}
	var shown strings.Builder
	if err := showBug(t.Context(), &shown, module, good); err != nil || !strings.Contains(shown.String(), "FAIL "+good[0].found) {
		t.Errorf("%v\n%s", err, &shown)
	}
	if err := showBug(t.Context(), &shown, module, bugs); err == nil {
		t.Error("all of them are shown at once")
	}
	if good[0].found = "I5"; replay(t.Context(), &told, module, good) == nil || !strings.Contains(told.String(), "and not I5") {
		t.Errorf("another promise than recorded is taken for it\n%s", &told)
	}
	still := bug{name: "still", edits: []edit{{"sim/doc.go", "package sim\n", "package sim // unchanged\n"}}, breaks: []string{"I2"}}
	if good, err = run(t.Context(), &told, module, []bug{still}, atMost(1)); err == nil || len(good) > 0 || !strings.Contains(told.String(), "still is not found by 1 seeds") {
		t.Errorf("what breaks nothing is found: %v\n%s", err, &told)
	}
	broken := bug{name: "broken", edits: []edit{{"sim/doc.go", "package sim\n", "package sim\n\nvar x int = nil\n"}}, breaks: []string{"I2"}}
	if _, err = run(t.Context(), &told, module, []bug{broken}, atMost(1)); err == nil || !strings.Contains(told.String(), "broken does not build") {
		t.Errorf("what does not build is no failure: %v\n%s", err, &told)
	}
}

func TestWhatIsFoundHasToBeWhatIsExpected(t *testing.T) {
	const advice = "make planted-record"
	for _, x := range []struct {
		b     bug
		fails []sim.FailedSeed
		run   string // what is wrong with it as found
		again string // as replayed
	}{
		{bug{seed: 3, found: "I2", breaks: []string{"I1", "I2"}}, failure(3, "I2"), "", ""},
		{bug{seed: 3, found: "I4", breaks: []string{"I1", "I2"}}, failure(3, "I4"), "breaks I4, and is expected to break I1, I2", ""},
		{bug{seed: 3, found: "I2", breaks: []string{"I1", "I2"}}, failure(3, "I1"), "", advice},
		{bug{seed: 3, found: "I2", breaks: []string{"I1", "I2"}}, nil, "", advice},
		{bug{breaks: []string{"I2"}}, nil, "is not found by 9 seeds", advice},
		{bug{breaks: []string{"I2"}, gap: "No fault reaches it."}, nil, "", advice},
	} {
		x.b.name = "x"
		holds(t, x.b.judge(9), x.run)
		holds(t, x.b.compare(sim.Tally{Failures: x.fails}), x.again)
	}
}

func TestASeedThatWasInterruptedIsNotCleanWithoutItsBug(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	holds(t, (&bug{name: "x", seed: 1}).blamed(ctx), "interrupted")
}

func atMost(seeds int) func(*bug) int { return func(*bug) int { return seeds } }

func failure(seed uint64, promise string) []sim.FailedSeed {
	return []sim.FailedSeed{{Seed: seed, Failure: sim.Failure{Promise: promise}}}
}

func holds(t *testing.T, err error, says string) {
	t.Helper()
	switch {
	case says == "" && err != nil:
		t.Error(err)
	case says != "" && (err == nil || !strings.Contains(err.Error(), "bug x ") || !strings.Contains(err.Error(), says)):
		t.Errorf("%q is not said, but %v", says, err)
	}
}
