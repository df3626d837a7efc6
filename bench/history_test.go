package bench

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// past is a write as a deliberately simple second history keeps it: everything, for ever.
type past struct {
	name, acked uint64 // acked 0: not
	unsure      bool
}

// mayFind is the promise itself: not stale is what no other write, acknowledged before the read began, had begun after.
func mayFind(all []past, name, began uint64) bool {
	i := slices.IndexFunc(all, func(p past) bool { return p.name == name })
	return all[i].acked == 0 || all[i].unsure || !slices.ContainsFunc(all, func(p past) bool {
		return p.acked != 0 && p.acked <= began && p.name > all[i].acked
	})
}

// The table keeps only what it needs, and must rule as if it kept all.
func TestHistoryRulesAsOneThatForgetsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(1)
		var all []past
		var underway []uint64
		var reads []notes
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				name, ok := h.begin(0)
				if ok != (len(underway) < writersMax) {
					t.Fatalf("%d are under way and one more was %v", len(underway), ok)
				}
				if ok {
					all, underway = append(all, past{name: name}), append(underway, name)
				}
			case 2, 3:
				if len(underway) == 0 {
					continue
				}
				at := rapid.IntRange(0, len(underway)-1).Draw(t, "which")
				name := underway[at]
				underway = slices.Delete(underway, at, at+1)
				i := slices.IndexFunc(all, func(p past) bool { return p.name == name })
				switch rapid.IntRange(0, 5).Draw(t, "end") {
				case 0:
					all[i].unsure = true
					if err := h.failed(0, name, true); err != nil {
						t.Fatal(err)
					}
				case 1: // it did not happen: nobody reads it
					if err := h.failed(0, name, false); err != nil {
						t.Fatal(err)
					}
					all = slices.Delete(all, i, i+1)
				default:
					h.acked(0, name)
					all[i].acked = h.tick.Load()
				}
			case 4:
				var n notes
				h.note(0, &n)
				reads = append(reads, n)
			case 5:
				if len(reads) == 0 || len(all) == 0 {
					continue
				}
				n := reads[rapid.IntRange(0, len(reads)-1).Draw(t, "read")]
				p := all[rapid.IntRange(0, len(all)-1).Draw(t, "found")]
				if got, want := h.fresh(0, p.name, &n), mayFind(all, p.name, n.began); got != want {
					t.Fatalf("a read begun at %d found write %d of %+v: fresh %v, want %v", n.began, p.name, all, got, want)
				}
			}
		}
	})
}

func TestHistoryByExample(t *testing.T) {
	var n notes
	h := newHistory(2)
	begin := func() uint64 {
		name, _ := h.begin(1)
		return name
	}
	expect := func(what string, name uint64, want bool) {
		t.Helper()
		if got := h.fresh(1, name, &n); got != want {
			t.Errorf("%s: fresh %v", what, got)
		}
	}
	one := begin()
	h.acked(1, one)
	h.note(1, &n)
	expect("the only write", one, true)
	two := begin()
	expect("one that began after the read", two, true)
	h.note(1, &n)
	expect("the old one, while the new one is under way", one, true)
	expect("the one under way", two, true)
	h.acked(1, two)
	expect("the old one, by a read that began before the new one was acknowledged", one, true)
	h.note(1, &n)
	expect("the old one", one, false)
	three, four := begin(), begin()
	h.acked(1, four)
	h.acked(1, three)
	h.note(1, &n)
	expect("the first of two at once", three, true)
	expect("the second of two at once", four, true)
	expect("what both replaced", two, false)
	lost := begin()
	if err := h.failed(1, lost, true); err != nil {
		t.Fatal(err)
	}
	h.acked(1, begin())
	h.note(1, &n)
	expect("a write that may have happened", lost, true)
	refused := begin()
	if err := h.failed(1, refused, false); err != nil {
		t.Fatal(err)
	}
	h.note(1, &n)
	expect("a write that was refused", refused, false)
}

func TestHistoryGivesUpWhenItCannotKnow(t *testing.T) {
	h := newHistory(1)
	h.unsure.Store(unsureMax - 1)
	for _, want := range []error{nil, errUnsure} {
		name, _ := h.begin(0)
		if err := h.failed(0, name, true); !errors.Is(err, want) || err != nil && want == nil {
			t.Fatal(err)
		}
	}
}

func TestValuesAreJudgedByTheirStamp(t *testing.T) {
	h := newHistory(3)
	var n notes
	name, _ := h.begin(2)
	h.acked(2, name)
	h.note(2, &n)
	value := make([]byte, 40)
	stamp(value, 9, 2, name)
	expect := func(what string, value []byte, key uint64, want verdict) {
		t.Helper()
		if got := h.judge(value, 9, key, &n); got != want {
			t.Errorf("%s: verdict %d, want %d", what, got, want)
		}
	}
	expect("as written", value, 2, fresh)
	expect("of another key", value, 1, foreign)
	expect("cut", value[:39], 2, corrupt)
	expect("nothing", nil, 2, corrupt)
	for i := range value {
		flipped := slices.Clone(value)
		flipped[i] ^= 1
		expect("a flipped bit", flipped, 2, corrupt)
	}
	stamp(value, 8, 2, name)
	expect("of another run", value, 2, foreign)
	stamp(value, 9, 2, name+1000)
	expect("never written", value, 2, foreign)
}
