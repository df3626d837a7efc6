package session

import "github.com/shoalcache/shoal/wire"

// Memory keeps a stamp for each of the last keys that a session has met, so many at least and at most twice as many. It is
// not safe for use by several goroutines.
type Memory struct {
	most        int // keys of young
	young, aged map[string]uint64
}

// New makes a memory of so many keys, at least one.
func New(keys int) Memory {
	return Memory{most: max(keys, 1), young: map[string]uint64{}}
}

// Met is the greatest stamp that was met of a key; 0 where none was, or it is not remembered.
func (m *Memory) Met(name string) uint64 { return max(m.young[name], m.aged[name]) }

// Meet notes that a version of a key was met.
func (m *Memory) Meet(name string, stamp uint64) {
	stamp = max(stamp, m.Met(name))
	if _, ok := m.young[name]; !ok && len(m.young) >= m.most {
		m.young, m.aged = map[string]uint64{}, m.young
	}
	m.young[name] = stamp
}

// forget lets the key be as one that was never met.
func (m *Memory) forget(name string) {
	delete(m.young, name)
	delete(m.aged, name)
}

// Len is how many keys are remembered, those that are in both halves twice.
func (m *Memory) Len() int { return len(m.young) + len(m.aged) }

// Levels are what a read is tried at, one after the other, that was answered with less than the session has met. Before the last
// try there is time for what is on its way.
var Levels = [...]wire.Level{wire.LevelQuorum, wire.LevelAll, wire.LevelAll}

// Answer is what a read was told of a key.
type Answer struct {
	Stamp     uint64 // 0: there is nothing
	Missing   bool
	Forgotten bool
}

// Verdict is what becomes of an answer.
type Verdict uint8

// The verdicts.
const (
	Take  Verdict = iota // it is not older than what the session has met
	Again                // it is: ask at the next of Levels
	Fail                 // it is, and there is no further level
)

// Read judges the answer to a read, after so many tries at Levels, and notes what it takes.
func (m *Memory) Read(name string, tries int, a Answer) Verdict {
	switch {
	case a.Stamp >= m.Met(name) || a.Forgotten:
		m.Meet(name, a.Stamp)
	case tries < len(Levels):
		return Again
	case !a.Missing:
		return Fail
	default:
		m.forget(name) // all owners say so: it was flushed, has expired, or is forgotten by all
	}
	return Take
}
