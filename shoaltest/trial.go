package shoaltest

import (
	"errors"
	"sync"
	"testing"

	"github.com/shoalcache/shoal/client"
)

// trialsMax is how often claims are tried again, over all of one CheckKV.
const trialsMax = 20

// trial is one attempt at a claim. That a call finds no answer in time tells of the machine, and of no claim: the attempt is over
// then, and the next has keys of its own. Whatever is answered counts at once.
type trial struct {
	*testing.T
	mu   sync.Mutex
	late error // why it says nothing
}

// ended is what a trial panics with where the test would end.
type ended struct{}

// try runs f and returns what was late, nil if the claim holds or is broken.
func try(t *testing.T, f func(*trial)) error {
	x := &trial{T: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != (ended{}) {
				panic(p)
			}
		}()
		f(x)
	}()
	return x.late
}

// excused notes the first error that tells of the machine alone.
func (x *trial) excused(args []any) bool {
	for _, a := range args {
		err, _ := a.(error)
		if r, ok := a.(client.Result); ok {
			err = r.Err
		}
		if unanswered(err) {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.late = err
			return true
		}
	}
	return false
}

// Fatal ends the attempt, or the test.
func (x *trial) Fatal(args ...any) {
	x.Helper()
	if x.excused(args) {
		panic(ended{})
	}
	x.T.Fatal(args...)
}

// Fatalf ends the attempt, or the test.
func (x *trial) Fatalf(format string, args ...any) {
	x.Helper()
	if x.excused(args) {
		panic(ended{})
	}
	x.T.Fatalf(format, args...)
}

// Errorf fails the test, unless the attempt says nothing.
func (x *trial) Errorf(format string, args ...any) {
	x.Helper()
	if !x.excused(args) {
		x.T.Errorf(format, args...)
	}
}

// unanswered reports whether a call failed for want of answers, and not of one that was given.
func unanswered(err error) bool {
	var timeout *client.TimeoutError
	var quorum *client.QuorumError
	var unsure *client.UnsureError
	return errors.As(err, &timeout) || errors.As(err, &quorum) || errors.As(err, &unsure)
}
