package arena

import (
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func newArena(t *testing.T, cfg Config) *Arena {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func TestEveryTakerHasItsOwnBytesAndWholePagesAreCounted(t *testing.T) {
	const takers, most = 8, 300 << 10
	a := newArena(t, Config{Limit: takers * 10 * 2 * most, Spare: most, Slot: 16 << 10})
	page := os.Getpagesize()
	var wg sync.WaitGroup
	for n := range takers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 1))
			var held [10][]byte
			for range 600 {
				b := &held[rng.IntN(len(held))]
				for i := range *b {
					if (*b)[i] != byte(n) {
						t.Errorf("taker %d finds %d in its bytes", n, (*b)[i])
						return
					}
				}
				if *b != nil {
					a.Give(*b)
				}
				size := 1 + rng.IntN(16<<10)
				if rng.IntN(10) == 0 {
					size = 1 + rng.IntN(most)
				}
				*b = a.Take(size)
				if len(*b) != size || available && a.least() == 1 && (cap(*b)%page != 0 || cap(*b) >= size+page) {
					t.Errorf("asked for %d bytes: %d, which count %d", size, len(*b), cap(*b))
					return
				}
				for i := range *b {
					(*b)[i] = byte(n)
				}
			}
			for _, b := range held {
				a.Give(b)
			}
		})
	}
	wg.Wait()
	if used := a.Used(); used != 0 {
		t.Errorf("all was given back, and %d bytes are in use", used)
	}
}

// Two stores are full, and each is about to let go of what is in the way of a large record.
func TestOneAtATimeIsAboveTheLimit(t *testing.T) {
	if !available {
		t.Skip("all memory is the Go heap's here")
	}
	const limit, large = 4 << 20, 1 << 20
	synctest.Test(t, func(t *testing.T) {
		a := newArena(t, Config{Limit: limit, Spare: large, Slot: 64 << 10})
		full := a.Take(limit)
		first := a.Take(large)
		entered := false
		go func() {
			defer a.Give(a.Take(large))
			entered = true
		}()
		synctest.Wait()
		if entered || a.Used() != limit+large {
			t.Fatalf("a second one is let in: %t, %d bytes are in use", entered, a.Used())
		}
		a.Give(a.Take(64 << 10)) // what it takes to come below the limit waits for nobody
		a.Give(first)
		synctest.Wait()
		if !entered {
			t.Fatal("what was above the limit is gone, and the next one still waits")
		}
		a.Give(full)
	})
}

// What is small waits for nobody, so that many who take it can be above the limit for good, and none of them ever gives.
func TestNobodyWaitsForRoomForLongerThanASecond(t *testing.T) {
	if !available {
		t.Skip("all memory is the Go heap's here")
	}
	const limit, large, slot = 4 << 20, 1 << 20, 64 << 10
	synctest.Test(t, func(t *testing.T) {
		a := newArena(t, Config{Limit: limit, Spare: large, Slot: slot})
		for a.Used() <= limit {
			a.Take(slot)
		}
		before, began := a.Used(), time.Now()
		b := a.Take(large)
		if took := time.Since(began); took != roomPatience || len(b) != large || a.Used() != before+large || a.Forced() != 1 {
			t.Errorf("%d bytes after %v, %d in use, %d let in without room", len(b), took, a.Used(), a.Forced())
		}
		a.Give(b)
		a.Give(a.Take(slot))
		if a.Used() != before || a.Forced() != 1 {
			t.Errorf("%d bytes in use, %d let in, when the large one is gone", a.Used(), a.Forced())
		}
	})
}

func TestAddressesThatAreRefusedAreAnErrorAtTheStart(t *testing.T) {
	if !available {
		t.Skip("all memory is the Go heap's here")
	}
	_, err := New(Config{Limit: 1 << 60, Slot: 1 << 20})
	if !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "ulimit -v") {
		t.Fatalf("2 EiB of addresses: %v", err)
	}
}

func TestAClosedArenaServesFromTheHeap(t *testing.T) {
	a := newArena(t, Config{Limit: 1 << 20, Slot: 4 << 10})
	a.Take(4 << 10)
	a.Close()
	b := a.Take(10)
	b[9] = 1
	a.Give(b)
	if a.Used() != 0 {
		t.Errorf("%d bytes are in use", a.Used())
	}
}
