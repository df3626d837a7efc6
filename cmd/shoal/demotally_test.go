package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// clean is a tally that nothing is wrong with.
func clean() *demoTally {
	t := new(demoTally)
	for i := range 100 {
		t.read(i, new(demoTries), foundFine, "", i < 10)
	}
	t.wrote(1, new(demoTries))
	t.owed(5)
	t.owed(0)
	return t
}

func TestTallyFindsNoFaultWithACleanShow(t *testing.T) {
	c := clean()
	if c.judge(100); len(c.Problems) != 0 {
		t.Error(c.Problems)
	}
	if c.Operations != 101 || c.Writes != 1 || c.Reads != 100 || c.ReadsDown != 10 || c.HintsOwedMost != 5 || c.HintsOwedEnd != 0 {
		t.Errorf("%+v", c)
	}
}

func TestTallySaysWhatItSaw(t *testing.T) {
	failed := &demoTries{failedFirst: true, err: errors.New("client: no answer")}
	for _, c := range []struct {
		what string
		do   func(*demoTally)
		want string // "" for no problem
	}{
		{"a failed first try", func(t *demoTally) { t.wrote(1, &demoTries{failedFirst: true}) }, ""},
		{"a failed write", func(t *demoTally) { t.wrote(1, failed) }, "1 failed after 3 tries within 1s (writing demo:000001: no answer)"},
		{"a failed read", func(t *demoTally) { t.read(2, failed, foundLost, "x", false) }, "1 failed after 3 tries within 1s (reading demo:000002: no answer)"},
		{"two stale reads", func(t *demoTally) {
			t.read(1, new(demoTries), foundStale, "old", true)
			t.read(2, new(demoTries), foundStale, "older", false)
		}, "2 stale (old)"},
		{"a lost key", func(t *demoTally) { t.read(1, new(demoTries), foundLost, "gone", true) }, "1 lost (gone)"},
		{"a wrong value", func(t *demoTally) { t.read(1, new(demoTries), foundWrong, "odd", true) }, "1 wrong (odd)"},
		{"too few reads", func(t *demoTally) { t.Reads-- }, "99 reads were checked, not 100"},
		{"too few of them while a node was down", func(t *demoTally) { t.ReadsDown-- }, "9 of 100 reads were checked while a node was down, not a tenth"},
		{"no hints", func(t *demoTally) { t.HintsOwedMost = 0 }, "no hint was owed while a node was down"},
		{"hints that stay", func(t *demoTally) { t.owed(3) }, "3 hints are still owed"},
	} {
		got := clean()
		c.do(got)
		got.judge(100)
		if s := strings.Join(got.Problems, "; "); s != c.want {
			t.Errorf("%s: %q, want %q", c.what, s, c.want)
		}
	}
}

// What was counted comes as the JSON that was asked for, and a problem is an exit code of 1 and a line.
func TestDemoFailsWithWhatItSaw(t *testing.T) {
	for _, lie := range []bool{false, true} {
		var out, stderr bytes.Buffer
		tool := &tool{out: &out, err: &stderr}
		d := &demo{dev: &dev{tool: tool, nodes: make([]devNode, 3)}, load: newDemoLoad(5), reads: 100, began: time.Now()}
		d.load.tally = *clean()
		if lie {
			d.load.tally.read(1, new(demoTries), foundStale, "old", true)
		}
		code := tool.report(d.verdict(formatJSON), "")
		var got demoTally
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%v in %s", err, &out)
		}
		if got.Nodes != 3 || got.Keys != 5 || got.Reads < 100 || got.Stale != len(got.Problems) {
			t.Errorf("%s", &out)
		}
		switch {
		case lie && (code != 1 || stderr.String() != "shoal: the demo failed: 1 stale (old)\n"):
			t.Errorf("exit code %d, %q", code, &stderr)
		case !lie && (code != 0 || stderr.Len() > 0):
			t.Errorf("exit code %d, %q", code, &stderr)
		}
	}
}

func TestDemoThatTakesTooLongSaysHowFarItCame(t *testing.T) {
	d := &demo{load: newDemoLoad(5), reads: 200}
	d.load.tally = *clean()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := d.until(ctx, func(*demoSight) bool { return true })
	if err == nil || codeOf(err) != 1 || !strings.Contains(err.Error(), "not done after 10m0s, with 100 of 200 reads checked and 0 hints owed") {
		t.Error(err)
	}
}
