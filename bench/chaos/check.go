package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// This file owns what is judged: each key by its operations alone, and by the times at which some node was without its
// memory. One operation comes before another if it was over when the other began; nothing is said of any others.

// breach is how a promise was broken.
type breach string

const (
	lost    breach = "lost"    // what was acknowledged is not found, and nothing explains that
	stale   breach = "stale"   // a value is found that another had replaced before the read began
	back    breach = "back"    // a value is found that had been deleted before the read began
	wrong   breach = "wrong"   // a value is found that nobody wrote, or not yet
	counted breach = "counter" // a counter stands below what was acknowledged, or above all that was asked for
)

var breaches = []breach{lost, stale, back, wrong, counted}

// violation is one broken promise, with the operations that show it.
type violation struct {
	Breach breach `json:"breach"`
	Key    string `json:"key"`
	Text   string `json:"text"`
	Ops    []op   `json:"operations"`
}

// span is a time in which some node was without its memory, or might have been: until all had recovered.
type span struct{ From, To time.Duration }

// verdict is what became of all operations of a run.
type verdict struct {
	Ops        int            `json:"operations"`
	Checked    int            `json:"checked"` // answers that were held against the history
	Acked      int            `json:"acknowledged"`
	Unsure     int            `json:"unsure"`
	Undone     int            `json:"not_done"`
	Misses     int            `json:"misses"`
	Forgotten  int            `json:"forgotten"` // of these
	Anew       int            `json:"counters_begun_anew"`
	Broken     map[breach]int `json:"broken"`
	Violations []violation    `json:"violations"`
}

// judge holds every answer against what its key went through. Spans explain misses that say forgotten, and nothing else.
func judge(keys map[string][]op, spans []span) *verdict {
	v := &verdict{Broken: map[breach]int{}}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		j := &judgement{verdict: v, key: key, ops: keys[key], spans: spans}
		for i := range j.ops {
			j.count(&j.ops[i])
		}
		j.begin()
		for i := range j.ops {
			switch o := &j.ops[i]; {
			case o.Outcome != acked:
			case counting(key) && (o.Verb == get || o.Verb == incr):
				v.Checked++
				j.counter(o)
			case o.Verb == get:
				v.Checked++
				j.register(o)
			}
		}
	}
	return v
}

// judgement is that of one key.
type judgement struct {
	*verdict
	key   string
	ops   []op
	spans []span
	anew  []*op // additions that may have begun a counter anew, see begin
}

func (j *judgement) count(o *op) {
	j.Ops++
	switch o.Outcome {
	case acked:
		j.Acked++
	case unsure:
		j.Unsure++
	default:
		j.Undone++
	}
	if o.Verb == get && o.Outcome == acked && o.Value == 0 {
		j.Misses++
		if o.Forgotten {
			j.Forgotten++
		}
	}
}

// broken adds a violation.
func (j *judgement) broken(b breach, text string, ops ...*op) {
	j.Broken[b]++
	found := violation{Breach: b, Key: j.key, Text: text}
	for _, o := range ops {
		found.Ops = append(found.Ops, *o)
	}
	j.Violations = append(j.Violations, found)
}

// excused reports whether a node was without its memory at some time of the operation.
func (j *judgement) excused(o *op) bool {
	return slices.ContainsFunc(j.spans, func(s span) bool { return s.From <= o.until() && o.Began <= s.To })
}

// latest is the write of these verbs that began last of those acknowledged before a read began, or nil.
func (j *judgement) latest(read *op, verbs ...verb) (last *op) {
	for i := range j.ops {
		w := &j.ops[i]
		if w.Outcome == acked && slices.Contains(verbs, w.Verb) && w.Ended < read.Began && (last == nil || w.Began > last.Began) {
			last = w
		}
	}
	return last
}

// register judges a read of a key that is set and deleted.
func (j *judgement) register(read *op) {
	if read.Value == 0 {
		j.missed(read)
		return
	}
	at := slices.IndexFunc(j.ops, func(o op) bool { return o.Verb == set && o.Value == read.Value })
	if at < 0 {
		j.broken(wrong, "what was read was never written", read)
		return
	}
	written := &j.ops[at]
	if !written.may() || written.Began > read.Ended {
		j.broken(wrong, "what was read had not been written", written, read)
		return
	}
	if over := j.latest(read, set, del); over != nil && written.until() < over.Began {
		b, text := stale, "what was read had been replaced before"
		if over.Verb == del {
			b, text = back, "what was read had been deleted before"
		}
		j.broken(b, text, written, over, read)
	}
}

// missed judges a read that found nothing: something must have been there if a set was acknowledged before, and no
// delete can have come after that set.
func (j *judgement) missed(read *op) {
	there := j.latest(read, set)
	if there == nil || read.Forgotten && j.excused(read) {
		return
	}
	for i := range j.ops {
		if d := &j.ops[i]; d.Verb == del && d.may() && d.Began < read.Ended && d.until() >= there.Began {
			return
		}
	}
	j.broken(lost, "what was acknowledged is not there", there, read)
}

// counter judges what an addition or a read says that a counter stands at. All additions are of one.
func (j *judgement) counter(o *op) {
	least, most := j.bounds(o)
	switch {
	case o.Value > most:
		j.broken(counted, fmt.Sprintf("at most %d were added", most), o)
	case o.Value >= least:
	case slices.Contains(j.anew, o):
		j.Anew++
	case o.Forgotten && j.excused(o):
	case o.Value == 0:
		j.broken(lost, fmt.Sprintf("at least %d were added and acknowledged", least), o)
	default:
		j.broken(counted, fmt.Sprintf("at least %d were added and acknowledged", least), o)
	}
}

// bounds are what a counter may be found to stand at: what was acknowledged since it last may have begun anew, and all that was asked for.
func (j *judgement) bounds(o *op) (least, most int64) {
	since := time.Duration(-1)
	for _, a := range j.anew {
		if a != o && a.Began < o.Ended {
			since = max(since, a.until())
		}
	}
	for i := range j.ops {
		a := &j.ops[i]
		if a.Verb != incr || !a.may() || a.Began >= o.Ended {
			continue
		}
		most++
		if a == o || a.Outcome == acked && a.Ended < o.Began && a.Began > since {
			least++
		}
	}
	return least, most
}

// begin finds the additions that may have met a counter that too many owners had forgotten, and so begun it anew: those of
// a time when a node was without its memory of which nobody knows what they found, or which found too little.
func (j *judgement) begin() {
	byBegin := make([]*op, 0, len(j.ops))
	for i := range j.ops {
		if a := &j.ops[i]; a.Verb == incr && a.may() && j.excused(a) {
			byBegin = append(byBegin, a)
		}
	}
	slices.SortFunc(byBegin, func(a, b *op) int { return cmp.Compare(a.Began, b.Began) })
	for _, a := range byBegin {
		least, _ := j.bounds(a)
		if a.Outcome == unsure || a.Value < least {
			j.anew = append(j.anew, a)
		}
	}
}
