package client

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// lean is a node that answers every get at once with the same value, anything else with nothing, and allocates nothing for it.
func lean(t testing.TB, value []byte) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		tasks.Wait()
	})
	tasks.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			tasks.Go(func() { leanServe(nc, value) })
		}
	})
	return l.Addr().String()
}

func leanServe(nc net.Conn, value []byte) {
	defer nc.Close()
	limits := wire.DefaultLimits()
	in, out := make([]byte, 1<<20), make([]byte, 0, 1<<20)
	var q wire.Request
	greeted := false
	for filled := 0; ; {
		n, err := nc.Read(in[filled:])
		if err != nil {
			return
		}
		filled += n
		rest := in[:filled]
		out = out[:0]
		for {
			frame, after, err := wire.NextFrame(rest, &limits)
			if frame == nil || err != nil {
				break
			}
			rest = after
			if !greeted {
				greeted = true
				out = wire.AppendHello(out, &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode, ClusterID: 7})
				continue
			}
			_ = wire.DecodeRequest(frame, &q, &limits)
			r := wire.Response{ID: q.ID, Stamp: 1}
			if q.Op == wire.OpGet {
				r.Value = value
			}
			out = wire.AppendResponse(out, &r)
		}
		filled = copy(in, rest)
		if _, err := nc.Write(out); err != nil {
			return
		}
	}
}

func leanClient(t testing.TB, opts ...Option) *Client {
	t.Helper()
	c, err := Dial(context.Background(), []string{lean(t, make([]byte, 100))}, append([]Option{WithoutRouting()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestACallAllocatesNothingButWhatItReturns(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, and empties pools")
	}
	c := leanClient(t)
	ctx, value := context.Background(), make([]byte, 100)
	for name, k := range map[string]struct {
		most float64
		call func() error
	}{
		"get":    {1, func() error { _, err := c.Get(ctx, "key:000000000000"); return err }},
		"set":    {0, func() error { return c.Set(ctx, "key:000000000000", value) }},
		"delete": {0, func() error { return c.Delete(ctx, "key:000000000000") }},
	} {
		got := testing.AllocsPerRun(2000, func() {
			if err := k.call(); err != nil {
				t.Error(err)
			}
		})
		if got > k.most {
			t.Errorf("%s: %v allocations, at most %v", name, got, k.most)
		}
	}
}

// BenchmarkCall is 64 callers to a processor that share one connection; the node's work is in it.
func BenchmarkCall(b *testing.B) {
	c := leanClient(b)
	value := make([]byte, 100)
	for name, call := range map[string]func() error{
		"get": func() error { _, err := c.Get(context.Background(), "key:000000000000"); return err },
		"set": func() error { return c.Set(context.Background(), "key:000000000000", value) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(64)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := call(); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkAlone is one caller: what a call costs when nothing can be shared.
func BenchmarkAlone(b *testing.B) {
	c := leanClient(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Get(context.Background(), "key:000000000000"); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkCompile is what a new map costs, off the path of calls.
func BenchmarkCompile(b *testing.B) {
	for _, nodes := range []int{3, 100, 1000} {
		m := &ring.Map{ClusterID: 7, Cluster: "c", Partitions: 4096, Namespaces: []ring.Namespace{{Name: "default", Replicas: 3, Version: 1}}}
		for i := range nodes {
			m.Nodes = append(m.Nodes, ring.Node{
				ID: uint64(i + 1), Boot: 1, Name: fmt.Sprint("n", i), ClientAddr: "c:1", PeerAddr: "p:1", GossipAddr: "g:1",
				Datacenter: "dc", Rack: fmt.Sprint(i % 3), Weight: ring.StandardWeight, State: ring.Active, Version: 1,
			})
		}
		nowhere := &link{}
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			b.ReportAllocs()
			var r *routes
			for b.Loop() {
				r, _ = compile(m, site{datacenter: "dc", rack: "1"}, func(*ring.Node) *link { return nowhere }, nil)
			}
			b.ReportMetric(float64(2*len(r.owners.nodes)+8*len(r.links)), "B-kept")
		})
	}
}
