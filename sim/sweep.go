package sim

import (
	"maps"
	"slices"
)

// Tally sums up runs.
type Tally struct {
	Seeds        int            `json:"seeds"`
	Starved      int            `json:"starved"` // of Seeds: fewer than half of the operations were acknowledged, which proves little
	Operations   int            `json:"operations"`
	Acknowledged int            `json:"acknowledged"`
	Faults       int            `json:"faults"`
	Events       int            `json:"events"`
	States       map[string]int `json:"states"` // how often each state and fault was reached
	Failures     []Failure      `json:"failures"`
}

// Failure is a broken promise.
type Failure struct {
	Seed uint64 `json:"seed"`
	What string `json:"what"`
}

// failuresMax is how many failures a tally keeps; the rest is counted only.
const failuresMax = 1000

// Add puts a run on top of t.
func (t *Tally) Add(r *Result) {
	t.Seeds++
	t.Operations += r.Operations
	t.Acknowledged += r.Acknowledged
	t.Faults += r.Faults
	t.Events += r.Events
	if 2*r.Acknowledged < r.Operations {
		t.Starved++
	}
	if t.States == nil {
		t.States = map[string]int{}
	}
	for state, n := range r.Counts {
		t.States[state] += n
	}
	if r.Failure != "" && len(t.Failures) < failuresMax {
		t.Failures = append(t.Failures, Failure{r.Seed, r.Failure})
	}
}

// Reached lists the states that were reached, by name.
func (t *Tally) Reached() []string { return slices.Sorted(maps.Keys(t.States)) }

// Twice runs a plan two times and fails the result where the traces differ: then something in the core depends on
// more than its inputs.
func Twice(plan Plan) Result {
	first, second := Run(plan, false), Run(plan, false)
	if first.Trace != second.Trace && first.Failure == "" {
		first.Failure = "determinism: two runs of one plan differ"
	}
	return first
}
