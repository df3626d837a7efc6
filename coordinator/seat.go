package coordinator

import (
	"strings"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// seat is one peer's part in a request.
type seat struct {
	Peer
	state  seatState
	reason wire.Outcome    // why it failed
	floor  vclock.Stamp    // reads: at or below it the peer may have forgotten the key
	dot    vclock.Dot      // reads: of the version it holds, zero for none
	until  vclock.Deadline // reads: register of that version, or of the one it held last
	digest uint32          // reads: which version that was (vclock.Set.Ghost)
	heard  vclock.Context  // reads: of several versions, all that the peer has heard of
	late   bool            // reads: its reply is due when the answer is given
	chance bool            // reads: it was asked by chance, after the answer
	vouch  vclock.Stamp    // writes: of several versions, nothing at or below it that the peer may have forgotten is missing
	sent   wire.Kind       // writes: what it was asked last, which decides what its reply may mean
	target uint64          // writes: the owner this fallback keeps a hint for
}

type seatState uint8

const (
	idle   seatState = iota // not asked
	asked                   // a reply is due
	served                  // replied and counts
	failed                  // will not count
)

// seats is the table of a request, in the order of the key's list.
type seats []seat

func (s seats) find(node uint64) *seat {
	for i := range s {
		if s[i].Node == node {
			return &s[i]
		}
	}
	return nil
}

// lose marks a node as down, so that no round asks it any more; false where this round does not care.
func (s seats) lose(node uint64) bool {
	x := s.find(node)
	if x == nil {
		return false
	}
	x.Up = false
	if x.state == served || x.state == failed {
		return false
	}
	x.state, x.reason = failed, wire.OutcomeDown
	return true
}

// waiting reports whether any reply is due.
func (s seats) waiting() bool {
	for i := range s {
		if s[i].state == asked {
			return true
		}
	}
	return false
}

// fill makes a seat for every peer, in dst's memory; who is down has failed already.
func fill(dst seats, peers []Peer) seats {
	dst = dst[:0]
	for _, p := range peers {
		s := seat{Peer: p}
		if !p.Up {
			s.state, s.reason = failed, wire.OutcomeDown
		}
		dst = append(dst, s)
	}
	return dst
}

// failures lists the nodes that did not count and how they failed, and says the same in words, as "n2 down,
// n3 full".
func (s seats) failures() ([]wire.Failure, string) {
	var list []wire.Failure
	var words []string
	for i := range s {
		if p := &s[i]; p.state == failed {
			list = append(list, wire.Failure{Node: p.Node, Reason: p.reason})
			words = append(words, p.Name+" "+p.reason.String())
		}
	}
	return list, strings.Join(words, ", ")
}

// silence fails who has not replied, when there is no more time to.
func (s seats) silence() {
	for i := range s {
		if s[i].state == asked {
			s[i].state, s[i].reason = failed, wire.OutcomeSilent
		}
	}
}
