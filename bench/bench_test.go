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

// mute is no answer at all, to one request.
var mute = &wire.Response{}

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
			if p != mute {
				out = wire.AppendResponse(out, p)
			}
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
	const sec = int64(time.Second)
	r := &run{load: newLoad(Config{Depth: 4, Requests: 10, Warmup: 2 * time.Second, Duration: 3 * time.Second}.withDefaults(), 1)}
	r.schedule(0)
	for i, c := range []struct {
		at     int64
		n      int
		counts bool
	}{{0, 4, false}, {2*sec - 1, 4, false}, {2 * sec, 4, true}, {3 * sec, 4, true}, {5 * sec, 0, true}, {4 * sec, 2, true}, {4 * sec, 0, true}} {
		if n, counts := r.take(c.at, 4); n != c.n || counts != c.counts {
			t.Errorf("step %d, at %v: %d requests, counted %v", i, time.Duration(c.at), n, counts)
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
	n := 0
	addr := fake(t, func(q *wire.Request) *wire.Response {
		p := &wire.Response{ID: q.ID}
		switch n++; n % 10 {
		case 0:
			p.Status, p.Err = wire.StatusQuorum, &wire.Error{Op: q.Op, Want: 2, Got: 1}
		case 1:
			p.Status = wire.StatusOverloaded
		case 5:
			p.Status = 99
		}
		return p
	})
	r, err := Run(t.Context(), Config{Addrs: []string{addr}, Conns: 1, Depth: 5, Requests: 100})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 100 || r.Errors["quorum"] != 10 || r.Errors["status_99"] != 10 || r.Failed() != 30 || r.Indeterminate != 20 {
		t.Fatalf("%+v", r)
	}
}

// I18
func TestRunRefusesAnswersThatNameNoRequestUnderWay(t *testing.T) {
	for name, pick := range map[string]func(ids []uint64) uint64{
		"one that was never sent": func([]uint64) uint64 { return 1 << 40 },
		"one of no slot":          func(ids []uint64) uint64 { return ids[len(ids)-1] | 0xffff },
		"the same twice":          func(ids []uint64) uint64 { return ids[0] },
		"one of the batch before": func(ids []uint64) uint64 { return ids[max(len(ids)-9, 0)] },
		"none":                    func([]uint64) uint64 { return 0 },
	} {
		t.Run(name, func(t *testing.T) {
			var ids []uint64
			addr := fake(t, func(q *wire.Request) *wire.Response {
				ids = append(ids, q.ID)
				return &wire.Response{ID: pick(ids)}
			})
			_, err := Run(t.Context(), Config{Addrs: []string{addr}, Conns: 1, Depth: 8, Requests: 100})
			if err == nil || !strings.Contains(err.Error(), "mixes up") {
				t.Fatal(err)
			}
		})
	}
}

func TestRunReportsWhatItMeasuredWhenAConnectionBreaks(t *testing.T) {
	n := 0
	addr := fake(t, func(q *wire.Request) *wire.Response {
		if n++; n > 40 {
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
		Addrs: []string{"nowhere"}, Conns: -1, Depth: DepthMax + 1, Warmup: -1, ReadShare: 1.5, Keys: -1, Sizes: []Size{{Least: 1, Most: 1 << 30, Weight: 1}},
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
		"verify without reads":         {Addrs: good.Addrs, Requests: 1, Verify: true},
		"a batch that cannot wait":     {Addrs: good.Addrs, Requests: 1, Depth: 2, Sizes: []Size{{Least: 1, Most: BatchMax, Weight: 1}}},
	} {
		if _, err := Run(t.Context(), c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReportAddsUpItsRecorders(t *testing.T) {
	cfg := Config{Conns: 2, Rate: 25}.withDefaults()
	begins, sec := int64(100*time.Second), int64(time.Second)
	us := int64(time.Microsecond)
	a, b := newTally(), newTally()
	for i := range int64(98) {
		a.count(wire.OpSet, wire.StatusOK, begins, begins+(100+i%2)*us)
	}
	b.count(wire.OpGet, wire.StatusNotFound, begins+4*sec-900*us, begins+4*sec)
	b.count(wire.OpGet, wire.StatusTimeout, begins+4*sec-1500*us, begins+4*sec)
	a.add(b)
	got := newReport(&cfg, a, nil, begins, Generator{})
	got.Read, got.Write = Latency{}, Latency{}
	b1, _ := json.Marshal(got)
	const none = `{"count":0,"mean_us":0,"p50_us":0,"p90_us":0,"p99_us":0,"p99_9_us":0,"max_us":0}`
	const want = `{"conns":2,"depth":1024,"value_bytes":100,"loop":"open","rate_per_second":25,"keys":100000,"distribution":"uniform",` +
		`"seconds":4,"requests":100,"reads":2,"writes":98,"misses":1,"hit_ratio":0,` +
		`"requests_per_second":25,"p50_us":101,"p99_us":900,"p99_9_us":1500,"max_us":1500,"read_latency":` + none + `,"write_latency":` + none +
		`,"errors":{"timeout":1},"indeterminate_writes":0,"failed_before":0,"keys_unloaded":0,` +
		`"generator":{"processor_share":0,"starved_share":0,"wait_p99_us":0,"late_p99_us":0,"late_max_us":0},"series":null}`
	if string(b1) != want {
		t.Fatalf("got  %s\nwant %s", b1, want)
	}
	idle := newReport(&cfg, newTally(), nil, begins, Generator{})
	if idle.PerSecond != 0 || idle.Seconds != 0 || idle.Failed() != 0 || idle.HitRatio != 0 {
		t.Fatalf("%+v", idle)
	}
}

// loopback answers in memory whatever is written to it, at the next read.
type loopback struct {
	net.Conn
	request wire.Request
	answers []byte
}

func (l *loopback) SetReadDeadline(time.Time) error  { return nil }
func (l *loopback) SetWriteDeadline(time.Time) error { return nil }

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

// idle is a worker without a node, for a batch at a time.
func idle(cfg Config) (*worker, *stretch) {
	l := newLoad(cfg.withDefaults(), 7)
	w := newWorker(l, 0, newLink(&loopback{}, ""), &recorder{tally: newTally()})
	once := false
	return w, &stretch{depth: l.cfg.Depth, draw: (*worker).draw, take: func(_ int64, n int) (int, bool) {
		if once = !once; !once {
			n = 0
		}
		return n, true
	}}
}

func TestABatchAllocatesNothing(t *testing.T) {
	mix := Config{Depth: 64, ReadShare: 0.5, ModifyShare: 0.2, Sizes: []Size{{100, 300, 1}, {64, 64, 2}}, TTL: Interval{time.Second, time.Minute}}
	for _, d := range []Distribution{{Kind: Uniform}, {Kind: Zipf}, {Kind: Hotspot}, {Kind: Latest}} {
		for _, verify := range []bool{false, true} {
			if verify && d.Kind == Latest {
				continue
			}
			cfg := mix
			cfg.Distribution, cfg.Verify = d, verify
			w, s := idle(cfg)
			step := func() {
				if err := w.closed(s); err != nil {
					t.Fatal(err)
				}
			}
			step()
			if n := testing.AllocsPerRun(100, step); n != 0 {
				t.Errorf("%+v: %v allocations a batch", cfg.Distribution, n)
			}
		}
	}
}

// BenchmarkBatch is what the generator itself costs for a request, sockets aside; it includes making the answer.
func BenchmarkBatch(b *testing.B) {
	for name, cfg := range map[string]Config{
		"set":    {Depth: 64},
		"zipf":   {Depth: 64, ReadShare: 0.5, Distribution: Distribution{Kind: Zipf}},
		"verify": {Depth: 64, ReadShare: 0.5, Verify: true},
	} {
		b.Run(name, func(b *testing.B) {
			w, s := idle(cfg)
			for b.Loop() {
				if err := w.closed(s); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*w.cfg.Depth), "ns/request")
		})
	}
}
