package exhaust

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// small is a slice of every kind of event, so small that it fits into any test run.
func small(name string) Slice {
	all := map[string]Slice{
		"write and read at once":         {Ops: []Op{{Node: 0, Kind: Set}, {Node: 1, Kind: Get}}},
		"write, delete; eviction, ghost": {Ops: []Op{{Node: 0, Kind: Set}, {Node: 1, Kind: Delete, After: 1}}, Evictions: 1, Drops: 1, FaultsMax: 2},
		"write, read; message lost":      {Ops: []Op{{Node: 0, Kind: Set}, {Node: 1, Kind: Get, After: 1}}, Losses: 1, FaultsMax: 1, Passes: 1},
		"write; restart":                 {Ops: []Op{{Node: 0, Kind: Set}}, Restarts: 1, FaultsMax: 1, Passes: 1},
	}
	s := all[name]
	s.Name = name
	return s
}

// I1, I2, I8 and liveness, in every order of events; and that a search is the same every time.
func TestSmallSlicesAreTriedWholeAndKeepEveryPromise(t *testing.T) {
	for name, least := range map[string]int{
		"write and read at once": 80, "write, delete; eviction, ghost": 500, "write, read; message lost": 150, "write; restart": 300,
	} {
		t.Run(name, func(t *testing.T) {
			r := Run(t.Context(), small(name), nil)
			t.Logf("%d states, %d transitions, the longest run has %d", r.States, r.Transitions, r.Depth)
			if r.Violation != "" {
				t.Fatalf("%s\n%s", r.Violation, strings.Join(r.Trail, "\n"))
			}
			if !r.Complete || r.States < least || r.Transitions < r.States-1 || r.Depth < 5 {
				t.Errorf("%+v is less than there is", r)
			}
			if again := Run(t.Context(), small(name), nil); !reflect.DeepEqual(again, r) {
				t.Errorf("%+v, and again %+v", r, again)
			}
		})
	}
}

// One vote to read and one to write promise nothing: so there is an order of events in which a read is stale, and what
// is left of it in the end is what makes it so.
func TestWhatABrokenPromiseNeedsIsFoundAndShown(t *testing.T) {
	s := Slice{Ops: []Op{{Node: 0, Kind: Set}, {Node: 1, Kind: Get, After: 1}}, Losses: 1, FaultsMax: 1, Weak: true}
	r := Run(t.Context(), s, nil)
	if r.Complete || !strings.HasPrefix(r.Violation, "lost: op 2 finds nothing") {
		t.Fatalf("%+v", r)
	}
	if len(r.Trail) > 8 || !strings.HasPrefix(r.Trail[0], "op 1, a set, begins at n1") || !strings.Contains(r.Trail[len(r.Trail)-1], "lost: op 2") {
		t.Errorf("the way there is\n%s", strings.Join(r.Trail, "\n"))
	}
}

func TestAPanicIsABrokenPromise(t *testing.T) {
	r := Run(t.Context(), Slice{Ops: []Op{{Node: nodes, Kind: Set}}}, nil) // there is no such node
	if r.Complete || !strings.HasPrefix(r.Violation, "panic: ") || len(r.Trail) == 0 {
		t.Errorf("%+v", r)
	}
}

func TestASearchThatIsEndedSaysThatItIsNotComplete(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	told := 0
	r := Run(ctx, Slices()[0], func(so Result) {
		if told++; so.States == 0 || so.Transitions == 0 {
			t.Errorf("so far: %+v", so)
		}
		cancel()
	})
	if told != 1 || r.Complete || r.Violation != "" || r.Transitions > 2*progressEvery {
		t.Errorf("told %d times, %+v", told, r)
	}
}

func TestSlicesAreNamedApartAndFitTheWorld(t *testing.T) {
	names := map[string]bool{}
	for _, s := range Slices() {
		if names[s.Name] || s.Name == "" || len(s.Ops) == 0 || len(s.Ops) > 8 {
			t.Errorf("%+v", s)
		}
		names[s.Name] = true
		for i, o := range s.Ops {
			if o.Node < 0 || o.Node >= nodes || o.After > i {
				t.Errorf("%s: op %d is %+v", s.Name, i+1, o)
			}
		}
		switch faults := s.Evictions + s.Drops + s.Restarts + s.Losses; {
		case s.FaultsMax > 2 || s.FaultsMax > faults || faults > 0 && s.FaultsMax == 0:
			t.Errorf("%s: %d of %d faults may happen", s.Name, s.FaultsMax, faults)
		case s.Restarts > 0 && s.Passes == 0:
			t.Errorf("%s: who restarts never recovers", s.Name)
		case s.Drops > 0 && s.Evictions == 0:
			t.Errorf("%s: there is no ghost to drop", s.Name)
		}
	}
}

func TestThePageOfTestingHasEverySlice(t *testing.T) {
	page, err := os.ReadFile("../../docs/TESTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| slice | states |")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(table, "\n")[2:]
	for i, s := range Slices() {
		if i >= len(rows) || !strings.HasPrefix(rows[i], fmt.Sprintf("| %d | %s | ", i+1, s.Name)) {
			t.Errorf("row %d is not of %q: %q", i+1, s.Name, rows[min(i, len(rows)-1)])
		}
	}
	if len(rows) != len(Slices()) {
		t.Errorf("%d rows of %d slices", len(rows), len(Slices()))
	}
}

// A state is entered once, whichever way led to it first: so two ways to one fingerprint must go on alike.
func TestStatesOfOneFingerprintHaveOneFuture(t *testing.T) {
	for _, name := range []string{"write and read at once", "write, delete; eviction, ghost", "write, read; message lost", "write; restart"} {
		slice := small(name)
		future := func(path []choice) (next []string) {
			for _, c := range replay(&slice, path, false).choices(nil) {
				w := replay(&slice, path, false)
				w.take(c)
				next = append(next, fmt.Sprint(c, w.fingerprint(), w.wrong))
			}
			slices.Sort(next)
			return next
		}
		met, again := map[uint64][]string{}, 0
		var explore func(path []choice)
		explore = func(path []choice) {
			w := replay(&slice, path, false)
			f := w.fingerprint()
			if first, ok := met[f]; ok {
				if again++; !slices.Equal(future(path), first) {
					t.Fatalf("%s: what may come after %v is not what may come after another way to the same", name, path)
				}
				return
			}
			met[f] = future(path)
			for _, c := range w.choices(nil) {
				explore(append(slices.Clone(path), c))
			}
		}
		if explore(nil); again == 0 {
			t.Errorf("%s: no state is met twice", name)
		}
	}
}
