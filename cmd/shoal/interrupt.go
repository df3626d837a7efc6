package main

import "context"

// unlessInterrupted returns what do returns, or, once ctx ends, that what was interrupted. To open a pipe, or to read a
// terminal, may take for ever, and nothing gets a thread out of it: do is then left behind until the process ends.
func unlessInterrupted[T any](ctx context.Context, what string, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, &notedError{what + ": interrupted", ctx.Err()}
	}
}
