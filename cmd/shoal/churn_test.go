package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
)

var (
	churnFor    = flag.Duration("churn.for", 0, "how long to churn; 0: a number of operations")
	churnMemory = flag.String("churn.memory", "64MiB", "the limit of the process")
)

const (
	churners = 12   // connections
	churnOps = 5000 // of each, where there is no time to churn for
)

// The peak is read from outside, as whoever ends a process for its size would. make bench-memory does it for longer.
func TestAProcessStaysBelowItsMemoryWhateverIsStored(t *testing.T) { // I16
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("a process of its own, whose peak Linux tells")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "shoal")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	limit, err := parseSize(*churnMemory)
	if err != nil {
		t.Fatal(err)
	}
	ports := rollingPorts(t, 3)
	p := &victim{name: "n1", addr: ports[0], args: []string{
		"server", "--name", "n1", "--client-addr", ports[0], "--resp-addr", "none", "--peer-addr", ports[1], "--gossip-addr", ports[2],
		"--data-dir", "none", "--memory", *churnMemory, "--replicas", "1", "--log-level", "error",
	}}
	p.start(t, binary)
	t.Cleanup(p.kill)
	waitRecovered(t, []*victim{p})

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if *churnFor > 0 {
		ctx, cancel = context.WithTimeout(ctx, *churnFor)
		defer cancel()
	}
	var wg sync.WaitGroup
	for seed := range churners {
		wg.Go(func() {
			c := connect(t, []*victim{p})
			defer c.Close()
			for rng, n := rand.New(rand.NewPCG(uint64(seed), 1)), 0; ctx.Err() == nil && (*churnFor > 0 || n < churnOps); n++ {
				if err := churn(ctx, c, rng, int(limit>>10)); err != nil && ctx.Err() == nil {
					t.Errorf("an operation failed: %v", err)
					cancel()
				}
			}
		})
	}
	stats := func() wire.NodeStats {
		c := connect(t, []*victim{p})
		defer c.Close()
		s, err := c.Stats(t.Context(), p.addr)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if *churnFor > 0 {
		for tick := time.NewTicker(*churnFor / 10); ; {
			select {
			case <-ctx.Done():
			case <-tick.C:
				t.Log(shape(stats(), peak(t, p.cmd.Process.Pid), limit))
				continue
			}
			break
		}
	}
	wg.Wait()
	s, most := stats(), peak(t, p.cmd.Process.Pid)
	t.Log(shape(s, most, limit))
	if most > limit {
		t.Errorf("the process had up to %s of the %s that it may", formatSize(most), formatSize(limit))
	}
	if evicted, _ := strconv.Atoi(fmt.Sprint(s.Packages["storage"]["evicted"])); evicted == 0 {
		t.Error("nothing was evicted: the test tests nothing")
	}
}

// shape says how much of a process's memory is of use.
func shape(s wire.NodeStats, peak, limit int64) string {
	part := func(n, of int64) string { return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of)) }
	return fmt.Sprintf("peak %s of %s (%s); storage has %s of that, and %s of it are in use by %d keys", formatSize(peak), formatSize(limit), part(peak, limit),
		part(s.MemoryLimit, limit), part(s.MemoryUsed, s.MemoryLimit), s.Keys)
}

// peak is the most memory that a process ever had.
func peak(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	n, ok := procBytes(string(text), "VmHWM:")
	if !ok {
		t.Fatal("the system does not tell a peak")
	}
	return n
}

// churn does something to some key of so many, which are several times what fits. Most values have 16 bytes to 16 KiB, as many of each magnitude, and a few up to 512 KiB.
func churn(ctx context.Context, c *client.Client, rng *rand.Rand, keys int) error {
	key := fmt.Sprint("key:", rng.IntN(keys))
	switch what := rng.IntN(100); {
	case what < 55:
		size := 16 * math.Pow(1024, rng.Float64())
		if what == 0 {
			size *= 32
		}
		var opts []client.CallOption
		if rng.IntN(3) == 0 {
			opts = append(opts, client.WithTTL(time.Duration(1+rng.IntN(3000))*time.Millisecond))
		}
		return c.Set(ctx, key, make([]byte, int(size)), opts...)
	case what < 65:
		return c.Delete(ctx, key)
	default:
		if _, err := c.Get(ctx, key); !errors.Is(err, client.ErrNotFound) {
			return err
		}
		return nil
	}
}
