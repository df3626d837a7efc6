package main

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

const seeds = 5000

func TestAPlanIsAFunctionOfItsSeed(t *testing.T) {
	for seed := range uint64(100) {
		p := draw(seed, time.Minute)
		if q := draw(seed, time.Minute); !reflect.DeepEqual(p, q) {
			t.Fatalf("seed %d has two plans:\n%s\n%s", seed, p.show(), q.show())
		}
		if q := draw(seed+1, time.Minute); reflect.DeepEqual(p.Faults, q.Faults) {
			t.Fatalf("seeds %d and %d have the same faults", seed, seed+1)
		}
	}
}

func TestNoPlanAsksForMoreThanThePromisesAllow(t *testing.T) {
	drawn := map[kind]int{}
	for seed := range uint64(seeds) {
		p := draw(seed, time.Minute)
		if p.Nodes < replicas || p.Nodes > 5 {
			t.Fatalf("seed %d has %d nodes", seed, p.Nodes)
		}
		if !slices.IsSortedFunc(p.Faults, func(a, b fault) int { return int(a.At - b.At) }) {
			t.Fatalf("faults are not in order:\n%s", p.show())
		}
		for i := range p.Faults {
			f := &p.Faults[i]
			drawn[f.Kind]++
			if f.At < calm || f.For <= 0 || f.ends() > p.Trouble-calm || f.Node < 0 || f.Node >= p.all() || (f.Kind == join) != (f.Node == p.Nodes && !slices.ContainsFunc(p.Faults[:i], joins)) && f.Node >= p.Nodes {
				t.Fatalf("%s is out of bounds:\n%s", f, p.show())
			}
			for k := range p.Faults[i+1:] {
				if g := &p.Faults[i+1+k]; !mayFollow(f, g) {
					t.Fatalf("after %s there is %s too early:\n%s", f, g, p.show())
				}
			}
			checkSides(t, &p, f)
		}
	}
	for _, k := range kinds {
		if drawn[k] < seeds/50 {
			t.Errorf("%d plans have %d of %s", seeds, drawn[k], k)
		}
	}
}

func joins(f fault) bool { return f.Kind == join }

// mayFollow reports whether g, which begins later than f, may begin when it does.
func mayFollow(f, g *fault) bool {
	switch {
	case f.Kind.forgets() && g.Kind.forgets():
		back := refilled
		switch f.Kind {
		case wipe:
			back += wipedFor
		case join:
			back = 0
		}
		return g.At >= f.ends()+back
	case f.Kind.parts() != g.Kind.parts():
		return true
	case f.Kind.parts():
		return g.At >= f.ends()
	}
	return f.Node != g.Node || g.At >= f.ends()
}

// checkSides looks at who is cut off from whom, and at what clocks are off by.
func checkSides(t *testing.T, p *plan, f *fault) {
	t.Helper()
	ok := true
	switch f.Kind {
	case halves:
		ok = len(f.Others)+1 <= p.Nodes/2 && len(f.cuts(p.Nodes)) == 2*(len(f.Others)+1)*(p.Nodes-len(f.Others)-1)
	case oneWay:
		ok = len(f.Others) > 0 && len(f.cuts(p.Nodes)) == len(f.Others)
	case alone:
		ok = len(f.Others) == 0 && len(f.cuts(p.Nodes)) == 2*(p.Nodes-1)
	case clock:
		ok = f.Offset != 0 && f.Offset.Abs() < 5*time.Second // and so within the skew bound of 10 s, two of them apart, too
	}
	if !ok || slices.Contains(f.Others, f.Node) {
		t.Fatalf("%s: %v, in\n%s", f, f.cuts(p.Nodes), p.show())
	}
}

func TestOneWayCutsWhatTheNodeSendsAndNotWhatItHears(t *testing.T) {
	f := fault{Kind: oneWay, Node: 1, Others: []int{0, 2}}
	if got := f.cuts(4); !reflect.DeepEqual(got, [][2]int{{1, 0}, {1, 2}}) {
		t.Errorf("it cuts %v", got)
	}
	f = fault{Kind: halves, Node: 3, Others: []int{1}}
	if got := f.cuts(4); !reflect.DeepEqual(got, [][2]int{{0, 1}, {0, 3}, {1, 0}, {1, 2}, {2, 1}, {2, 3}, {3, 0}, {3, 2}}) {
		t.Errorf("halves cut %v", got)
	}
}
