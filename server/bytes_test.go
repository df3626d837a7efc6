package server

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/wire"
)

// nonsense is what strangers say.
func nonsense() map[string][]byte {
	random := make([]byte, 4096)
	source := rand.New(rand.NewPCG(3, 4))
	for i := range random {
		random[i] = byte(source.Uint32())
	}
	return map[string][]byte{
		"random":       random,
		"HTTP":         []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"RESP":         []byte("*1\r\n$4\r\nPING\r\n"),
		"TLS":          {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3},
		"zeroes":       make([]byte, 64),
		"oversized":    {0xff, 0xff, 0xff, 0xff},
		"a long hello": frame(make([]byte, wire.HelloMax+1)),
		"no array":     frame([]byte{0xc0}),
		"a bomb":       frame([]byte{0xdd, 0xff, 0xff, 0xff, 0xff}),
		"half a hello": frame(wire.AppendHello(nil, &wire.Hello{Version: 1, Role: wire.RoleClient})[wire.FrameHeader:][:5]),
	}
}

func TestBadBytesCloseTheirConnectionAndDisturbNobodyElse(t *testing.T) { // I17
	t.Parallel()
	all := t
	cfg := Quick(testConfig(t, "n1"))
	cfg.Log = nil // it says so, often
	n := start(t, cfg)
	witness := dialHello(t, n.Addr())
	ok := func(t *testing.T) {
		t.Helper()
		if r := witness.ask(&wire.Request{Op: wire.OpSet, ID: 7, Key: []byte("k"), Value: []byte("v")}); r.Status != wire.StatusOK || r.ID != 7 {
			t.Fatalf("another client was answered %+v", r)
		}
	}
	ports := map[string]string{"client": n.Addr(), "peer": n.PeerAddr()}
	for name, addr := range ports {
		for what, b := range nonsense() {
			t.Run(name+" port, "+what+" for hello", func(t *testing.T) {
				c := dialRaw(t, addr)
				c.send(b)
				c.closed()
				ok(t)
			})
		}
		t.Run(name+" port, another version", func(t *testing.T) {
			c := dialRaw(t, addr)
			h := c.hello(&wire.Hello{Version: 99, Role: wire.RoleClient, Node: 5})
			if h.Version != wire.ProtocolVersion || !strings.Contains(h.Error, "upgrade") {
				t.Fatalf("answered %+v", h)
			}
			c.closed()
		})
		t.Run(name+" port, another cluster", func(t *testing.T) {
			c := dialRaw(t, addr)
			role := wire.RoleClient
			if name == "peer" {
				role = wire.RoleNode
			}
			if h := c.hello(&wire.Hello{Version: wire.ProtocolVersion, Role: role, Node: 5, ClusterID: 99}); !strings.Contains(h.Error, "cluster") {
				t.Fatalf("answered %+v", h)
			}
			c.closed()
		})
		t.Run(name+" port, the other port's role", func(t *testing.T) {
			c := dialRaw(t, addr)
			role := wire.RoleNode
			if name == "peer" {
				role = wire.RoleClient
			}
			if h := c.hello(&wire.Hello{Version: wire.ProtocolVersion, Role: role, Node: 5}); !strings.Contains(h.Error, "port") {
				t.Fatalf("answered %+v", h)
			}
			c.closed()
		})
		t.Run(name+" port, nothing after half a hello", func(t *testing.T) {
			c := dialRaw(t, addr)
			c.send(wire.AppendHello(nil, &wire.Hello{Version: 1, Role: wire.RoleClient})[:9])
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			c.closed()
			ok(t)
		})
	}
	t.Run("a peer that speaks nonsense is heard no longer", func(t *testing.T) {
		for what, b := range nonsense() {
			c := dialRaw(t, n.PeerAddr())
			if h := c.hello(&wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode, Node: 0xbad, Boot: 1, ClusterID: n.clusterID(), Name: what}); h.Error != "" {
				t.Fatal(h.Error)
			}
			c.send(b)
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			c.closed()
			ok(t)
		}
	})
	t.Run("gossip port", func(t *testing.T) {
		for _, b := range nonsense() {
			c := dialRaw(t, n.GossipAddr())
			c.send(b)
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			u, err := net.Dial("udp", n.GossipAddr())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = u.Write(b)
			_ = u.Close()
			ok(t)
		}
		other := start(all, Quick(testConfig(t, "n2", n.GossipAddr())))
		eventually(t, "a node can join all the same", func() bool { return n.view.Load().Up(other.self.Node) })
	})
}

