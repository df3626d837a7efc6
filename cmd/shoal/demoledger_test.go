package main

import (
	"strings"
	"testing"
)

// Whatever a read may return, the ledger calls it by its name.
func TestLedgerTellsEveryLieFromTheTruth(t *testing.T) {
	const key = 7
	begin := func() demoLedger {
		l := make(demoLedger, 10)
		for range 3 { // three versions acknowledged, a fourth under way
			l.write(key)
			l.wrote(key, true, false)
		}
		l.write(key)
		return l
	}
	half := demoValue(key, 3)[:50]
	flipped := demoValue(key, 3)
	flipped[60] ^= 1
	for _, c := range []struct {
		what  string
		floor uint32
		value []byte
		found bool
		want  demoFinding
		says  string
	}{
		{"what was acknowledged last", 3, demoValue(key, 3), true, foundFine, ""},
		{"a write under way", 3, demoValue(key, 4), true, foundFine, ""},
		{"what was acknowledged when the read began", 2, demoValue(key, 2), true, foundFine, ""},
		{"a miss of what was never there", 0, nil, false, foundFine, ""},
		{"an older version", 3, demoValue(key, 2), true, foundStale, "demo:000007 reads version 2, and 3 was acknowledged before"},
		{"a version that an earlier read might have seen", 2, demoValue(key, 1), true, foundStale, "version 1, and 2"},
		{"nothing", 3, nil, false, foundLost, "demo:000007 is missing, of which version 3 was acknowledged"},
		{"nothing, after the very first write", 1, nil, false, foundLost, "version 1"},
		{"another key's value", 3, demoValue(key+1, 3), true, foundWrong, `"demo:000008 version 3 `},
		{"a version that nobody wrote", 3, demoValue(key, 5), true, foundWrong, "version 5, and 4 is the last"},
		{"half a value", 3, half, true, foundWrong, "not a value of it"},
		{"a value with one bit wrong", 3, flipped, true, foundWrong, "not a value of it"},
		{"no bytes", 3, []byte{}, true, foundWrong, "not a value of it"},
	} {
		l := begin()
		got, says := l.judge(key, c.floor, c.value, c.found)
		if got != c.want || !strings.Contains(says, c.says) || (says == "") != (got == foundFine) {
			t.Errorf("%s: found %d %q, want %d %q", c.what, got, says, c.want, c.says)
		}
	}
}

func TestLedgerHasOneWriteOfAKeyUnderWay(t *testing.T) {
	l := make(demoLedger, 1)
	if v, ok := l.write(0); v != 1 || !ok {
		t.Fatal(v, ok)
	}
	if _, ok := l.write(0); ok {
		t.Error("a second write began while the first was under way")
	}
	l.wrote(0, false, false)
	if l.floor(0) != 0 {
		t.Error("a failed write counts as acknowledged")
	}
	if v, ok := l.write(0); v != 2 || !ok {
		t.Error("the next write is not version 2:", v, ok)
	}
	l.wrote(0, true, true)
	if l.floor(0) != 2 {
		t.Error("an acknowledged write does not count")
	}
	if _, ok := l.write(0); ok {
		t.Error("a key is written again though a try may still happen")
	}
}
