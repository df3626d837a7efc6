package vclock

import (
	"encoding/binary"
	"flag"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The laws run over some 500,000 cases; -short, for the race detector, a hundredth of them.
// -rapid.checks=N on the command line wins over both.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.seed", "1") // the same cases each time; make laws draws others
	_ = flag.Set("rapid.checks", "40000")
	flag.Parse()
	if testing.Short() {
		_ = flag.Set("rapid.checks", "400")
	}
	os.Exit(m.Run())
}

// The universe is small on purpose: ties, repeats and near misses come up in every run.
const (
	actorCount = 4
	stampMax   = 7
)

func actor(i int) Actor { return Actor{Node: uint64(1 + i/2), Boot: uint64(1 + i%2)} }

func drawActor(t *rapid.T) Actor { return actor(rapid.IntRange(0, actorCount-1).Draw(t, "actor")) }

func drawStamp(t *rapid.T) Stamp { return Stamp(rapid.IntRange(0, stampMax).Draw(t, "stamp")) }

func drawDot(t *rapid.T) Dot {
	return Dot{Actor: drawActor(t), Stamp: Stamp(rapid.IntRange(1, stampMax).Draw(t, "stamp"))}
}

// drawContext draws any canonical context.
func drawContext(t *rapid.T) Context {
	c := Context{Floor: Stamp(rapid.IntRange(0, 3).Draw(t, "floor"))}
	for i := range actorCount {
		if s := drawStamp(t); s > c.Floor {
			c.Seen = append(c.Seen, Dot{Actor: actor(i), Stamp: s})
		}
	}
	return c
}

// drawSet draws any set in canonical form, among them many that no coordinator would make.
func drawSet(t *rapid.T) Set {
	if rapid.IntRange(0, 9).Draw(t, "empty") == 0 {
		return Set{}
	}
	s := Set{
		Dot:       drawDot(t),
		Context:   drawContext(t),
		Tombstone: rapid.Bool().Draw(t, "tombstone"),
		Deadline:  drawDeadline(t),
	}
	if !s.Tombstone {
		s.Value = []byte(rapid.SampledFrom([]string{"", "a", "b", "ab"}).Draw(t, "value"))
	}
	s.Context.without(s.Dot)
	return s
}

func drawDeadline(t *rapid.T) Deadline {
	return Deadline{
		At:    int64(rapid.IntRange(0, 3).Draw(t, "at")),
		Stamp: Stamp(rapid.IntRange(0, 3).Draw(t, "deadline stamp")),
	}
}

// canonical is every bit of a set, so that "the same" can be said of bytes.
func canonical(s *Set) string {
	b := appendDot(nil, s.Dot)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Context.Floor))
	b = binary.BigEndian.AppendUint64(b, uint64(len(s.Context.Seen)))
	for _, d := range s.Context.Seen {
		b = appendDot(b, d)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(s.Deadline.At))
	b = binary.BigEndian.AppendUint64(b, uint64(s.Deadline.Stamp))
	if s.Tombstone {
		b = append(b, 1)
	}
	return string(append(b, s.Value...))
}

func appendDot(b []byte, d Dot) []byte {
	b = binary.BigEndian.AppendUint64(b, d.Actor.Node)
	b = binary.BigEndian.AppendUint64(b, d.Actor.Boot)
	return binary.BigEndian.AppendUint64(b, uint64(d.Stamp))
}

// clone shares no memory with s, so that a test notices when a function writes where it must not.
func clone(s *Set) Set {
	c := *s
	c.Context = s.Context.CopyInto(nil)
	c.Value = slices.Clone(s.Value)
	return c
}

func merged(a, b *Set) Set {
	m, _ := Merge(a, b)
	return m
}

// isCanonical is invariant 2, said as plainly as it can be.
func isCanonical(c *Context) bool {
	for i, d := range c.Seen {
		if d.Stamp <= c.Floor || i > 0 && c.Seen[i-1].Actor.Compare(d.Actor) >= 0 {
			return false
		}
	}
	return true
}

// allDots is every dot of the small universe: two contexts that contain the same of them have seen the same.
func allDots() []Dot {
	var dots []Dot
	for i := range actorCount {
		for s := Stamp(1); s <= stampMax; s++ {
			dots = append(dots, Dot{Actor: actor(i), Stamp: s})
		}
	}
	return dots
}
