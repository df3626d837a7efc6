package wire

import (
	"fmt"
	"slices"
	"strings"
)

// The failures of calls, as callers decide on them. Indeterminate is true where a write may or may not have
// happened, now or later: to try it again is safe only where writing twice is.

// QuorumError is returned when too few replicas answered in time, or had enough to vote on.
type QuorumError struct {
	Op            Op
	Want, Got     uint8
	Failed        []Failure // who did not count, and why
	Text          string    // the same with the nodes' names, may be empty
	Indeterminate bool
}

// Error names the nodes that did not count, by id where the node asked did not say their names.
func (e *QuorumError) Error() string {
	who := e.Text
	if who == "" {
		var ids []string
		for _, f := range e.Failed {
			ids = append(ids, fmt.Sprintf("node %016x %v", f.Node, f.Reason))
		}
		who = strings.Join(ids, ", ")
	}
	if who != "" {
		who = "; " + who
	}
	return fmt.Sprintf("wire: %v: %d of the %d replies it needs%s%s: try again, ask for a lower level, or look at these nodes",
		e.Op, e.Got, e.Want, who, fate(e.Indeterminate))
}

// TimeoutError is returned when a call ran into its deadline.
type TimeoutError struct {
	Op            Op
	Text          string // the node's words, may be empty
	Indeterminate bool
}

// Error says what timed out.
func (e *TimeoutError) Error() string {
	return say(e.Op, "ran into its deadline", e.Text, e.Indeterminate, "try again or allow it more time")
}

// Timeout makes it a timeout to code that asks for net.Error's method.
func (e *TimeoutError) Timeout() bool { return true }

// BadRequestError is returned for a call that can never succeed as it is; nothing was done.
type BadRequestError struct {
	Op   Op
	Text string
}

// Error says what is wrong with the call.
func (e *BadRequestError) Error() string {
	return say(e.Op, "refused", e.Text, false, "correct the request")
}

// TooLargeError is returned for a key or value over the node's limit; nothing was done.
type TooLargeError struct {
	Op   Op
	Text string
}

// Error says what is too large.
func (e *TooLargeError) Error() string {
	return say(e.Op, "too large", e.Text, false, "send less")
}

// OverloadedError is returned by a node that has no room for the call now; nothing was done.
type OverloadedError struct {
	Op   Op
	Text string
}

// Error says so.
func (e *OverloadedError) Error() string {
	return say(e.Op, "the server is overloaded", e.Text, false, "wait a little and try again")
}

// OutOfMemoryError is returned where too few owners of a key have room for a write, and the others evict nothing. Owners that
// have room may have taken it; of those that have not, each has forgotten an older value of the key, which it knew to be one.
type OutOfMemoryError struct {
	Op            Op
	Want, Got     uint8
	Failed        []Failure // who did not count, and why
	Text          string    // the same with the nodes' names, may be empty
	Indeterminate bool
}

// Error names the nodes, and says how to make room.
func (e *OutOfMemoryError) Error() string {
	return say(e.Op, "out of memory", e.Text, e.Indeterminate, "delete something, or give the nodes more --memory or another --policy")
}

// NotReadyError is returned by a node that is starting or stopping; nothing was done.
type NotReadyError struct {
	Op   Op
	Text string
}

// Error says so.
func (e *NotReadyError) Error() string {
	return say(e.Op, "the node is starting or stopping", e.Text, false, "try another node")
}

// NotNumberError is returned for an addition to what is no integer of 64 bits, and RangeError for one whose sum would
// be none; nothing was done.
type NotNumberError struct{ Op Op }

// Error says so.
func (e *NotNumberError) Error() string {
	return say(e.Op, "the value is not an integer of 64 bits", "", false, "set a number first, or use another key")
}

// RangeError is returned for an addition whose sum would not be an integer of 64 bits; nothing was done.
type RangeError struct{ Op Op }

