package wire

import (
	"fmt"

	"github.com/shoalcache/shoal/vclock"
)

// Step is what one owner of partitions asks another in an exchange (package antientropy): each walks down one level of what both know.
type Step uint8

// The steps. Numbers are part of the protocol and never reused. The body of each is a page, or numbers one after another.
//
//	step      asks in Body                              is answered in Body
//	compare   (partition, from, sum)…, all before To    (partition, from, sum)…, of those that differ, or that
//	                                                    can only be compared from a later stamp on
//	windows   –; of Partition, from From, before To     (length, sum)…, latest first, from the answer's To down; in
//	                                                    shortest windows of storage
//	leaves    –; of a span, by Leaves, from Cursor on   (leaf, sum)…, those that are not 0
//	versions  leaves, leaf…, (hash, stamp, digest)…     hashes, hash…, (hash, stamp, digest)…: what the answerer lacks
//	                                                    of what it was told, and what it knows otherwise
//	give      a page                                    –
//	want      hash…; at most Limit bytes                a page
const (
	StepCompare  Step = 1
	StepWindows  Step = 2
	StepLeaves   Step = 3
	StepVersions Step = 4
	StepGive     Step = 5
	StepWant     Step = 6
)

var stepNames = [...]string{"step(0)", "compare", "windows", "leaves", "versions", "give", "want"}

// String names the step.
func (s Step) String() string {
	if int(s) < len(stepNames) {
		return stepNames[s]
	}
	return fmt.Sprintf("step(%d)", uint8(s))
}

// LeavesMax is the most leaves that a span is told in.
const LeavesMax = 1 << 12

func appendExchange(dst []byte, m *Message) []byte {
	if m.Kind == KindExchangeReply {
		dst = appendUint(dst, uint64(m.Outcome))
	}
	dst = appendUint(dst, uint64(m.Step))
	dst = appendUint(dst, uint64(m.Partition))
	dst = appendUint(dst, uint64(m.From))
	dst = appendUint(dst, uint64(m.To))
	if m.Kind == KindExchange {
		dst = appendUint(dst, uint64(m.Leaves))
	}
	dst = appendUint(dst, m.Cursor)
	dst = appendUint(dst, uint64(m.Limit))
	return appendBytes(dst, m.Body)
}

func (r *reader) exchange(m *Message, l *Limits) {
	if m.Kind == KindExchangeReply {
		m.Outcome = Outcome(r.uint8())
	}
	m.Step = Step(r.uint8())
	m.Partition = r.uint32()
	m.From, m.To = vclock.Stamp(r.uint()), vclock.Stamp(r.uint())
	if m.Kind == KindExchange {
		m.Leaves = uint32(r.small(LeavesMax))
	}
	m.Cursor = r.uint()
	m.Limit = r.uint32()
	m.Body = r.bytes("body", l.Frame)
}

// AppendNumbers appends numbers to the body of a step and returns the longer slice.
func AppendNumbers(dst []byte, numbers ...uint64) []byte {
	for _, n := range numbers {
		dst = appendUint(dst, n)
	}
	return dst
}

// Numbers reads the body of a step.
type Numbers struct{ r reader }

// NewNumbers begins at the first number of body, which must stay as it is while it is read.
func NewNumbers(body []byte) Numbers { return Numbers{reader{b: body}} }

// Next reads the next numbers, as many as it is given places for. It returns false at the end, and with a *FormatError, which Err
// has, where the body is malformed.
func (n *Numbers) Next(into ...*uint64) bool {
	if n.r.err != nil || n.r.pos == len(n.r.b) {
		return false
	}
	for _, to := range into {
		*to = n.r.uint()
	}
	return n.r.err == nil
}

// Err is what was wrong with the body, nil if nothing was.
func (n *Numbers) Err() error { return n.r.err }
