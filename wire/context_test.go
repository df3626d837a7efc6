package wire

import (
	"errors"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/vclock"
)

func sampleContext() vclock.Context {
	c := vclock.Context{Floor: 100}
	for i := range uint64(3) {
		c.Add(vclock.Dot{Actor: vclock.Actor{Node: i + 1, Boot: 7}, Stamp: vclock.Stamp(200 + i)})
	}
	return c
}

func TestAContextComesBackAsItWasGiven(t *testing.T) {
	c := sampleContext()
	got, err := ParseContext(AppendContext(nil, &c, 42, xxhash.Sum64), 42, xxhash.Sum64)
	if err != nil || !got.Equal(&c) {
		t.Errorf("%+v, %v, want %+v", got, err, c)
	}
}

// The salt stands for cluster and key.
func TestAContextOfAnotherKeyOrClusterOrWithAnyBitFlippedIsRefused(t *testing.T) {
	c := sampleContext()
	good := AppendContext(nil, &c, 42, xxhash.Sum64)
	refused := func(what string, b []byte, salt uint64) {
		t.Helper()
		if got, err := ParseContext(b, salt, xxhash.Sum64); !errors.Is(err, ErrContext) || len(got.Seen) > 0 {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	refused("of another key", good, 43)
	for i := range len(good) * 8 {
		flipped := append([]byte(nil), good...)
		flipped[i/8] ^= 1 << (i % 8)
		refused("a bit flipped", flipped, 42)
	}
	for n := range good {
		refused("cut", good[:n], 42)
	}
	refused("with more behind", append(append([]byte(nil), good...), 0), 42)
}

// Whoever can work the check out gets no further: what is too large or out of order is refused, and nothing made of it.
func TestAForgedContextIsRefusedBeforeAnythingIsMadeOfIt(t *testing.T) {
	many := vclock.Context{Seen: make([]vclock.Dot, 1_000_000)}
	for i := range many.Seen {
		many.Seen[i] = vclock.Dot{Actor: vclock.Actor{Node: uint64(i + 1)}, Stamp: 1}
	}
	twice := vclock.Context{Seen: []vclock.Dot{{Actor: vclock.Actor{Node: 1}, Stamp: 1}, {Actor: vclock.Actor{Node: 1}, Stamp: 2}}}
	below := vclock.Context{Floor: 5, Seen: []vclock.Dot{{Actor: vclock.Actor{Node: 1}, Stamp: 5}}}
	for name, c := range map[string]*vclock.Context{"a million actors": &many, "an actor twice": &twice, "an actor below the floor": &below} {
		b := AppendContext(nil, c, 42, xxhash.Sum64)
		if got, err := ParseContext(b, 42, xxhash.Sum64); !errors.Is(err, ErrContext) || len(got.Seen) > 0 {
			t.Errorf("%s: %d actors, %v", name, len(got.Seen), err)
		}
	}
	b := AppendContext(nil, &many, 42, xxhash.Sum64)
	if n := testing.AllocsPerRun(10, func() { _, _ = ParseContext(b, 42, xxhash.Sum64) }); n > 0 {
		t.Errorf("%v allocations for a million actors", n)
	}
	limits := DefaultLimits()
	var q Request
	var over *LimitError
	limits.Frame = len(b) + 100
	frame := AppendRequest(nil, &Request{Op: OpSet, ID: 1, Key: []byte("k"), Context: b})
	if err := DecodeRequest(frame[FrameHeader:], &q, &limits); !errors.As(err, &over) {
		t.Errorf("a request with a million actors: %v", err)
	}
}
