package main

import (
	"fmt"
)

// demoTally is what the demo counted, and the document that -o json prints. A field is never renamed; new ones may come.
type demoTally struct {
	Nodes         int      `json:"nodes"`
	Keys          int      `json:"keys"`
	Seconds       float64  `json:"seconds"`
	Operations    int      `json:"operations"` // reads and writes, each once however often it was tried
	Writes        int      `json:"writes"`
	Reads         int      `json:"checked_reads"`
	ReadsDown     int      `json:"checked_reads_while_down"` // begun and ended while a node was down
	FailedFirst   int      `json:"failed_first_try"`
	Failed        int      `json:"failed"` // after all tries
	Stale         int      `json:"stale"`
	Lost          int      `json:"lost"`
	Wrong         int      `json:"wrong"` // values that nobody wrote
	HintsOwedMost int64    `json:"hints_owed_most"`
	HintsOwedEnd  int64    `json:"hints_owed_end"`
	Problems      []string `json:"problems"` // why the demo failed; empty when it did not

	evidence [foundWrong + 1]string // the first finding of each kind
	failure  string                 // the first
}

// demoTries is how an operation went, over all its tries.
type demoTries struct {
	failedFirst bool
	unsure      bool  // a try that failed may still have written, or may yet
	err         error // of the last try; nil: one succeeded
}

// wrote counts a write.
func (t *demoTally) wrote(k int, a *demoTries) {
	t.Writes++
	t.operation("writing", k, a)
}

// read counts a read and what was found; down says whether a node was, all the while.
func (t *demoTally) read(k int, a *demoTries, found demoFinding, evidence string, down bool) {
	t.operation("reading", k, a)
	if a.err != nil {
		return // there was nothing to check
	}
	t.Reads++
	if down {
		t.ReadsDown++
	}
	switch found {
	case foundStale:
		t.Stale++
	case foundLost:
		t.Lost++
	case foundWrong:
		t.Wrong++
	case foundFine:
		return
	}
	if t.evidence[found] == "" {
		t.evidence[found] = evidence
	}
}

func (t *demoTally) operation(what string, k int, a *demoTries) {
	t.Operations++
	if a.failedFirst {
		t.FailedFirst++
	}
	if a.err != nil {
		t.Failed++
		if t.failure == "" {
			t.failure = fmt.Sprintf("%s %s: %s", what, demoKey(k), say(a.err))
		}
	}
}

// owed takes note of the hints owed now.
func (t *demoTally) owed(hints int64) {
	t.HintsOwedMost, t.HintsOwedEnd = max(t.HintsOwedMost, hints), hints
}

// judge says what the demo saw that must not be, if it was to check that many reads.
func (t *demoTally) judge(reads int) {
	t.Problems = []string{}
	problem := func(bad bool, format string, args ...any) {
		if bad {
			t.Problems = append(t.Problems, fmt.Sprintf(format, args...))
		}
	}
	problem(t.Failed > 0, "%d failed after %d tries within %v (%s)", t.Failed, triesMax, triesTime, t.failure)
	problem(t.Stale > 0, "%d stale (%s)", t.Stale, t.evidence[foundStale])
	problem(t.Lost > 0, "%d lost (%s)", t.Lost, t.evidence[foundLost])
	problem(t.Wrong > 0, "%d wrong (%s)", t.Wrong, t.evidence[foundWrong])
	problem(t.Reads < reads, "%d reads were checked, not %d", t.Reads, reads)
	problem(t.ReadsDown*10 < t.Reads, "%d of %d reads were checked while a node was down, not a tenth", t.ReadsDown, t.Reads)
	problem(t.HintsOwedMost == 0, "no hint was owed while a node was down")
	problem(t.HintsOwedEnd > 0, "%d hints are still owed", t.HintsOwedEnd)
}
