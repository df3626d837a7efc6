package sim

import "time"

// Tally sums up runs.
type Tally struct {
	From         uint64         `json:"from"`
	Seeds        int            `json:"seeds"`
	Clean        int            `json:"clean"`   // kept every promise, and at least half of their operations were acknowledged
	Starved      int            `json:"starved"` // kept every promise, but prove little: fewer were acknowledged
	Operations   int            `json:"operations"`
	Acknowledged int            `json:"acknowledged"`
	Faults       int            `json:"faults"`
	Events       int            `json:"events"`
	States       map[string]int `json:"states"` // how often each state and fault was reached
	Failures     []FailedSeed   `json:"failures"`
	Elapsed      time.Duration  `json:"-"`
}

// FailedSeed is a seed whose run broke a promise.
type FailedSeed struct {
	Seed uint64 `json:"seed"`
	Failure
}

// Add puts a run on top of t.
func (t *Tally) Add(r *Result) {
	t.Seeds++
	t.Operations += r.Operations
	t.Acknowledged += r.Acknowledged
	t.Faults += r.Faults
	t.Events += r.Events
	switch {
	case r.Failure != nil:
		t.Failures = append(t.Failures, FailedSeed{r.Seed, *r.Failure})
	case r.Starved():
		t.Starved++
	default:
		t.Clean++
	}
	if t.States == nil {
		t.States = map[string]int{}
	}
	for state, n := range r.States {
		t.States[state] += n
	}
}
