package bench

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/server"
	"github.com/shoalcache/shoal/wire"
)

// node starts one node on free ports, and returns its address for clients once it has all of its partitions.
func node(t *testing.T) string {
	t.Helper()
	n, err := server.Start(t.Context(), server.Config{
		Name: "n1", ClientAddr: "127.0.0.1:0", PeerAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0",
		DataDir: t.TempDir(), Memory: 64 << 20, Partitions: 64, Shards: 4, Replicas: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Shutdown(context.Background()) })
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n.Stats().PartitionsRecovering > 0 {
		<-tick.C
	}
	return n.Addr()
}

// fake serves every connection with a node that answers a request as answer says; it stops with the test.
func fake(t *testing.T, answer func(q *wire.Request) *wire.Response) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c, answer)
		}
	}()
	return l.Addr().String()
}

func serve(c net.Conn, answer func(q *wire.Request) *wire.Response) {
	defer c.Close()
	limits := wire.DefaultLimits()
	var buf []byte
	chunk := make([]byte, 4096)
	greeted := false
	for {
		n, err := c.Read(chunk)
		if err != nil {
			return
		}
		buf = append(buf, chunk[:n]...)
		var out []byte
		for {
			frame, rest, err := wire.NextFrame(buf, &limits)
			if err != nil || frame == nil {
				break
			}
			buf = rest
			if !greeted {
				greeted = true
				out = wire.AppendHello(out, &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode})
				continue
			}
			var q wire.Request
			if wire.DecodeRequest(frame, &q, &limits) != nil {
				return
			}
			p := answer(&q)
			if p == nil {
				return
			}
			out = wire.AppendResponse(out, p)
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

func TestRunAnswersExactlyTheRequestsAskedFor(t *testing.T) {
	addr := node(t)
	for _, c := range []Config{
		{Conns: 3, Depth: 1, Requests: 100},
		{Conns: 4, Depth: 7, Requests: 1000}, // the last batches are smaller
		{Conns: 5, Depth: 16, Requests: 3},   // fewer than one batch
		{Conns: 2, Depth: 64, Requests: 2000, ReadShare: 0.5, Level: wire.LevelExplicit, R: 1, W: 1},
	} {
		c.Addrs = []string{addr}
		r, err := Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if r.Requests != uint64(c.Requests) || r.Failed() != 0 || r.Reads+r.Writes != r.Requests {
			t.Errorf("%+v: %+v", c, r)
		}
		if mixed := c.ReadShare > 0; mixed != (r.Reads > 0) {
			t.Errorf("%+v: %d reads", c, r.Reads)
		}
		if r.Seconds <= 0 || r.PerSecond <= 0 || r.P50Micros > r.P99Micros || r.P99Micros > r.P999Micros || r.P999Micros > r.MaxMicros {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}

// What sets write, gets of the same key space find; keys beyond it are misses and no failures.
func TestRunReadsWhatItWrote(t *testing.T) {
	addr := node(t)
	cfg := Config{Addrs: []string{addr}, Conns: 2, Depth: 16, Requests: 2000, Keys: 10}
	if _, err := Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	cfg.ReadShare = 1
	r, err := Run(t.Context(), cfg)
	if err != nil || r.Reads != 2000 || r.Misses != 0 || r.Failed() != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	cfg.Keys = 1_000_000
	if r, err = Run(t.Context(), cfg); err != nil || r.Reads != 2000 || r.Misses < 1900 || r.Failed() != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
}

// What is drawn before the warm-up ends does not count, nor use up the requests; nothing is drawn after the end.
func TestWarmupIsLeftOutAndTheDurationEndsTheLoad(t *testing.T) {
	const sec = time.Second
	start := time.Unix(1000, 0)
	r := &run{cfg: Config{Depth: 4, Requests: 10}, begins: start.Add(2 * sec), ends: start.Add(5 * sec)}
	r.left.Store(10)
	for i, c := range []struct {
		at     time.Duration
		n      int
		counts bool
	}{{0, 4, false}, {2*sec - 1, 4, false}, {2 * sec, 4, true}, {3 * sec, 4, true}, {5 * sec, 0, true}, {4 * sec, 2, true}, {4 * sec, 0, true}} {
		if n, counts := r.take(start.Add(c.at)); n != c.n || counts != c.counts {
			t.Errorf("step %d, at %v: %d requests, counted %v", i, c.at, n, counts)
		}
	}
}

func TestRunWithADurationEnds(t *testing.T) {
	addr := fake(t, func(q *wire.Request) *wire.Response { return &wire.Response{ID: q.ID} })
	if _, err := Run(t.Context(), Config{Addrs: []string{addr}, Conns: 2, Warmup: 5 * time.Millisecond, Duration: 5 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
}

func TestRunCountsFailuresByStatus(t *testing.T) {
	addr := fake(t, func(q *wire.Request) *wire.Response {
		p := &wire.Response{ID: q.ID}
		switch {
		case q.ID%10 == 0:
			p.Status, p.Err = wire.StatusQuorum, &wire.Error{Op: q.Op, Want: 2, Got: 1}
		case q.ID%10 == 5:
			p.Status = 99
		}
		return p
	})
	r, err := Run(t.Context(), Config{Addrs: []string{addr}, Conns: 1, Depth: 5, Requests: 100})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 100 || r.Errors["quorum"] != 10 || r.Errors["status_99"] != 10 || r.Failed() != 20 {
		t.Fatalf("%+v", r)
	}
}

// I18
func TestRunRefusesAnswersThatNameNoRequestUnderWay(t *testing.T) {
	for name, id := range map[string]func(uint64) uint64{
		"one that was never sent": func(id uint64) uint64 { return id + 1000 },
		"the same twice":          func(id uint64) uint64 { return id - (id-1)%8 },
		"one of an earlier batch": func(id uint64) uint64 { return id - (id-1)/8*8 },
	} {
		t.Run(name, func(t *testing.T) {
			addr := fake(t, func(q *wire.Request) *wire.Response { return &wire.Response{ID: id(q.ID)} })
			_, err := Run(t.Context(), Config{Addrs: []string{addr}, Conns: 1, Depth: 8, Requests: 100})
			if err == nil || !strings.Contains(err.Error(), "mixes up") {
				t.Fatal(err)
			}
		})
	}
}

func TestRunReportsWhatItMeasuredWhenAConnectionBreaks(t *testing.T) {
	addr := fake(t, func(q *wire.Request) *wire.Response {
		if q.ID > 40 {
			return nil // it hangs up
		}
		return &wire.Response{ID: q.ID}
	})
	r, err := Run(t.Context(), Config{Addrs: []string{addr}, Conns: 1, Depth: 4, Requests: 1000})
	if failed, ok := errors.AsType[*client.ConnectError](err); !ok || failed.Addr != addr {
		t.Fatal(err)
	}
	if r.Requests != 40 {
		t.Fatalf("%+v", r)
	}
}

func TestRunEndsWithItsContextThoughTheNodeIsSilent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := fake(t, func(*wire.Request) *wire.Response {
		cancel()
		<-t.Context().Done()
		return nil
	})
	began := time.Now()
	if _, err := Run(ctx, Config{Addrs: []string{addr}, Conns: 2, Requests: 10}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if time.Since(began) > stall/2 {
		t.Fatal("it waited for the node to be given up")
	}
}

func TestRunSaysWhichAddressServesNoNode(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	_, err = Run(t.Context(), Config{Addrs: []string{addr}, Requests: 10})
	if failed, ok := errors.AsType[*client.ConnectError](err); !ok || failed.Addr != addr {
		t.Fatal(err)
	}
}

func TestValidateReportsEveryProblemAtOnce(t *testing.T) {
	good := Config{Addrs: []string{"127.0.0.1:7400"}, Requests: 1}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	bad := Config{
		Addrs: []string{"nowhere"}, Conns: -1, Depth: DepthMax + 1, Warmup: -1, ReadShare: 1.5, Keys: -1, ValueBytes: 1 << 30,
		Timeout: time.Microsecond, Level: wire.LevelExplicit,
	}
	err := bad.Validate()
	if !errors.Is(err, ErrConfig) {
		t.Fatal(err)
	}
	for _, want := range []string{
		"nowhere", "conns -1", "depth 10001", "a batch", "warm-up", "read share 1.5", "timeout 1µs", "keys -1", "value bytes", "explicit", "never end",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %q in:\n%v", want, err)
		}
	}
	for name, c := range map[string]Config{
		"R without the explicit level": {Addrs: good.Addrs, Requests: 1, R: 2, W: 2},
		"a level that does not exist":  {Addrs: good.Addrs, Requests: 1, Level: 77},
		"no address":                   {Requests: 1},
		"a batch that cannot wait":     {Addrs: good.Addrs, Requests: 1, Depth: 2, ValueBytes: BatchMax},
	} {
		if _, err := Run(t.Context(), c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReportAddsUpItsWorkers(t *testing.T) {
	cfg := Config{Conns: 2, Depth: 1}.withDefaults()
	began := time.Unix(100, 0)
	a, b := newWorker(&cfg, 0, nil, ""), newWorker(&cfg, 1, nil, "")
	for i := range int64(98) {
		a.count(wire.OpSet, wire.StatusOK)
		_ = a.latency.RecordValues(100+i%2, 1)
	}
	b.count(wire.OpGet, wire.StatusNotFound)
	_ = b.latency.RecordValues(900, 1)
	b.count(wire.OpGet, wire.StatusTimeout)
	_ = b.latency.RecordValues(1500, 1)
	a.last, b.last = began.Add(2*time.Second), began.Add(4*time.Second)
	got := newReport(cfg, []*worker{a, b}, began)
	b1, _ := json.Marshal(got)
	const want = `{"conns":2,"depth":1,"value_bytes":100,"seconds":4,"requests":100,"reads":2,"writes":98,"misses":1,` +
		`"requests_per_second":25,"p50_us":101,"p99_us":900,"p99_9_us":1500,"max_us":1500,"errors":{"timeout":1}}`
	if string(b1) != want {
		t.Fatalf("got  %s\nwant %s", b1, want)
	}
	idle := newReport(cfg, []*worker{newWorker(&cfg, 0, nil, "")}, began)
	if idle.PerSecond != 0 || idle.Seconds != 0 || idle.Failed() != 0 {
		t.Fatalf("%+v", idle)
	}
}

// loopback answers in memory whatever is written to it, at the next read.
type loopback struct {
	net.Conn
	request wire.Request
	answers []byte
}

func (l *loopback) Write(b []byte) (int, error) {
	limits := wire.DefaultLimits()
	for rest := b; len(rest) > 0; {
		frame, after, err := wire.NextFrame(rest, &limits)
		if err == nil {
			err = wire.DecodeRequest(frame, &l.request, &limits)
		}
		if err != nil {
			return 0, err
		}
		l.answers = wire.AppendResponse(l.answers, &wire.Response{ID: l.request.ID, Stamp: 1 << 40, Value: l.request.Value})
		rest = after
	}
	return len(b), nil
}

func (l *loopback) Read(b []byte) (int, error) {
	n := copy(b, l.answers)
	l.answers = l.answers[:copy(l.answers, l.answers[n:])]
	return n, nil
}

func TestABatchAllocatesNothing(t *testing.T) {
	cfg := Config{Depth: 64, ReadShare: 0.5}.withDefaults()
	w := newWorker(&cfg, 0, &loopback{}, "")
	step := func() {
		if err := w.batch(cfg.Depth, true); err != nil {
			t.Fatal(err)
		}
	}
	step()
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Fatalf("%v allocations a batch", n)
	}
}

func TestABatchOfTheWarmupIsNotCounted(t *testing.T) {
	cfg := Config{Depth: 8}.withDefaults()
	w := newWorker(&cfg, 0, &loopback{}, "")
	for _, counts := range []bool{false, true} {
		if err := w.batch(cfg.Depth, counts); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]uint64{true: 8}[counts]; w.writes != want {
			t.Fatalf("counted %v: %d requests", counts, w.writes)
		}
	}
}

// BenchmarkBatch is what the generator itself costs for a request, sockets aside; it includes making the answer.
func BenchmarkBatch(b *testing.B) {
	cfg := Config{Depth: 64}.withDefaults()
	w := newWorker(&cfg, 0, &loopback{}, "")
	for b.Loop() {
		if err := w.batch(cfg.Depth, true); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*cfg.Depth), "ns/request")
}
