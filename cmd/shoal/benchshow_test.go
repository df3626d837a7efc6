package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/bench"
)

func TestSizesOfValuesAreReadAsGiven(t *testing.T) {
	for text, want := range map[string][]bench.Size{
		"100":             {{Least: 100, Most: 100, Weight: 1}},
		"100-4KiB":        {{Least: 100, Most: 4096, Weight: 1}},
		"100:9,1k-2k:0.5": {{Least: 100, Most: 100, Weight: 9}, {Least: 1024, Most: 2048, Weight: 0.5}},
		"99999999999999":  {{Least: 1 << 30, Most: 1 << 30, Weight: 1}}, // a Config refuses it
		"":                nil,
		"100:1":           nil,
		"100,200":         nil,
		"100:x,200:1":     nil,
		"100-":            nil,
		"-100":            nil,
		"1-2-3":           nil,
	} {
		got, err := parseSizes(text)
		if (err != nil) != (want == nil) || want != nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestIntervalsAreReadAsGiven(t *testing.T) {
	for text, want := range map[string]bench.Interval{
		"":        {},
		"10s":     {Least: 10 * time.Second, Most: 10 * time.Second},
		"10s-1m":  {Least: 10 * time.Second, Most: time.Minute},
		"1m -10s": {Least: time.Minute, Most: 10 * time.Second}, // a Config refuses it
	} {
		if got, err := parseInterval(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"10", "0s", "-5s", "1s-", "1s-x"} {
		if got, err := parseInterval(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func TestSparkDrawsFromNothingToTheGreatest(t *testing.T) {
	for want, of := range map[string][]float64{
		"":         {},
		"▁▁":       {0, 0},
		"█":        {7},
		"▁▃▅█":     {0, 2, 4, 7.9},
		"▁▂▃▄▅▆▇█": {0, 1, 2, 3, 4, 5, 6, 7},
	} {
		if got := spark(of); got != want {
			t.Errorf("%v: %s, want %s", of, got, want)
		}
	}
}

func TestTheLiveLineReplacesTheOneBefore(t *testing.T) {
	var b bytes.Buffer
	o := &benchOutput{tool: &tool{out: &b, terminal: true}, live: true}
	o.progress(bench.Progress{Phase: "load"})
	for i := range 2 * sparkWidth {
		o.progress(bench.Progress{Phase: "run", Seconds: bench.Seconds{End: float64(i + 1), PerSecond: 1000, P99Micros: 1500, Failed: 2}})
	}
	lines := strings.Split(b.String(), "\r\x1b[K")
	if want := "  60s  " + strings.Repeat("█", sparkWidth) + "  1000/s  p99 1.5ms  failed 2"; lines[1] != "load" || lines[len(lines)-1] != want {
		t.Fatalf("%q, want %q", lines, want)
	}
}

func TestExitCodesOfALoad(t *testing.T) {
	verified := func(v bench.Verified) *bench.Report { return &bench.Report{Requests: 10, Verified: &v} }
	for name, c := range map[string]struct {
		report *bench.Report
		err    error
		code   int
		said   string
	}{
		"all well":         {verified(bench.Verified{Reads: 5}), nil, exitOK, ""},
		"some failed":      {&bench.Report{Requests: 10, Errors: map[string]uint64{"quorum": 9}}, nil, exitOK, ""},
		"all failed":       {&bench.Report{Requests: 10, Errors: map[string]uint64{"quorum": 9, "timeout": 1}}, nil, exitNotFound, "all 10 requests failed: 1 timeout, 9 quorum"},
		"stale":            {verified(bench.Verified{Reads: 5, Stale: 1}), nil, exitNotFound, "of 5 values read 1 were stale, 0 corrupt and 0 another"},
		"corrupt":          {verified(bench.Verified{Reads: 5, Corrupt: 2}), errors.New("broke"), exitNotFound, "2 corrupt"},
		"foreign":          {verified(bench.Verified{Reads: 5, Foreign: 3}), nil, exitNotFound, "3 another"},
		"interrupted":      {verified(bench.Verified{Reads: 5}), fmt.Errorf("bench: %w", context.Canceled), exitTimeout, "interrupted: the report covers"},
		"not loaded":       {&bench.Report{Requests: 10, Keys: 100, FailedBefore: 2, Unloaded: 2}, nil, exitNotFound, "2 of 100 keys could not be loaded"},
		"loaded but few":   {&bench.Report{Requests: 10, Keys: 100, FailedBefore: 5, Unloaded: 1}, nil, exitOK, ""},
		"nothing answered": {&bench.Report{}, nil, exitOK, ""},
	} {
		err := outcome(c.report, c.err)
		if codeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.said) {
			t.Errorf("%s: %d, %v", name, codeOf(err), err)
		}
	}
}

func TestAShareThatWasMissedIsTold(t *testing.T) {
	for _, c := range []struct {
		doc  replayDocument
		want bool
	}{
		{replayDocument{Nodes: []heldNode{{Keys: 5, Evicted: 1}}}, false}, // nothing was planned
		{replayDocument{Entries: 100, Nodes: []heldNode{{Keys: 100, Evicted: 1}, {Keys: 96, Evicted: 1}}}, false},
		{replayDocument{Entries: 100, Nodes: []heldNode{{Keys: 100, Evicted: 1}, {Keys: 94, Evicted: 1}}}, true},
		{replayDocument{Entries: 100, Nodes: []heldNode{{Keys: 106, Evicted: 1}}}, true},
		{replayDocument{Entries: 100, Nodes: []heldNode{{Keys: 50}}}, false}, // a trace that did not fill it
	} {
		if got := c.doc.missed(); got != c.want {
			t.Errorf("%+v: %v", c.doc, got)
		}
	}
}
