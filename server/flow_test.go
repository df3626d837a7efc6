package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

func TestClientThatSendsAndNeverReadsIsCutOffAtABound(t *testing.T) { // I16
	t.Parallel()
	cfg := Quick(testConfig(t, "n1"))
	cfg.tuning.connStall = 300 * time.Millisecond
	n := start(t, cfg)
	witness := dialHello(t, n.Addr())
	if r := witness.ask(&wire.Request{Op: wire.OpSet, ID: 1, Key: []byte("large"), Value: make([]byte, 256<<10)}); r.Status != wire.StatusOK {
		t.Fatal(r)
	}
	deaf := dialHello(t, n.Addr())
	var requests []byte
	for i := range 1000 {
		requests = wire.AppendRequest(requests, &wire.Request{Op: wire.OpGet, ID: uint64(i + 1), Key: []byte("large")})
	}
	cut := make(chan error, 1)
	go func() {
		for {
			if _, err := deaf.Write(requests); err != nil {
				cut <- err
				return
			}
		}
	}()
	most := 0
	for done := false; !done; {
		n.callersMu.RLock()
		for _, c := range n.callers {
			most = max(most, c.(*conn).pipe.held())
		}
		n.callersMu.RUnlock()
		if r := witness.ask(&wire.Request{Op: wire.OpGet, ID: 2, Key: []byte("k")}); r.Status != wire.StatusNotFound || r.ID != 2 {
			t.Fatalf("another client was answered %+v", r)
		}
		select {
		case <-cut:
			done = true
		default:
		}
	}
	if most > 2*connBytesSoft {
		t.Fatalf("%d bytes were held for it", most)
	}
	eventually(t, "it is gone, and counted", func() bool { return count(n, "server", "clients") == 1 && count(n, "server", "clients_cut_off") == 1 })
}

// The beginning of a large request is all that two clients ever send.
func TestClientsThatStopWithinALargeRequestAreCutOff(t *testing.T) { // I16
	t.Parallel()
	cfg := Quick(testConfig(t, "n1"))
	cfg.tuning.connStall, cfg.RespAddr = 50*time.Millisecond, "127.0.0.1:0"
	n := start(t, cfg)
	half := make([]byte, 300<<10)
	native, redis := dialHello(t, n.Addr()), dialResp(t, n.RespAddr())
	_, _ = native.Write(append([]byte{0, 0xff, 0, 0}, half...))
	_, _ = redis.Write(append([]byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$16000000\r\n"), half...))
	eventually(t, "they are gone, and counted", func() bool { return count(n, "server", "clients") == 0 && count(n, "server", "clients_cut_off") == 2 })
	eventually(t, "what they held is there for others", func() bool { return n.unread.held.Load() == 0 && n.unread.coming.Load() == 0 })
}

func TestPipelinedRequestsAreThrottledAndNotDropped(t *testing.T) { // I18
	t.Parallel()
	nodes := cluster(t, 3, func(c *Config) { c.tuning.coordinator.TimeoutMax = 30 * time.Second })
	c := dialHello(t, nodes[0].Addr())
	const requests = 6 * connCallsMax
	thaw1, thaw2 := nodes[1].freeze(), nodes[2].freeze()
	defer thaw1()
	defer thaw2()
	go func() {
		var b []byte
		for i := range uint64(requests) {
			r := wire.Request{Op: wire.OpSet, ID: i + 1, Timeout: 60_000, Key: fmt.Append(nil, "k", i%5000), Value: fmt.Append(nil, i)}
			if i%3 == 0 {
				r.Op, r.Value = wire.OpGet, nil
			}
			b = wire.AppendRequest(b, &r)
		}
		_, _ = c.Write(b)
	}()
	n := nodes[0]
	eventually(t, "as many as may be are under way", func() bool { return n.busy() >= connCallsMax })
	<-time.After(100 * time.Millisecond) // in which all the others would be read, too
	const batch = readMost / 20          // requests of 20 bytes and more that one read can bring
	if busy := n.busy(); busy > connCallsMax+batch {
		t.Fatalf("%d requests of one connection are under way", busy)
	}
	thaw1()
	thaw2()
	seen := make([]bool, requests+1)
	for range requests {
		r := c.response()
		if r.ID == 0 || r.ID > requests || seen[r.ID] {
			t.Fatalf("an answer to request %d, which nobody waits for", r.ID)
		}
		seen[r.ID] = true
		if r.Status != wire.StatusOK && r.Status != wire.StatusNotFound {
			t.Fatalf("request %d: status %d, %+v", r.ID, r.Status, r.Err)
		}
	}
}

func TestAnswersNeverCrossRequestsWhateverIsCancelledOrReset(t *testing.T) { // I18
	t.Parallel()
	nodes := cluster(t, 3)
	const keys = 500
	clients := []*client.Client{dial(t, nodes[0], nodes[1]), dial(t, nodes[1], nodes[0]), dial(t, nodes[2], nodes[0])}
	for i := range keys {
		if err := clients[0].Set(t.Context(), fmt.Sprint("key", i), fmt.Append(nil, "value of key", i)); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	var answered, cancelled atomic.Int64
	killed := make(chan struct{})
	for g := range uint64(48) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(g, 1))
			c := clients[g%3]
			for range 250 {
				patience := time.Minute
				if random.IntN(2) == 0 {
					patience = time.Duration(random.IntN(3000)) * time.Microsecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				i := random.IntN(keys)
				if random.IntN(4) == 0 {
					j := random.IntN(keys)
					results, err := c.MGet(ctx, []string{fmt.Sprint("key", i), fmt.Sprint("key", j)})
					if err == nil {
						for at, k := range []int{i, j} {
							if r := results[at]; r.Err == nil && string(r.Value) != fmt.Sprint("value of key", k) {
								t.Errorf("key %d was answered %q", k, r.Value)
							}
						}
					}
				}
				v, err := c.Get(ctx, fmt.Sprint("key", i))
				cancel()
				switch {
				case err == nil && string(v) != fmt.Sprint("value of key", i):
					t.Errorf("key %d was answered %q", i, v)
				case errors.Is(err, client.ErrNotFound):
					t.Errorf("key %d was not found", i)
				case err == nil:
					if answered.Add(1) == 1000 {
						close(killed)
					}
				default:
					cancelled.Add(1)
				}
			}
		})
	}
	<-killed
	nodes[2].kill()
	wg.Wait()
	if answered.Load() < 1000 || cancelled.Load() == 0 {
		t.Fatalf("%d answered, %d not: the test tests nothing", answered.Load(), cancelled.Load())
	}
}

