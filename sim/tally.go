package sim

// Tally sums up runs.
type Tally struct {
	Seeds        int
	Starved      int // of Seeds: fewer than half of the operations were acknowledged, which proves little
	Operations   int
	Acknowledged int
	Faults       int
	Events       int
	States       map[string]int // how often each state and fault was reached
}

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
}
