package bench

import (
	"sync"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// An open loop may have 1,024 requests under way on a connection; to set as many keys at once would be a burst that a
// node answers too late.
func TestLoadingNeverBurstsWhateverTheDepthOfTheRun(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want int
	}{
		{Config{Load: true, Rate: 100}, loadDepth},
		{Config{Load: true, Depth: 5000}, loadDepth},
		{Config{Load: true}, loadDepth},
		{Config{Load: true, Rate: 100, Sizes: []Size{{Least: 1, Most: BatchMax / 4, Weight: 1}}}, 4},
		{Config{Load: true, Rate: 100, Sizes: []Size{{Least: 1, Most: 2 * BatchMax, Weight: 1}}}, 1},
	} {
		r := &run{load: newLoad(c.cfg.withDefaults(), 1)}
		if got := r.loading().depth; got != c.want {
			t.Errorf("%+v: %d at once", c.cfg, got)
		}
		if r.depth() < max(r.cfg.Depth, c.want) {
			t.Errorf("%+v: room for %d", c.cfg, r.depth())
		}
	}
}

func TestKeysThatCouldNotBeLoadedAreCounted(t *testing.T) {
	var mu sync.Mutex
	n := 0
	addr := fake(t, func(q *wire.Request) *wire.Response {
		mu.Lock()
		defer mu.Unlock()
		if n++; n <= 40 {
			return &wire.Response{ID: q.ID, Status: wire.StatusTimeout}
		}
		return ok(q)
	})
	r, err := Run(t.Context(), Config{Addrs: []string{addr}, Conns: 2, Rate: 1e4, Requests: 10, Keys: 100, Load: true, Warmup: time.Millisecond})
	if err != nil || r.Unloaded != 40 || r.FailedBefore != 40 || r.Failed() != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
}
