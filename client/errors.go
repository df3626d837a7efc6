package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/shoalcache/shoal/wire"
)

// The failures that a cluster answers with, under the names by which callers know them.
type (
	// QuorumError is returned when too few replicas answered, or had enough to vote on.
	QuorumError = wire.QuorumError
	// TimeoutError is returned when a call ran into its time limit, at the node or here.
	TimeoutError = wire.TimeoutError
	// BadRequestError is returned for a call that can never succeed as it is; nothing was done.
	BadRequestError = wire.BadRequestError
	// TooLargeError is returned for a key or value over the limit, here or at the node; nothing was done.
	TooLargeError = wire.TooLargeError
	// OverloadedError is returned by a node that has no room for the call now; nothing was done.
	OverloadedError = wire.OverloadedError
	// OutOfMemoryError is returned where too few owners have room for a write, and the others evict nothing (--policy none).
	OutOfMemoryError = wire.OutOfMemoryError
	// NotReadyError is returned by a node that is starting or stopping; nothing was done.
	NotReadyError = wire.NotReadyError
	// NamespaceError is returned for a call in a namespace that is not there, or was dropped; nothing was done.
	NamespaceError = wire.NamespaceError
	// NotNumberError is returned for an addition to what is no integer of 64 bits; nothing was done.
	NotNumberError = wire.NotNumberError
	// RangeError is returned for an addition whose sum would not be an integer of 64 bits; nothing was done.
	RangeError = wire.RangeError
	// ContextError is returned for a context that is not one of the key; nothing was done.
	ContextError = wire.ContextError
	// UnsureError is returned for a call that was sent again, where the node does not know any more whether it was carried out.
	UnsureError = wire.UnsureError
	// InternalError is returned for a failure that is the node's own.
	InternalError = wire.InternalError
)

var (
	// ErrNotFound is returned for a key that is not there.
	ErrNotFound = errors.New("client: not found")
	// ErrClosed is returned by every call after Close.
	ErrClosed = errors.New("client: closed")
)

// ConnectError is returned when no connection to a node could be made; nothing was sent.
type ConnectError struct {
	Addr   string
	Reason string // what it looks like, and what to do
	Err    error  // what the network said; may be nil
}

// Error says which address, and what it looks like.
func (e *ConnectError) Error() string {
	return fmt.Sprintf("client: cannot connect to %s: %s", e.Addr, e.Reason)
}

// Unwrap returns what the network said.
func (e *ConnectError) Unwrap() error { return e.Err }

// InterruptedError is returned for a call that ended without an answer: its context ended, the client was closed,
// or its connection broke.
type InterruptedError struct {
	Op            wire.Op
	Addr          string
	Indeterminate bool  // a write that may have happened, or may still happen
	Err           error // context.Canceled, context.DeadlineExceeded, ErrClosed, or what the connection said
}

// Error says what ended the call.
func (e *InterruptedError) Error() string {
	fate := "nothing was done"
	if e.Indeterminate {
		fate = "indeterminate, the write may still have happened"
	}
	return fmt.Sprintf("client: %v at %s: interrupted: %v (%s)", e.Op, e.Addr, e.Err, fate)
}

// Unwrap returns what ended the call.
func (e *InterruptedError) Unwrap() error { return e.Err }

// Timeout reports whether it was the context's deadline.
func (e *InterruptedError) Timeout() bool { return errors.Is(e.Err, context.DeadlineExceeded) }

// RetryError is returned where more than one attempt was made: the last one's failure, and how many there were.
type RetryError struct {
	Attempts      int
	Indeterminate bool // a write of which one of the attempts may have happened, or may still happen
	Err           error
}

// Error says what the last attempt said, and that it was not the first.
func (e *RetryError) Error() string {
	return fmt.Sprintf("%v (the last of %d attempts)", e.Err, e.Attempts)
}

// Unwrap returns the failure of the last attempt.
func (e *RetryError) Unwrap() error { return e.Err }

// MultiError is returned where some of many writes failed.
type MultiError struct {
	Op   wire.Op
	Errs []error // one for each write, in their order; nil where it was done
}

// Error says how many failed, and how the first of them did.
func (e *MultiError) Error() string {
	failed := e.Unwrap()
	if len(failed) == 0 {
		return fmt.Sprintf("client: %v: 0 of %d failed", e.Op, len(e.Errs))
	}
	return fmt.Sprintf("client: %v: %d of %d failed; the first: %v", e.Op, len(failed), len(e.Errs), failed[0])
}

// Unwrap returns the errors that are not nil.
func (e *MultiError) Unwrap() []error {
	var failed []error
	for _, err := range e.Errs {
		if err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

// Indeterminate reports whether err leaves open that a write happened, or that it still will.
func Indeterminate(err error) bool {
	var (
		multi       *MultiError
		retried     *RetryError
		quorum      *QuorumError
		memory      *OutOfMemoryError
		timeout     *TimeoutError
		internal    *InternalError
		interrupted *InterruptedError
		unsure      *UnsureError
	)
	switch {
	case errors.As(err, &unsure):
		return true
	case errors.As(err, &multi):
		return slices.ContainsFunc(multi.Errs, Indeterminate)
	case errors.As(err, &retried):
		return retried.Indeterminate
	case errors.As(err, &quorum):
		return quorum.Indeterminate
	case errors.As(err, &memory):
		return memory.Indeterminate
	case errors.As(err, &timeout):
		return timeout.Indeterminate
	case errors.As(err, &internal):
		return internal.Indeterminate
	case errors.As(err, &interrupted):
		return interrupted.Indeterminate
	}
	return false
}

// unreachable is what all addresses said, when none would take a call.
type unreachable []error

func (u unreachable) Error() string {
	var b strings.Builder
	for i, err := range u {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(err.Error())
	}
	return b.String()
}

func (u unreachable) Unwrap() []error { return u }
