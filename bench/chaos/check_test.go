package main

import (
	"testing"
	"time"
)

// at makes an operation of the seconds from and to.
func at(v verb, from, to float64, value int64, how outcome) op {
	return op{Verb: v, Began: time.Duration(from * float64(time.Second)), Ended: time.Duration(to * float64(time.Second)), Value: value, Outcome: how}
}

func forgotten(o op) op {
	o.Forgotten = true
	return o
}

// Between seconds 100 and 110 of every history some node is without its memory.
var without = []span{{From: 100 * time.Second, To: 110 * time.Second}}

func TestLegalHistoriesAreAccepted(t *testing.T) {
	for name, ops := range map[string][]op{
		"own-what was written last": {at(set, 0, 1, 1, acked), at(set, 2, 3, 2, acked), at(get, 4, 5, 2, acked)},
		"own-either of two at once": {at(set, 0, 3, 1, acked), at(set, 1, 2, 2, acked), at(get, 4, 5, 1, acked), at(get, 6, 7, 2, acked)},
		"own-the write under way":   {at(set, 0, 1, 1, acked), at(set, 2, 9, 2, acked), at(get, 3, 4, 2, acked), at(get, 5, 6, 1, acked)},
		"own-a write during the read": {
			at(set, 0, 1, 1, acked), at(set, 2, 3, 2, acked), at(get, 1.5, 4, 1, acked),
		},
		"own-never written":  {at(get, 0, 1, 0, acked)},
		"own-deleted":        {at(set, 0, 1, 1, acked), at(del, 2, 3, 0, acked), at(get, 4, 5, 0, acked)},
		"own-delete unsure":  {at(set, 0, 1, 1, acked), at(del, 2, 3, 0, unsure), at(get, 4, 5, 0, acked), at(get, 6, 7, 1, acked)},
		"own-written unsure": {at(set, 0, 1, 1, acked), at(set, 2, 3, 2, unsure), at(get, 4, 5, 1, acked), at(get, 8, 9, 2, acked)},
		"own-an unsure write that is carried out late": {
			at(set, 0, 1, 1, unsure), at(set, 2, 3, 2, acked), at(get, 4, 5, 1, acked),
		},
		"own-an unsure delete that is carried out late": {
			at(del, 0, 1, 0, unsure), at(set, 2, 3, 2, acked), at(get, 4, 5, 0, acked),
		},
		"own-forgotten while a node is without its memory": {
			at(set, 0, 1, 1, acked), forgotten(at(get, 101, 102, 0, acked)), at(get, 120, 121, 1, acked),
		},
		"own-failed reads say nothing": {at(set, 0, 1, 1, acked), at(get, 2, 3, 0, undone)},
		"counter-plain": {
			at(incr, 0, 1, 1, acked), at(incr, 2, 3, 2, acked), at(get, 4, 5, 2, acked),
		},
		"counter-at once":         {at(incr, 0, 3, 2, acked), at(incr, 1, 2, 1, acked), at(get, 1, 2, 0, acked), at(get, 4, 5, 2, acked)},
		"counter-unsure or not":   {at(incr, 0, 1, 0, unsure), at(incr, 2, 3, 1, acked), at(get, 4, 5, 2, acked)},
		"counter-begun anew":      {at(incr, 0, 1, 1, acked), at(incr, 2, 3, 2, acked), at(incr, 101, 102, 1, acked), at(get, 120, 121, 1, acked)},
		"counter-anew and unsure": {at(incr, 0, 1, 1, acked), at(incr, 2, 3, 2, acked), at(incr, 101, 102, 0, unsure), at(get, 150, 151, 1, acked)},
		"counter-not anew":        {at(incr, 0, 1, 1, acked), at(incr, 2, 3, 2, acked), at(incr, 101, 102, 3, acked), at(get, 120, 121, 3, acked)},
	} {
		if v := judge(map[string][]op{name: ops}, without); len(v.Violations) != 0 {
			t.Errorf("%s: %+v", name, v.Violations)
		}
	}
}

func TestEveryBreachIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		want breach
		ops  []op
	}{
		"own-an older value":     {stale, []op{at(set, 0, 1, 1, acked), at(set, 2, 3, 2, acked), at(get, 4, 5, 1, acked)}},
		"own-a value of another": {stale, []op{at(set, 0, 4, 1, acked), at(set, 1, 2, 2, acked), at(set, 5, 6, 3, acked), at(get, 7, 8, 2, acked)}},
		"own-an older value, unsure, long after": {
			stale, []op{at(set, 0, 1, 1, unsure), at(set, 22, 23, 2, acked), at(get, 24, 25, 1, acked)},
		},
		"own-an older value while a node is without its memory": {
			stale, []op{at(set, 0, 1, 1, acked), at(set, 2, 3, 2, acked), at(get, 101, 102, 1, acked)},
		},
		"own-back":                {back, []op{at(set, 0, 1, 1, acked), at(del, 2, 3, 0, acked), at(get, 4, 5, 1, acked)}},
		"own-lost":                {lost, []op{at(set, 0, 1, 1, acked), at(get, 2, 3, 0, acked)}},
		"own-lost, and forgotten": {lost, []op{at(set, 0, 1, 1, acked), forgotten(at(get, 2, 3, 0, acked))}},
		"own-lost, though some node is without its memory, for it does not say forgotten": {
			lost, []op{at(set, 0, 1, 1, acked), at(get, 101, 102, 0, acked)},
		},
		"own-lost, though deleted before": {lost, []op{at(set, 0, 1, 1, acked), at(del, 2, 3, 0, acked), at(set, 4, 5, 2, acked), at(get, 6, 7, 0, acked)}},
		"own-lost, the delete not done":   {lost, []op{at(set, 0, 1, 1, acked), at(del, 2, 3, 0, undone), at(get, 6, 7, 0, acked)}},
		"own-nobody's":                    {wrong, []op{at(set, 0, 1, 1, acked), at(get, 2, 3, 9, acked)}},
		"own-unreadable":                  {wrong, []op{at(set, 0, 1, 1, acked), at(get, 2, 3, -1, acked)}},
		"own-of the future":               {wrong, []op{at(get, 0, 1, 1, acked), at(set, 2, 3, 1, acked)}},
		"own-not done":                    {wrong, []op{at(set, 0, 1, 1, undone), at(get, 2, 3, 1, acked)}},
		"counter-too low":                 {counted, []op{at(incr, 0, 1, 1, acked), at(incr, 2, 3, 2, acked), at(get, 4, 5, 1, acked)}},
		"counter-too high":                {counted, []op{at(incr, 0, 1, 1, acked), at(incr, 2, 3, 0, undone), at(get, 4, 5, 2, acked)}},
		"counter-added twice":             {counted, []op{at(incr, 0, 1, 2, acked)}},
		"counter-unsure added twice":      {counted, []op{at(incr, 0, 1, 0, unsure), at(get, 4, 5, 2, acked)}},
		"counter-gone":                    {lost, []op{at(incr, 0, 1, 1, acked), at(get, 4, 5, 0, acked)}},
		"counter-anew, and all were there": {
			counted, []op{at(incr, 0, 1, 1, acked), at(incr, 2, 3, 1, acked)},
		},
		"counter-anew once, and lost since": {
			counted, []op{at(incr, 0, 1, 1, acked), at(incr, 101, 102, 1, acked), at(incr, 103, 104, 2, acked), at(incr, 105, 106, 3, acked), at(get, 120, 121, 1, acked)},
		},
	} {
		v := judge(map[string][]op{name: c.ops}, without)
		if v.Broken[c.want] == 0 || len(v.Violations) != 1 || v.Violations[0].Breach != c.want {
			t.Errorf("%s: want one %s, got %+v", name, c.want, v.Violations)
		}
	}
}

func TestAValueIsReadAsItWasWrittenAndOfItsKeyAlone(t *testing.T) {
	for n := int64(1); n < 500; n++ {
		if got := decode("k", encode("k", n)); got != n {
			t.Fatalf("%d is read as %d", n, got)
		}
	}
	for _, value := range []string{"", "k", "k 1", "other 1 x", "k 0 ", "k -1 ", "k 2 x", string(encode("k", 7)) + "x"} {
		if n := decode("k", []byte(value)); n != -1 {
			t.Errorf("%q is read as %d", value, n)
		}
	}
}

func TestASpanEndsOnlyByALookThatBeganAfterwards(t *testing.T) {
	r := &runner{load: &load{start: time.Now()}}
	r.open()
	during, _ := r.look()
	r.close(during) // the node had not been started again
	r.started()
	r.close(during) // what was seen was seen before
	after, open := r.look()
	if !open || len(r.spans) != 1 || r.spans[0].To != 0 {
		t.Fatalf("the span ended: %v", r.spans)
	}
	r.close(after)
	if _, open := r.look(); open || r.spans[0].To <= r.spans[0].From {
		t.Fatalf("the span did not end: %v", r.spans)
	}
	r.open()
	if len(r.spans) != 2 {
		t.Fatalf("the next loss has no span: %v", r.spans)
	}
}
