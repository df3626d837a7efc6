package coordinator

import (
	"fmt"

	"github.com/shoalcache/shoal/wire"
)

// datacentersMax is how many datacenters a quorum can count apart; a map holds no more.
const datacentersMax = 8

// Quorum is what a level asks of a key's owners: how many, counted together, in one datacenter, or in
// each. The zero Quorum asks nothing.
type Quorum struct {
	need   [datacentersMax]uint8 // by group
	scope  scope
	local  uint8 // the coordinator's datacenter
	Sloppy bool  // hints kept by fallbacks count
}

type scope uint8

const (
	scopeAll   scope = iota // one group of all owners
	scopeLocal              // one group of the local owners; the others do not count
	scopeEach               // a group per datacenter
)

// Ask is a level as a request names it.
type Ask struct {
	Level  wire.Level
	Count  uint8 // with LevelExplicit: R or W
	Sloppy bool
	Local  uint8 // the coordinator's datacenter
}

// Resolve turns a level into counts over the owners among peers. It fails where the level cannot be met
// by that many owners even when all are up.
func Resolve(ask Ask, peers []Peer) (Quorum, error) {
	var owners [datacentersMax]uint8
	var total uint8
	for _, p := range peers {
		if p.Owner {
			owners[p.Datacenter]++
			total++
		}
	}
	q := Quorum{local: ask.Local, Sloppy: ask.Sloppy}
	if total == 0 {
		return q, &UnmeetableError{Level: ask.Level, Need: 1}
	}
	have := total
	switch ask.Level {
	case wire.LevelAny:
		q.need[0], q.Sloppy = 1, true
	case wire.LevelOne:
		q.need[0] = 1
	case wire.LevelTwo:
		q.need[0] = 2
	case wire.LevelQuorum, wire.LevelDefault:
		q.need[0] = total/2 + 1
	case wire.LevelAll:
		q.need[0] = total
	case wire.LevelLocalOne:
		q.scope, q.need[0], have = scopeLocal, 1, owners[ask.Local]
	case wire.LevelLocalQuorum:
		q.scope, q.need[0], have = scopeLocal, owners[ask.Local]/2+1, owners[ask.Local]
	case wire.LevelEachQuorum:
		q.scope = scopeEach
		for dc, n := range owners {
			if n > 0 {
				q.need[dc] = n/2 + 1
			}
		}
		return q, nil
	case wire.LevelExplicit:
		q.need[0] = ask.Count
	default:
		return q, fmt.Errorf("%w %d", wire.ErrLevel, ask.Level)
	}
	if q.need[0] == 0 || q.need[0] > have {
		return q, &UnmeetableError{Level: ask.Level, Need: q.need[0], Have: have}
	}
	return q, nil
}

// group is the index into need and tally that an owner in datacenter dc counts in; false: in none.
func (q *Quorum) group(dc uint8) (int, bool) {
	switch q.scope {
	case scopeLocal:
		return 0, dc == q.local
	case scopeEach:
		return int(dc), true
	default:
		return 0, true
	}
}

// Want is the number of owners asked for, over all groups.
func (q *Quorum) Want() (n int) {
	for _, k := range q.need {
		n += int(k)
	}
	return n
}

// tally counts owners by group.
type tally [datacentersMax]uint8

func (t *tally) add(q *Quorum, dc uint8) {
	if g, ok := q.group(dc); ok {
		t[g]++
	}
}

// met reports whether every group has what it needs.
func (t *tally) met(q *Quorum) bool {
	for g, k := range q.need {
		if t[g] < k {
			return false
		}
	}
	return true
}

// got is the count that matters, at most what each group needs.
func (t *tally) got(q *Quorum) (n int) {
	for g, k := range q.need {
		n += int(min(t[g], k))
	}
	return n
}
