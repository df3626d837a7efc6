package server

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoalcache/shoal/client"
)

// leaky passes connections on to a node; once told to leak, it loses what the node says next, and the connection with it.
type leaky struct {
	net.Listener
	leaks atomic.Bool
	lost  atomic.Int32
	tasks sync.WaitGroup
}

func newLeaky(t *testing.T, to string) *leaky {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &leaky{Listener: l}
	p.tasks.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			node, err := net.Dial("tcp", to)
			if err != nil {
				from.Close()
				continue
			}
			p.tasks.Go(func() { _, _ = io.Copy(node, from); node.Close() })
			p.tasks.Go(func() { p.back(from, node) })
		}
	})
	t.Cleanup(func() { l.Close(); p.tasks.Wait() })
	return p
}

func (p *leaky) back(client, node net.Conn) {
	defer client.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := node.Read(b)
		if err != nil {
			return
		}
		if p.leaks.CompareAndSwap(true, false) {
			p.lost.Add(1)
			return
		}
		if _, err := client.Write(b[:n]); err != nil {
			return
		}
	}
}

// Whatever answers are lost on the way, the client's retries do not count twice, and it need not be told so.
func TestAdditionsWhoseAnswersAreLostCountOnce(t *testing.T) { // I9
	nodes := cluster(t, 3)
	p := newLeaky(t, nodes[0].Addr())
	c, err := client.Dial(t.Context(), []string{p.Addr().String()}, client.WithoutRouting())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const times = 40
	for i := range times {
		key := []string{"a", "b", "c"}[i%3] // of which the node owns some partitions first and others not
		p.leaks.Store(i%2 == 0)
		want := int64(i/3 + 1)
		if n, err := c.Incr(t.Context(), key, 1); err != nil || n != want {
			t.Fatalf("%s after %d answers were lost: %d, %v, want %d", key, p.lost.Load(), n, err, want)
		}
	}
	if p.lost.Load() < times/2 {
		t.Errorf("%d answers were lost", p.lost.Load())
	}
	p.leaks.Store(true)
	if n, err := c.Append(t.Context(), "text", []byte("once")); err != nil || n != 4 {
		t.Errorf("appended: %d bytes, %v", n, err)
	}
	p.leaks.Store(true)
	if err := c.Set(t.Context(), "new", []byte("v"), client.IfAbsent()); err != nil {
		t.Errorf("set if absent: %v", err)
	}
}