// Error says so.
func (e *RangeError) Error() string {
	return say(e.Op, "the sum is not within 64 bits", "", false, "use a smaller amount, or set the counter back")
}

// ContextError is returned for a context that is not one of the key, the namespace and the cluster; nothing was done.
type ContextError struct {
	Op   Op
	Text string
}

// Error says so.
func (e *ContextError) Error() string {
	return say(e.Op, "not a context of this key", e.Text, false, "get the key again, and set it with the context of that answer")
}

// NamespaceError is returned for a call in a namespace that is not there, or was dropped; nothing was done.
type NamespaceError struct {
	Op   Op
	Text string // the node's words, with the name; may be empty
}

// Error says which namespace, and how to make it.
func (e *NamespaceError) Error() string {
	text := e.Text
	if text == "" {
		text = "its namespace is not there: create it with shoal namespace create NAME"
	}
	return fmt.Sprintf("wire: %v: %s", e.Op, text)
}

// UnsureError is returned for a call that was sent again, since no answer came, where the node does not know any more whether
// it was carried out before. It was not carried out now.
type UnsureError struct {
	Op   Op
	Text string
}

// Error says so.
func (e *UnsureError) Error() string {
	return say(e.Op, "sent again, and not known whether it was carried out before", e.Text, true, "look what is there")
}

// InternalError is returned for a failure that is the node's own, or of a kind unknown here.
type InternalError struct {
	Op            Op
	Status        Status
	Text          string
	Indeterminate bool
}

// Error says what the node said.
func (e *InternalError) Error() string {
	return say(e.Op, fmt.Sprintf("failed with status %d", e.Status), e.Text, e.Indeterminate, "see the server's log")
}

// AsError turns a failed response into one of the errors above, and returns nil for any other. What it
// returns shares no memory with r.
func (r *Response) AsError() error {
	if r.Status < StatusBadRequest {
		return nil
	}
	var e Error
	if r.Err != nil {
		e = *r.Err
	}
	unsure := !e.Op.known() || e.Op.Changes() // without knowing what was asked, the worst is assumed
	switch r.Status {
	case StatusBadRequest:
		return &BadRequestError{Op: e.Op, Text: e.Text}
	case StatusTooLarge:
		return &TooLargeError{Op: e.Op, Text: e.Text}
	case StatusQuorum:
		return &QuorumError{Op: e.Op, Want: e.Want, Got: e.Got, Failed: slices.Clone(e.Failed), Text: e.Text, Indeterminate: unsure}
	case StatusTimeout:
		return &TimeoutError{Op: e.Op, Text: e.Text, Indeterminate: unsure}
	case StatusOutOfMemory:
		return &OutOfMemoryError{Op: e.Op, Want: e.Want, Got: e.Got, Failed: slices.Clone(e.Failed), Text: e.Text, Indeterminate: unsure}
	case StatusOverloaded:
		return &OverloadedError{Op: e.Op, Text: e.Text}
	case StatusNotReady:
		return &NotReadyError{Op: e.Op, Text: e.Text}
	case StatusNotNumber:
		return &NotNumberError{Op: e.Op}
	case StatusRange:
		return &RangeError{Op: e.Op}
	case StatusContext:
		return &ContextError{Op: e.Op, Text: e.Text}
	case StatusUnsure:
		return &UnsureError{Op: e.Op, Text: e.Text}
	case StatusNoNamespace:
		return &NamespaceError{Op: e.Op, Text: e.Text}
	default:
		return &InternalError{Op: e.Op, Status: r.Status, Text: e.Text, Indeterminate: unsure}
	}
}

// say puts one line together: what failed, how, in the node's words if it had any, and what to do.
func say(op Op, how, text string, unsure bool, advice string) string {
	if text != "" {
		how += ": " + text
	}
	return fmt.Sprintf("wire: %v: %s%s: %s", op, how, fate(unsure), advice)
}

func fate(unsure bool) string {
	if unsure {
		return " (the write may still have happened)"
	}
	return ""
}
