package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoalcache/shoal/client"
)

// cache is a store in which a test may plant what must not happen: a lie stands before every call, says what the call
// returns in its place, and whether it does.
type cache struct {
	mu       sync.Mutex
	versions map[string][][]byte // all of a key's, oldest first
	calls    int
	lie      func(c *cache, key string, value []byte) (answer []byte, err error, lies bool) // value: nil for a Get
}

func (c *cache) call(key string, value []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.lie != nil {
		if answer, err, lies := c.lie(c, key, value); lies {
			return answer, err
		}
	}
	if value != nil {
		c.versions[key] = append(c.versions[key], value)
		return nil, nil
	}
	if all := c.versions[key]; len(all) > 0 {
		return all[len(all)-1], nil
	}
	return nil, client.ErrNotFound
}

func (c *cache) GetItem(_ context.Context, key string, _ ...client.CallOption) (client.Item, error) {
	value, err := c.call(key, nil)
	return client.Item{Value: value, Forgotten: errors.Is(err, errUnvouched)}, err
}

// errUnvouched is a miss that may be none.
var errUnvouched = fmt.Errorf("planted: %w", client.ErrNotFound)

func (c *cache) Set(_ context.Context, key string, value []byte, _ ...client.CallOption) error {
	_, err := c.call(key, value)
	return err
}

// loaded runs the demo's traffic against a cache: every key is written, then some of them read and written, then every
// key is read; and returns what was counted.
func loaded(t *testing.T, operations int, lie func(*cache, string, []byte) ([]byte, error, bool)) (tally demoTally) {
	synctest.Test(t, func(t *testing.T) {
		c := &cache{versions: map[string][][]byte{}, lie: lie}
		l := newDemoLoad(100)
		l.store = c
		l.drive(t.Context(), l.every(true))
		l.drive(t.Context(), l.steady(t.Context(), func() bool { return l.sum().Operations >= 100+operations }))
		l.drive(t.Context(), l.every(false))
		tally = l.sum()
	})
	return tally
}

var errPlanted = errors.New("planted")

const planted = "demo:000042"

func TestLoadFindsNothingWrongWithAnHonestCache(t *testing.T) {
	got := loaded(t, 5000, nil)
	if got.Stale+got.Lost+got.Wrong+got.Failed+got.FailedFirst > 0 || got.Reads < 4000 || got.Writes < 400 || got.Operations != got.Reads+got.Writes {
		t.Errorf("%+v", got)
	}
}

func TestAMissThatMayBeNoneIsTriedAgainAndCountsIfItStays(t *testing.T) {
	for _, misses := range []int{1, math.MaxInt} {
		said := 0
		got := loaded(t, 5000, func(c *cache, key string, value []byte) ([]byte, error, bool) {
			if key == planted && value == nil && said < misses {
				said++
				return nil, errUnvouched, true
			}
			return nil, nil, false
		})
		if stays := misses > 1; got.Failed != 0 || got.FailedFirst == 0 || stays && got.Lost != got.FailedFirst || !stays && got.Lost > 0 {
			t.Errorf("after %d such misses %+v", said, got)
		}
	}
}

func TestLoadSeesAStaleAnswer(t *testing.T) {
	got := loaded(t, 5000, func(c *cache, key string, value []byte) ([]byte, error, bool) {
		all := c.versions[key]
		if key == planted && value == nil && len(all) > 1 {
			return all[len(all)-2], nil, true
		}
		return nil, nil, false
	})
	if got.Stale == 0 || got.Lost+got.Wrong+got.Failed > 0 {
		t.Errorf("%+v", got)
	}
}

func TestLoadSeesALostKey(t *testing.T) {
	got := loaded(t, 0, func(_ *cache, key string, value []byte) ([]byte, error, bool) {
		return nil, client.ErrNotFound, key == planted && value == nil
	})
	if got.Lost == 0 || got.Stale+got.Wrong+got.Failed > 0 {
		t.Errorf("%+v", got)
	}
}

func TestLoadSeesAnotherKeysValue(t *testing.T) {
	got := loaded(t, 0, func(c *cache, key string, value []byte) ([]byte, error, bool) {
		return demoValue(43, 1), nil, key == planted && value == nil
	})
	if got.Wrong == 0 || got.Stale+got.Lost+got.Failed > 0 {
		t.Errorf("%+v", got)
	}
}

func TestLoadTriesThreeTimesAndCountsTheFirst(t *testing.T) {
	failing := map[string]int{}
	got := loaded(t, 0, func(_ *cache, key string, _ []byte) ([]byte, error, bool) {
		failing[key]++
		return nil, errPlanted, key == planted && failing[key]%3 != 0 // each of its operations twice
	})
	if got.FailedFirst != 2 || got.Failed != 0 {
		t.Errorf("an operation that fails twice: %+v", got)
	}
	calls := 0
	got = loaded(t, 0, func(_ *cache, key string, value []byte) ([]byte, error, bool) {
		lies := key == planted && value == nil
		if lies {
			calls++
		}
		return nil, errPlanted, lies
	})
	if got.FailedFirst == 0 || got.Failed != got.FailedFirst || calls != 3*got.Failed {
		t.Errorf("an operation that always fails: %+v, %d calls", got, calls)
	}
}

// A write that failed may still happen, later and above what came after it: that is not the cache's fault, and must not
// be called one.
func TestLoadBlamesNobodyForAWriteThatHappensLate(t *testing.T) {
	n := 0
	got := loaded(t, 20_000, func(c *cache, key string, value []byte) ([]byte, error, bool) {
		if value == nil {
			return nil, nil, false
		}
		if n++; n%50 != 0 {
			return nil, nil, false
		}
		time.AfterFunc(time.Second, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.versions[key] = append(c.versions[key], value)
		})
		return nil, &client.TimeoutError{Indeterminate: true}, true
	})
	if got.FailedFirst == 0 || got.Stale+got.Lost+got.Wrong+got.Failed > 0 {
		t.Errorf("%+v", got)
	}
}
