package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/server"
	"github.com/shoalcache/shoal/wire"
)

func TestEveryErrorHasItsExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{client.ErrNotFound, 1},
		{errors.New("anything else"), 1},
		{&client.InternalError{}, 1},
		{usage("wrong"), 2},
		{&client.BadRequestError{}, 2},
		{&client.TooLargeError{}, 2},
		{fmt.Errorf("%w: name", server.ErrConfig), 2},
		{&client.NotNumberError{}, 2},
		{&client.RangeError{}, 2},
		{&client.ContextError{}, 2},
		{&client.NotMetError{}, 8},
		{&client.RetryError{Err: &client.NotMetError{}}, 8},
		{&client.RetryError{Err: &client.NotMetError{}, Indeterminate: true}, 4},
		{&client.ConnectError{}, 3},
		{&client.NotReadyError{}, 3},
		{&client.InterruptedError{Op: wire.OpGet, Err: errors.New("EOF")}, 3},
		{server.ErrNoCluster, 3},
		{&client.TimeoutError{}, 4},
		{&client.InterruptedError{Op: wire.OpSet, Indeterminate: true, Err: errors.New("EOF")}, 4},
		{&client.InterruptedError{Op: wire.OpGet, Err: context.Canceled}, 4},
		{&client.InterruptedError{Op: wire.OpGet, Err: context.DeadlineExceeded}, 4},
		{&client.QuorumError{}, 5},
		{&client.OverloadedError{}, 5},
		{&client.OutOfMemoryError{}, 5},
		{&client.UnsureError{}, 4},
		{server.ErrInUse, 6},
		{server.ErrRefused, 6},
		{&outputError{syscall.ENOSPC}, 7},
		{&outputError{syscall.EPIPE}, 141},
		{&client.ConnectError{Err: syscall.EPIPE}, 3},
		{&childError{errors.New("n1 did not start"), 6}, 6},
	} {
		if got := codeOf(c.err); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, got, c.want)
		}
		if c.err != nil && codeOf(fmt.Errorf("wrapped: %w", c.err)) != c.want {
			t.Errorf("%v: wrapping changes the code", c.err)
		}
	}
}

func TestErrorsAreSaidWithoutThePackagesTheyCameThrough(t *testing.T) {
	for in, want := range map[string]string{
		"client: wire: get: late":        "get: late",
		"client: a; wire: b: server: c":  "a; b: c",
		"server: refused: datadir: gone": "refused: gone",
		"it is a TLS server: go away":    "it is a TLS server: go away",
		"server: one\nserver: two":       "one; two",
	} {
		if got := say(errors.New(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
