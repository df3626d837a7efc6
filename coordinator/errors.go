package coordinator

import (
	"github.com/shoalcache/shoal/wire"
)

// shortage is the answer of a call that got of the owners it takes served in time: how many, who failed
// and how.
func shortage(op wire.Op, status wire.Status, q *Quorum, got *tally, s seats) wire.Response {
	e := &wire.Error{Op: op, Want: uint8(q.Want()), Got: uint8(got.got(q))}
	e.Failed, e.Text = s.failures()
	return wire.Response{Status: status, Err: e}
}

// refusal is the answer of a call that did nothing.
func refusal(op wire.Op, status wire.Status, text string) wire.Response {
	return wire.Response{Status: status, Err: &wire.Error{Op: op, Text: text}}
}
