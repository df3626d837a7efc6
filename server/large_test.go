package server

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
)

// Many clients with values that fill a link one by one wait for one another; nobody's link breaks (I16).
func TestLargeValuesFillLinksAndBreakNone(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 3, func(c *Config) { c.tuning.linkBytes = 1 << 20 })
	boots := map[*link]*pipe{}
	for _, n := range nodes {
		for _, l := range n.links {
			boots[l] = l.open(0)
		}
	}
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for i := range 8 {
		c := dial(t, nodes[i%3])
		wg.Go(func() {
			value := bytes.Repeat([]byte{byte(i)}, 700<<10)
			for j := range 6 {
				if err := c.Set(t.Context(), fmt.Sprint("k", i, j), value); err != nil {
					errs <- err
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		t.Fatal(err)
	default:
	}
	for l, p := range boots {
		if l.open(0) != p {
			t.Fatalf("the link to %s broke", l.name)
		}
	}
}
