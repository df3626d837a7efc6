package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// This file owns what is told of a run and of all.

// report is one run.
type report struct {
	Seed      uint64        `json:"seed"`
	Nodes     int           `json:"nodes"`
	Network   string        `json:"network"`
	Faults    map[kind]int  `json:"faults"`
	Skipped   map[kind]int  `json:"skipped"`
	Converged time.Duration `json:"converged_ns"` // after the last fault
	Starts    int           `json:"starts_again"` // of nodes that found none to join
	Problems  []string      `json:"problems"`     // what no fault explains, beside broken promises
	Files     string        `json:"files,omitempty"`
	Spans     []span        `json:"without_memory"`
	Copies    copies        `json:"copies"`
	Pressed   pressed       `json:"hints_on_full_disks"`
	Plan      plan          `json:"plan"`
	*verdict
}

// kept reports whether every promise was.
func (r *report) kept() bool { return len(r.Violations) == 0 && len(r.Problems) == 0 }

// line is the run in one.
func (r *report) line() string {
	return fmt.Sprintf("seed %d: %d nodes; %s; %d operations, %d checked, %d acked, %d unsure, %d not done, %d misses (%d forgotten), %s; converged in %.1fs; %d copies compared, %d differ, the same in %.1fs",
		r.Seed, r.Nodes, tally(r.Faults), r.Ops, r.Checked, r.Acked, r.Unsure, r.Undone, r.Misses, r.Forgotten, r.broken(), r.Converged.Seconds(),
		r.Copies.Compared, r.Copies.Differing, r.Copies.Same.Seconds())
}

func (r *report) broken() string {
	var text []string
	for _, b := range breaches {
		text = append(text, fmt.Sprintf("%d %s", r.Broken[b], b))
	}
	return strings.Join(text, ", ")
}

// tally is faults by kind.
func tally(n map[kind]int) string {
	var text []string
	for _, k := range kinds {
		if n[k] > 0 {
			text = append(text, fmt.Sprintf("%d %s", n[k], k))
		}
	}
	if text == nil {
		return "no faults"
	}
	return strings.Join(text, ", ")
}

const shownMax = 5 // violations that are told of a run; all are in its file

// evidence is what was broken, with the operations that show it.
func (r *report) evidence() string {
	var b strings.Builder
	for i, v := range r.Violations {
		if i == shownMax {
			fmt.Fprintf(&b, "  and %d more, see %s\n", len(r.Violations)-i, filepath.Join(r.Files, "report.json"))
			break
		}
		fmt.Fprintf(&b, "  FAIL %s: %s: %s\n", v.Breach, v.Key, v.Text)
		for k := range v.Ops {
			fmt.Fprintf(&b, "    %s\n", &v.Ops[k])
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "  FAIL %s\n", p)
	}
	return b.String()
}

// save writes the report beside what the nodes wrote.
func (r *report) save(dir string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "report.json"), text, 0o644)
}

// summary is all runs.
type summary struct {
	Runs []*report `json:"runs"`
	Kept bool      `json:"kept"`
}

func (s *summary) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(s)
}

// table is what all runs add up to.
func (s *summary) table(w io.Writer) error {
	faults, skipped, broken := map[kind]int{}, map[kind]int{}, map[breach]int{}
	var ops, checked, acks, unsures, misses, forgot, problems int
	var full pressed
	var compared, differ, forgottenCopies, exchanged int
	slowest, same := time.Duration(0), time.Duration(0)
	for _, r := range s.Runs {
		for _, k := range kinds {
			faults[k] += r.Faults[k]
			skipped[k] += r.Skipped[k]
		}
		for _, b := range breaches {
			broken[b] += r.Broken[b]
		}
		ops, checked, acks, unsures = ops+r.Ops, checked+r.Checked, acks+r.Acked, unsures+r.Unsure
		misses, forgot, problems = misses+r.Misses, forgot+r.Forgotten, problems+len(r.Problems)
		compared, differ, forgottenCopies, exchanged = compared+r.Copies.Compared, differ+r.Copies.Differing, forgottenCopies+r.Copies.Forgotten, exchanged+int(r.Copies.After)
		full = pressed{full.Owed + r.Pressed.Owed, full.Refused + r.Pressed.Refused, full.Dropped + r.Pressed.Dropped}
		slowest, same = max(slowest, r.Converged), max(same, r.Copies.Same)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nruns\t%d\nfaults\t%s\n", len(s.Runs), tally(faults))
	if text := tally(skipped); text != "no faults" {
		fmt.Fprintf(t, "skipped\t%s\n", text)
	}
	fmt.Fprintf(t, "operations\t%d, of which %d acknowledged, %d unsure\n", ops, acks, unsures)
	fmt.Fprintf(t, "answers checked\t%d, of which %d misses, %d forgotten\n", checked, misses, forgot)
	for _, b := range breaches {
		fmt.Fprintf(t, "%s\t%d\n", b, broken[b])
	}
	if full != (pressed{}) {
		fmt.Fprintf(t, "hints on full disks\t%d owed in memory, %d dropped; %d times refused\n", full.Owed, full.Dropped, full.Refused)
	}
	fmt.Fprintf(t, "copies compared\t%d, of which %d an owner may have forgotten\ncopies that differ\t%d\n", compared, forgottenCopies, differ)
	fmt.Fprintf(t, "partitions that differ\t%d, when compared once more\n", exchanged)
	fmt.Fprintf(t, "other problems\t%d\nslowest to converge\t%.1fs, and %.1fs until copies were the same\n", problems, slowest.Seconds(), same.Seconds())
	return t.Flush()
}
