package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// This file owns what was asked and what came of it: one list of operations for each key.

// verb is what an operation does.
type verb string

const (
	get  verb = "get"
	set  verb = "set"
	del  verb = "delete"
	incr verb = "incr"
)

// outcome is what a client knows of an operation when it is over.
type outcome string

const (
	acked  outcome = "acknowledged"
	undone outcome = "not done"
	unsure outcome = "unsure" // it may have happened, or still may
)

// lingers is how long after its client gave up a write that is unsure may still be carried out: the longest pause of a node in
// whose socket it lies, and the longest deadline that it may have from then on, and some.
const lingers = 20 * time.Second

// op is one operation of a client. Times are since the run began.
type op struct {
	Verb      verb          `json:"verb"`
	Began     time.Duration `json:"began_ns"`
	Ended     time.Duration `json:"ended_ns"`
	Outcome   outcome       `json:"outcome"`
	Value     int64         `json:"value"` // what was written, by its number in the run, or read; of a counter what it stands at; 0: a miss
	Forgotten bool          `json:"forgotten,omitempty"`
	Via       string        `json:"via"`           // whom it was asked from
	Err       string        `json:"err,omitempty"` // of what was not acknowledged
}

// until is when the operation can have its effect at the latest.
func (o *op) until() time.Duration {
	if o.Outcome == unsure {
		return o.Ended + lingers
	}
	return o.Ended
}

// may reports whether the operation can have had an effect.
func (o *op) may() bool { return o.Outcome != undone }

func (o *op) String() string {
	text := fmt.Sprintf("%9.3fs to %9.3fs  %-6s via %s", o.Began.Seconds(), o.Ended.Seconds(), o.Verb, o.Via)
	switch {
	case o.Verb == set:
		text += fmt.Sprintf(" value %d", o.Value)
	case o.Outcome != acked || o.Verb == del:
	case o.Value == 0 && o.Forgotten:
		text += " found nothing, forgotten"
	case o.Value == 0:
		text += " found nothing"
	default:
		text += fmt.Sprintf(" found %d", o.Value)
	}
	if o.Verb != get || o.Outcome != acked {
		text += ", " + string(o.Outcome)
	}
	if o.Err != "" {
		text += ": " + o.Err
	}
	return text
}

// history is what all keys went through. It is safe for concurrent use.
type history struct {
	mu   sync.Mutex
	keys map[string][]op
}

// note adds an operation that is over.
func (h *history) note(key string, o op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keys[key] = append(h.keys[key], o)
}

// used are the keys that something was asked of, in order.
func (h *history) used() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.keys))
}

// counting reports whether a key is one of a counter.
func counting(key string) bool { return strings.HasPrefix(key, "counter-") }

// encode makes the value of a write: its key, its number, and some bytes that make records differ in length.
func encode(key string, number int64) []byte {
	return fmt.Appendf(nil, "%s %d %s", key, number, pad(key, number))
}

// decode is the number in a value that was read of key, or -1 if nobody can have written it there.
func decode(key string, value []byte) int64 {
	at, rest, _ := strings.Cut(string(value), " ")
	text, rest, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || at != key || rest != pad(key, n) {
		return -1
	}
	return n
}

// pad is what follows: of bulky keys a kilobyte more.
func pad(key string, number int64) string {
	n := int(number % 200)
	if strings.HasPrefix(key, "bulk-") {
		n += 1 << 10
	}
	return strings.Repeat("x", n)
}
