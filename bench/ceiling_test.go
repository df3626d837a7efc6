package bench

import (
	"context"
	"net"
	"testing"

	"github.com/shoalcache/shoal/wire"
)

// responder answers every request with a value of its own, in as few writes as reads: about the least that a node could
// do.
func responder(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveAll(c)
		}
	}()
	return l.Addr().String()
}

func serveAll(c net.Conn) {
	defer c.Close()
	limits := wire.DefaultLimits()
	in, out, value := make([]byte, 256<<10), []byte(nil), make([]byte, 100)
	var q wire.Request
	greeted := false
	for filled := 0; ; {
		n, err := c.Read(in[filled:])
		if err != nil {
			return
		}
		rest := in[:filled+n]
		for out = out[:0]; ; {
			frame, after, err := wire.NextFrame(rest, &limits)
			if err != nil {
				return
			}
			if frame == nil {
				break
			}
			if rest = after; !greeted {
				greeted = true
				out = wire.AppendHello(out, &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode})
				continue
			}
			if wire.DecodeRequest(frame, &q, &limits) != nil {
				return
			}
			out = wire.AppendResponse(out, &wire.Response{ID: q.ID, Stamp: 1 << 40, Value: value})
		}
		if filled = copy(in, rest); len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}
}

// BenchmarkCeiling is what the generator reaches where the other side does next to nothing, over sockets, and the
// processor time of a request, both sides and the kernel together.
func BenchmarkCeiling(b *testing.B) {
	for name, cfg := range map[string]Config{
		"depth1":      {Depth: 1},
		"depth16":     {Depth: 16},
		"depth64":     {Depth: 64},
		"depth64zipf": {Depth: 64, Distribution: Distribution{Kind: Zipf}},
		"open":        {Rate: RateMax},
	} {
		b.Run(name, func(b *testing.B) {
			cfg.Addrs, cfg.ReadShare, cfg.Requests = []string{responder(b)}, 0.5, max(b.N, 1000)
			cpu, _ := processorTime()
			r, err := Run(context.Background(), cfg)
			if err != nil || r.Requests != uint64(cfg.Requests) {
				b.Fatal(err, r.Requests)
			}
			after, _ := processorTime()
			b.ReportMetric(r.PerSecond, "requests/s")
			b.ReportMetric(float64((after-cpu).Nanoseconds())/float64(r.Requests), "cpu-ns/request")
		})
	}
}

// The ceiling is measured once, small, with the tests.
func TestTheCeilingIsAMeasureOfAnsweredRequests(t *testing.T) {
	r, err := Run(t.Context(), Config{Addrs: []string{responder(t)}, Conns: 3, Depth: 16, ReadShare: 0.5, Requests: 1000})
	if err != nil || r.Requests != 1000 || r.Failed() != 0 || r.Misses != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
}
