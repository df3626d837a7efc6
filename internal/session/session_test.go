package session

import (
	"fmt"
	"testing"
)

func TestWhatIsOlderThanWasMetIsAskedForAgainAndThenFails(t *testing.T) {
	m := New(10)
	m.Meet("k", 5)
	for tries := range Levels {
		if got := m.Read("k", tries, Answer{Stamp: 4}); got != Again {
			t.Errorf("an older answer at try %d is %d", tries, got)
		}
	}
	if got := m.Read("k", len(Levels), Answer{Stamp: 4}); got != Fail || m.Met("k") != 5 {
		t.Errorf("the last older answer is %d, met %d", got, m.Met("k"))
	}
	if got := m.Read("k", 0, Answer{Stamp: 7}); got != Take || m.Met("k") != 7 {
		t.Errorf("a later answer is %d, met %d", got, m.Met("k"))
	}
}

func TestAMissCountsWhereAllSaySoOrOneMayHaveForgotten(t *testing.T) {
	m := New(10)
	m.Meet("k", 5)
	if got := m.Read("k", 0, Answer{Missing: true, Forgotten: true}); got != Take || m.Met("k") != 5 {
		t.Errorf("a miss that may be a loss is %d, met %d", got, m.Met("k"))
	}
	if got := m.Read("k", 0, Answer{Missing: true}); got != Again {
		t.Errorf("the miss of one owner is %d", got)
	}
	if got := m.Read("k", len(Levels), Answer{Missing: true}); got != Take || m.Met("k") != 0 {
		t.Errorf("the miss of all is %d, met %d", got, m.Met("k"))
	}
}

func TestTheLastKeysAreRemembered(t *testing.T) {
	m := New(10)
	for i := range 1000 {
		if m.Meet(fmt.Sprint(i), uint64(i+1)); m.Len() > 20 {
			t.Fatalf("%d keys after %d", m.Len(), i)
		}
		for j := max(i-9, 0); j <= i; j++ {
			if m.Met(fmt.Sprint(j)) != uint64(j+1) {
				t.Fatalf("key %d is not known after %d", j, i)
			}
		}
	}
}
