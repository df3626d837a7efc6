package sim

// Failure is a promise that a run broke: its number in docs/CONSISTENCY.md, or "values" (something was read that
// nobody wrote), "late" (a write was stored past its deadline), "liveness" (something was never done), "waste" (repair did what
// nobody needed), "determinism" (two runs of one plan differ) or "panic".
type Failure struct {
	Promise string `json:"promise"`
	Text    string `json:"text"`
}

// String shows the failure in one line.
func (f *Failure) String() string { return f.Promise + ": " + f.Text }

// Result is how a run ended.
type Result struct {
	Seed         uint64
	Operations   int
	Acknowledged int
	Faults       int // that happened
	Events       int
	Trace        uint64         // equal for equal runs
	States       map[string]int // how often each state and fault was reached
	Failure      *Failure       // nil if every promise was kept
	Timeline     []string       // where it was asked for
}

// Starved reports whether fewer than half of the operations were acknowledged: such a run proves little, and is
// not counted as clean.
func (r *Result) Starved() bool { return 2*r.Acknowledged < r.Operations }
