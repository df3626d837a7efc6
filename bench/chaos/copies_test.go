package main

import "testing"

func TestOwnersAreApartWhereOneHoldsAnotherVersionOrNone(t *testing.T) {
	owners := []string{"n1", "n2", "n3"}
	for want, stamps := range map[string][]uint64{
		"":                    {7, 7, 7},
		"n1 7, n2 8, n3 7":    {7, 8, 7},
		"n1 none, n2 8, n3 8": {0, 8, 8},
		"n1 8, n2 8, n3 none": {8, 8, 0},
	} {
		if got := apart(owners, stamps); got != want {
			t.Errorf("%v: %q, want %q", stamps, got, want)
		}
	}
	if got := apart(owners, []uint64{0, 0, 0}); got != "" {
		t.Errorf("what nobody holds is apart: %q", got)
	}
}
