package coordinator

import (
	"fmt"

	"github.com/shoalcache/shoal/wire"
)

// UnmeetableError says that a level asks for more owners than the key has, in all or, where the level is
// a local one, in the coordinator's datacenter; with Need 0, that R or W was 0.
type UnmeetableError struct {
	Level wire.Level
	Need  uint8
	Have  uint8
}

// Error says what is asked, what there is, and what to do.
func (e *UnmeetableError) Error() string {
	if e.Need == 0 {
		return "coordinator: R and W start at 1"
	}
	where := ""
	if e.Level == wire.LevelLocalOne || e.Level == wire.LevelLocalQuorum {
		where = " in this datacenter"
	}
	return fmt.Sprintf("coordinator: level %s needs %d owners and the key has %d%s: lower the level or add nodes", e.Level, e.Need, e.Have, where)
}

// shortage is the answer of a call that fewer owners served than it takes: how many did, who failed and how.
func shortage(op wire.Op, status wire.Status, q *Quorum, got *tally, s seats) wire.Response {
	e := &wire.Error{Op: op, Want: uint8(q.Want()), Got: uint8(got.got(q))}
	e.Failed, e.Text = s.failures()
	return wire.Response{Status: status, Err: e}
}

// refusal is the answer of a call that did nothing.
func refusal(op wire.Op, status wire.Status, text string) wire.Response {
	return wire.Response{Status: status, Err: &wire.Error{Op: op, Text: text}}
}
