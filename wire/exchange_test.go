package wire

import (
	"slices"
	"testing"
)

// TestNumbersComeBackInGroups: as they were appended, and what ends within a group is an error and not a group.
func TestNumbersComeBackInGroups(t *testing.T) {
	body := AppendNumbers(nil, 1, 2, 3, 1<<40, 5, 1<<63)
	var got []uint64
	var a, b uint64
	n := NewNumbers(body)
	for n.Next(&a, &b) {
		got = append(got, a, b)
	}
	if want := []uint64{1, 2, 3, 1 << 40, 5, 1 << 63}; !slices.Equal(got, want) || n.Err() != nil {
		t.Errorf("%v, %v, want %v", got, n.Err(), want)
	}
	for cut := range body {
		n := NewNumbers(body[:cut])
		groups := 0
		for n.Next(&a, &b) {
			groups++
		}
		if whole := cut == 0 || cut == 2 || cut == 12; whole != (n.Err() == nil) {
			t.Errorf("%d bytes of %d: %d groups, %v", cut, len(body), groups, n.Err())
		}
	}
	n = NewNumbers([]byte{codeNil})
	if n.Next(&a) || n.Err() == nil {
		t.Error("nil passed for a number")
	}
}
