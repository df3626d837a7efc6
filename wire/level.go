package wire

import (
	"errors"
	"fmt"
	"strings"
)

// Level is how many replicas, and where, a call waits for.
type Level uint8

// The levels. Default is the namespace's; Explicit takes R and W from the request.
const (
	LevelDefault     Level = 0
	LevelAny         Level = 1 // writes: one owner, or a hint at a fallback; reads: one
	LevelOne         Level = 2
	LevelTwo         Level = 3
	LevelQuorum      Level = 4 // a majority of all owners, in whatever datacenter
	LevelAll         Level = 5
	LevelLocalOne    Level = 6 // one in the coordinator's datacenter
	LevelLocalQuorum Level = 7 // a majority in the coordinator's datacenter
	LevelEachQuorum  Level = 8 // a majority in every datacenter
	LevelExplicit    Level = 9
)

var levelNames = [...]string{
	"default", "any", "one", "two", "quorum", "all", "local_one", "local_quorum", "each_quorum", "explicit",
}

// ErrLevel is returned for a level that does not exist.
var ErrLevel = errors.New("wire: unknown consistency level")

// String names the level.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// Valid reports whether l is one of the levels above.
func (l Level) Valid() bool { return int(l) < len(levelNames) }

// ParseLevel reads a level's name; ErrLevel lists the names there are.
func ParseLevel(s string) (Level, error) {
	for i, n := range levelNames[:LevelExplicit] {
		if strings.EqualFold(s, n) {
			return Level(i), nil
		}
	}
	return 0, fmt.Errorf("%w %q: use one of %s", ErrLevel, s, strings.Join(levelNames[1:LevelExplicit], ", "))
}
