package coordinator

import (
	"github.com/shoalcache/shoal/wire"
)

// failure is the error of a call that too few owners served: how many, who failed and how.
func failure(op wire.Op, q *Quorum, got *tally, s seats) *wire.Error {
	e := &wire.Error{Op: op, Want: uint8(q.Want()), Got: uint8(got.got(q)), Failed: s.failures()}
	e.Text = s.reasons()
	return e
}

// timeout is the answer of a call whose deadline passed.
func timeout(op wire.Op, q *Quorum, s seats) wire.Response {
	var got tally
	for i := range s {
		if s[i].state == served {
			got.add(q, s[i].Datacenter)
		}
	}
	return wire.Response{Status: wire.StatusTimeout, Err: failure(op, q, &got, s)}
}

// refusal is the answer of a call that did nothing.
func refusal(op wire.Op, status wire.Status, text string) wire.Response {
	return wire.Response{Status: status, Err: &wire.Error{Op: op, Text: text}}
}