func TestBadRequestInAGoodFrameIsAnsweredAndTheConnectionKept(t *testing.T) { // I17
	t.Parallel()
	n := start(t, Quick(testConfig(t, "n1")))
	c := dialHello(t, n.Addr())
	array := func(b ...byte) []byte { return frame(b) }
	good := func() *wire.Request {
		return &wire.Request{Op: wire.OpSet, ID: 5, Key: []byte("k"), Value: []byte("v")}
	}
	change := func(f func(*wire.Request)) []byte {
		r := good()
		f(r)
		return wire.AppendRequest(nil, r)
	}
	for _, bad := range []struct {
		what   string
		bytes  []byte
		status wire.Status
	}{
		{"no array", array(0xc0), wire.StatusBadRequest},
		{"an empty array", array(0x90), wire.StatusBadRequest},
		{"a number that is cut", array(0x91, 0xcd, 1), wire.StatusBadRequest},
		{"random bytes", frame(nonsense()["random"]), wire.StatusBadRequest},
		{"HTTP in a frame", frame(nonsense()["HTTP"]), wire.StatusBadRequest},
		{"unknown operation", change(func(r *wire.Request) { r.Op = 99 }), wire.StatusBadRequest},
		{"unknown level", change(func(r *wire.Request) { r.Level = 99 }), wire.StatusBadRequest},
		{"no key", change(func(r *wire.Request) { r.Key = nil }), wire.StatusBadRequest},
		{"negative TTL", change(func(r *wire.Request) { r.TTL = -1 }), wire.StatusBadRequest},
		{"W of 0", change(func(r *wire.Request) { r.Level = wire.LevelExplicit }), wire.StatusBadRequest},
		{"W above N", change(func(r *wire.Request) { r.Level, r.W = wire.LevelExplicit, 4 }), wire.StatusBadRequest},
		{"a key too long", change(func(r *wire.Request) { r.Key = make([]byte, 64<<10+1) }), wire.StatusTooLarge},
		{"a value too long", change(func(r *wire.Request) { r.Value = make([]byte, 16<<20+1) }), wire.StatusTooLarge},
		{"too many keys", change(func(r *wire.Request) { r.Op, r.Keys = wire.OpMGet, make([][]byte, 10_001) }), wire.StatusTooLarge},
		{"where of no key", change(func(r *wire.Request) { r.Op, r.Key = wire.OpWhere, nil }), wire.StatusBadRequest},
	} {
		t.Run(bad.what, func(t *testing.T) {
			c.send(bad.bytes)
			r := c.response()
			if r.Status != bad.status || r.Err == nil || r.Err.Text == "" {
				t.Fatalf("answered %+v, %v", r, r.Err)
			}
			if r := c.ask(good()); r.Status != wire.StatusOK || r.ID != 5 {
				t.Fatalf("the next request was answered %+v", r)
			}
		})
	}
	t.Run("a frame over the limit ends the connection", func(t *testing.T) {
		before := n.counts.badBytes.Load()
		c.send(binary.BigEndian.AppendUint32(nil, 17<<20+1))
		c.closed()
		if n.counts.badBytes.Load() == before {
			t.Fatal("and is not counted")
		}
	})
}

func TestAnnouncedFramesThatDoNotComeHoldNoMemory(t *testing.T) { // I16, I17
	n := start(t, Quick(testConfig(t, "n1")))
	const conns = 64
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	header := binary.BigEndian.AppendUint32(nil, 17<<20-1)
	for i := range conns {
		c := dialHello(t, n.Addr())
		if r := c.ask(&wire.Request{Op: wire.OpPing, ID: 1}); r.Status != wire.StatusOK { // the header is what it waits for now
			t.Fatal(i, r)
		}
		c.send(append(header, bytes.Repeat([]byte{1}, 1000)...))
	}
	probe := dialHello(t, n.Addr())
	probe.ask(&wire.Request{Op: wire.OpPing, ID: 1})
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > conns*17<<20/4 {
		t.Fatalf("%d headers made the node allocate %d MiB", conns, grown>>20)
	}
}