func TestMultiGetLeavesOutWhatDoesNotFitItsResponse(t *testing.T) { // I16
	t.Parallel()
	cfg := Quick(testConfig(t, "n1"))
	cfg.Memory = 256 << 20
	c := dial(t, start(t, cfg))
	var keys []string
	for i := range 24 {
		keys = append(keys, fmt.Sprint("k", i))
		if err := c.Set(t.Context(), keys[i], make([]byte, 1<<20), client.WithTimeout(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	results, err := c.MGet(t.Context(), keys, client.WithTimeout(time.Minute)) // 16 MiB under the race detector
	if err != nil {
		t.Fatal(err)
	}
	whole, left := 0, 0
	for _, r := range results {
		if _, over := errors.AsType[*client.TooLargeError](r.Err); over {
			left++
		} else if r.Err == nil && len(r.Value) == 1<<20 {
			whole++
		}
	}
	if whole != 16 || left != 8 {
		t.Fatalf("%d values came, %d were left out", whole, left)
	}
}

func TestAPingIsAnsweredOnAConnectionAsFullAsAClientMakesIt(t *testing.T) {
	t.Parallel()
	cfg := Quick(testConfig(t, "n1"))
	cfg.tuning.coordinator.TimeoutMax = time.Hour
	n := start(t, cfg)
	if err := os.RemoveAll(n.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the ceiling is reached", func() bool { return n.promised() < vclock.StampAt(n.clock.now().Wall) })
	c := dialHello(t, n.Addr())
	var b []byte
	for i := range uint64(client.DefaultInFlight) { // each waits for a ceiling that does not come
		b = wire.AppendRequest(b, &wire.Request{Op: wire.OpSet, ID: i + 1, Key: []byte{byte(i), byte(i >> 8)}, Timeout: 3_600_000})
	}
	c.send(b)
	eventually(t, "all of them are under way", func() bool { return n.busy() >= client.DefaultInFlight })
	if r := c.ask(&wire.Request{Op: wire.OpPing, ID: client.DefaultInFlight + 1}); r.ID != client.DefaultInFlight+1 || r.Status != wire.StatusOK {
		t.Errorf("answered %+v", r)
	}
	n.kill()
}

func TestValuesThatWaitForOthersOfTheirMultiGetAreCounted(t *testing.T) { // I16
	n := &Node{cfg: Config{Limits: wire.DefaultLimits()}}
	n.unread.most = 1 << 20
	c := &conn{n: n, gathers: map[uint64]*coordinator.Gather{}}
	c.room.L = &c.mu
	for id := range uint64(3) {
		c.gathers[id] = coordinator.NewGather(id, 3, n.cfg.Limits.Frame)
	}
	came := func(id uint64, key, bytes int) wire.Status {
		frame := wire.AppendResponse(nil, &wire.Response{Value: make([]byte, bytes)})[wire.FrameHeader:]
		c.part(&replica.Part{ID: id, Key: key, Frame: frame})
		return c.gathers[id].Response().Items[key].Status
	}
	if s := came(0, 0, 1<<20); s != wire.StatusOK {
		t.Errorf("what there is room for: %v", s)
	}
	if s := came(0, 1, 1<<20); s != wire.StatusOK {
		t.Errorf("one alone, however large: %v", s)
	}
	if s := came(1, 0, 1); s != wire.StatusOverloaded {
		t.Errorf("another beside it: %v", s)
	}
	if s := came(2, 0, 0); s != wire.StatusOK {
		t.Errorf("one without a value: %v", s)
	}
	if held := n.unread.held.Load(); held != 2<<20 {
		t.Errorf("%d bytes are counted", held)
	}
	if c.close(); n.unread.held.Load() != 0 {
		t.Errorf("%d bytes are counted when the client has gone", n.unread.held.Load())
	}
}
