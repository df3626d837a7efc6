package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/server"
)

// The exit codes. They are part of what scripts rely on.
const (
	exitOK         = 0 // done; also the delete of a key that was not there
	exitNotFound   = 1 // no such key; and whatever has no code of its own, as a promise that a simulated cluster broke
	exitUsage      = 2 // the command line, the configuration, or a request that can never succeed
	exitConnect    = 3 // no node could be reached, or none that serves
	exitTimeout    = 4 // no answer in time, or interrupted: a write may still have happened
	exitQuorum     = 5 // too few replicas, or nodes without room: try again
	exitNotAllowed = 6 // refused: a port in use, a data directory or a cluster that is another's
	exitOutput     = 7 // the result could not be written: a full disk, a closed standard output
	exitNotMet     = 8 // a condition was not met; nothing was done

	exitPipe = 128 + int(syscall.SIGPIPE) // who read the result has gone; nothing is said, as by programs that the signal ends
)

// codeOf is the one place where errors become exit codes.
func codeOf(err error) int {
	var (
		usage       *usageError
		badRequest  *client.BadRequestError
		tooLarge    *client.TooLargeError
		notNumber   *client.NotNumberError
		span        *client.RangeError
		seen        *client.ContextError
		namespace   *client.NamespaceError
		connect     *client.ConnectError
		notReady    *client.NotReadyError
		timeout     *client.TimeoutError
		interrupted *client.InterruptedError
		quorum      *client.QuorumError
		overloaded  *client.OverloadedError
		memory      *client.OutOfMemoryError
		unsure      *client.UnsureError
		missing     *missingError
		child       *childError
		output      *outputError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &output):
		if errors.Is(err, syscall.EPIPE) {
			return exitPipe
		}
		return exitOutput
	case errors.Is(err, client.ErrNotFound):
		return exitNotFound
	case errors.Is(err, client.ErrNotMet) && client.Indeterminate(err): // an earlier attempt may be what is there
		return exitTimeout
	case errors.Is(err, client.ErrNotMet):
		return exitNotMet
	case errors.As(err, &notNumber), errors.As(err, &span), errors.As(err, &seen):
		return exitUsage
	case errors.As(err, &child):
		return child.code
	case errors.As(err, &usage), errors.As(err, &badRequest), errors.As(err, &tooLarge), errors.As(err, &namespace), errors.Is(err, server.ErrConfig):
		return exitUsage
	case errors.As(err, &timeout), errors.As(err, &unsure), errors.Is(err, context.Canceled):
		return exitTimeout
	case errors.As(err, &interrupted):
		if interrupted.Indeterminate || interrupted.Timeout() {
			return exitTimeout
		}
		return exitConnect
	case errors.As(err, &connect), errors.As(err, &notReady), errors.Is(err, server.ErrNoCluster):
		return exitConnect
	case errors.As(err, &quorum), errors.As(err, &overloaded), errors.As(err, &memory), errors.As(err, &missing):
		return exitQuorum
	case errors.Is(err, server.ErrInUse), errors.Is(err, server.ErrRefused):
		return exitNotAllowed
	}
	return exitNotFound
}

// report says on standard error what went wrong, and returns the exit code.
func (t *tool) report(err error, asked string) int {
	code := codeOf(err)
	if code != exitOK && code != exitPipe {
		t.complain(err, asked)
	}
	return code
}

// complain writes an error in one line, or as the JSON that was asked for.
func (t *tool) complain(err error, asked string) {
	if asked == formatJSON || asked == formatJSONLines {
		line, _ := json.Marshal(struct {
			Error         string `json:"error"`
			Code          int    `json:"code"`
			Indeterminate bool   `json:"indeterminate"`
		}{say(err), codeOf(err), client.Indeterminate(err)})
		fmt.Fprintf(t.err, "%s\n", line)
		return
	}
	fmt.Fprintf(t.err, "shoal: %s\n", say(err))
}

// notedError says in other words what err is.
type notedError struct {
	text string
	err  error
}

func (e *notedError) Error() string { return e.text }

func (e *notedError) Unwrap() error { return e.err }

// packages are the prefixes by which errors say where they come from, which is of no use to who runs a command.
var packages = regexp.MustCompile(`(^|[:;] )(?:(?:bench|client|wire|server|gossip|datadir): )+`)

// say is an error as one line, without the names of the packages it came through.
func say(err error) string {
	return packages.ReplaceAllString(strings.ReplaceAll(err.Error(), "\n", "; "), "$1")
}
