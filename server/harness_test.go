package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
)

// kill stops a node as a crash would: nothing is answered, nobody is told.
func (n *Node) kill() {
	n.cancel(context.Canceled)
	<-n.done
}

// again starts a node anew with the same configuration and addresses, but for what change changes.
func again(t *testing.T, n *Node, change func(*Config)) *Node {
	t.Helper()
	cfg := n.cfg
	cfg.ClientAddr, cfg.PeerAddr, cfg.GossipAddr = n.me.ClientAddr, n.me.PeerAddr, n.me.GossipAddr
	if change != nil {
		change(&cfg)
	}
	return start(t, cfg)
}

func otherPorts(cfg *Config) {
	cfg.ClientAddr, cfg.PeerAddr, cfg.GossipAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
}

// startError starts a node that must not start.
func startError(t *testing.T, cfg Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n, err := Start(ctx, cfg)
	if err == nil {
		_ = n.Shutdown(ctx)
		t.Fatal("it started")
	}
	return err
}

// count is one number of a node's stats.
func count(n *Node, pkg, name string) int64 {
	switch v := n.Stats().Packages[pkg][name].(type) {
	case int64:
		return v
	case uint64:
		return int64(v)
	case int:
		return int64(v)
	}
	panic(pkg + " has no count " + name)
}

// ledger is what was acknowledged: the version each key must have, or a later one.
type ledger struct {
	mu       sync.Mutex
	versions map[string]int
}

func newLedger() *ledger { return &ledger{versions: map[string]int{}} }

func (l *ledger) set(t testing.TB, c *client.Client, key string, opts ...client.CallOption) error {
	l.mu.Lock()
	version := l.versions[key] + 1
	l.mu.Unlock()
	if err := c.Set(t.Context(), key, []byte(strconv.Itoa(version)), opts...); err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	l.mu.Lock()
	l.versions[key] = version
	l.mu.Unlock()
	return nil
}

// load writes n keys, many at a time.
func (l *ledger) load(t *testing.T, c *client.Client, prefix string, n int) {
	t.Helper()
	const writers = 32
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += writers {
				errs[w] = l.set(t, c, fmt.Sprint(prefix, i))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// check reads every key, which must be there and be the version that was acknowledged last.
func (l *ledger) check(t *testing.T, c *client.Client, opts ...client.CallOption) {
	t.Helper()
	var keys []string
	for k := range l.versions {
		keys = append(keys, k)
	}
	missing, stale := 0, 0
	var last error
	for len(keys) > 0 {
		some := keys[:min(500, len(keys))]
		keys = keys[len(some):]
		results, err := c.MGet(t.Context(), some, opts...)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if r.Err != nil {
				missing++
				last = fmt.Errorf("%s: %w", some[i], r.Err)
			} else if string(r.Value) != strconv.Itoa(l.versions[some[i]]) {
				stale++
				last = fmt.Errorf("%s: version %s, acknowledged was %d", some[i], r.Value, l.versions[some[i]])
			}
		}
	}
	if missing+stale > 0 {
		t.Fatalf("of %d keys %d were not read and %d were stale; the last: %v", len(l.versions), missing, stale, last)
	}
}

// traffic writes and reads back through c until stopped; stop returns the first error.
func (l *ledger) traffic(t *testing.T, c *client.Client, prefix string) (done func() int, stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	ops := 0
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				key := fmt.Sprint(prefix, w, "-", i%200)
				err := l.set(t, c, key)
				if err == nil {
					var got []byte
					l.mu.Lock()
					want := strconv.Itoa(l.versions[key])
					l.mu.Unlock()
					if got, err = c.Get(t.Context(), key); err == nil && string(got) != want {
						err = fmt.Errorf("stale: %s: version %s, acknowledged was %s", key, got, want)
					}
				}
				mu.Lock()
				ops++
				if failed == nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	done = func() int { mu.Lock(); defer mu.Unlock(); return ops }
	stop = func() error { cancel(); wg.Wait(); return failed }
	t.Cleanup(func() { _ = stop() })
	return done, stop
}

// levels, short.
var (
	atOne = client.WithLevel(wire.LevelOne)
	atAll = client.WithLevel(wire.LevelAll)
)

func isQuorum(err error) bool {
	_, ok := errors.AsType[*client.QuorumError](err)
	return ok
}
