package client

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a node of one map and no cluster, which answers every request by a function.
type fake struct {
	t      testing.TB
	addr   string
	listen net.Listener
	hello  wire.Hello
	answer func(q *wire.Request, reply func(*wire.Response))

	cluster atomic.Pointer[ring.Map]
	garbage atomic.Bool // in place of the map
	open    atomic.Int32
	deaf    atomic.Bool // answer decides on what the client asks by itself, too

	mu     sync.Mutex
	values map[string][]byte
	seen   []wire.Op
	conns  []net.Conn
	tasks  sync.WaitGroup
}

// newFake starts one on a free port; change its fields before the first Dial.
func newFake(t testing.TB) *fake {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{
		t: t, addr: listen.Addr().String(), listen: listen, values: map[string][]byte{},
		hello: wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode, ClusterID: 7, Cluster: "fake", Name: "n1"},
	}
	f.answer = f.store
	join(f)
	f.tasks.Go(f.accept)
	t.Cleanup(f.close)
	return f
}

func (f *fake) close() {
	f.listen.Close()
	f.cut()
	f.tasks.Wait()
}

// cut breaks all connections.
func (f *fake) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, nc := range f.conns {
		nc.Close()
	}
	f.conns = nil
}

func (f *fake) accept() {
	for {
		nc, err := f.listen.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns = append(f.conns, nc)
		f.mu.Unlock()
		f.tasks.Go(func() { f.serve(nc) })
	}
}

func (f *fake) serve(nc net.Conn) {
	f.open.Add(1)
	defer f.open.Add(-1)
	defer nc.Close()
	l := wire.DefaultLimits()
	frame := func() []byte {
		head := make([]byte, wire.FrameHeader)
		if _, err := io.ReadFull(nc, head); err != nil {
			return nil
		}
		whole := append(head, make([]byte, binary.BigEndian.Uint32(head))...)
		if _, err := io.ReadFull(nc, whole[wire.FrameHeader:]); err != nil {
			return nil
		}
		cut, _, _ := wire.NextFrame(whole, &l)
		return cut
	}
	first := frame()
	if first == nil { // a client that closed meanwhile
		return
	}
	var hello wire.Hello
	if wire.DecodeHello(first, &hello) != nil || hello.Role != wire.RoleClient {
		f.t.Error("no client's hello")
		return
	}
	f.mu.Lock()
	mine := f.hello
	f.mu.Unlock()
	nc.Write(wire.AppendHello(nil, &mine))
	var write sync.Mutex
	for {
		b := frame()
		if b == nil {
			return
		}
		var q wire.Request
		if err := wire.DecodeRequest(b, &q, &l); err != nil {
			f.t.Error(err)
			return
		}
		f.mu.Lock()
		if !own(q.Op) {
			f.seen = append(f.seen, q.Op)
		}
		f.mu.Unlock()
		answer := f.answer
		if own(q.Op) && !f.deaf.Load() {
			answer = f.store
		}
		answer(&q, func(p *wire.Response) {
			write.Lock()
			defer write.Unlock()
			p.ID = q.ID
			nc.Write(wire.AppendResponse(nil, p))
		})
	}
}

// own reports whether it may be the client that asks, for itself.
func own(op wire.Op) bool { return op == wire.OpMap || op == wire.OpPing }

// store answers like a node that is alone.
func (f *fake) store(q *wire.Request, reply func(*wire.Response)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	value, ok := f.values[string(q.Key)]
	p := wire.Response{Stamp: 1, Value: value}
	switch q.Op {
	case wire.OpSet:
		f.values[string(q.Key)] = bytes.Clone(q.Value)
		p.Value = nil
	case wire.OpDelete:
		delete(f.values, string(q.Key))
		p.Value = nil
	case wire.OpMGet:
		for _, key := range q.Keys {
			it := wire.Item{Status: wire.StatusNotFound}
			if v, ok := f.values[string(key)]; ok {
				it = wire.Item{Value: v, Stamp: 1}
			}
			p.Items = append(p.Items, it)
		}
	case wire.OpHead:
		p.Value = nil
		if !ok {
			p.Status = wire.StatusNotFound
		}
	case wire.OpScan:
		f.scan(q, &p)
	case wire.OpMap:
		p.Value = wire.EncodeMap(f.cluster.Load())
		if f.garbage.Load() {
			p.Value = p.Value[:len(p.Value)/2]
		}
	case wire.OpWhere:
		p.Value, _ = wire.EncodeDocument(wire.Where{Slot: ring.Slot(q.Key), Owners: []wire.Seat{{Node: 1, Name: "n1", Alive: true}}})
	case wire.OpStats:
		p.Value, _ = wire.EncodeDocument(wire.NodeStats{Name: f.hello.Name, Keys: int64(len(f.values))})
	case wire.OpPing:
	default:
		if !ok {
			p.Status = wire.StatusNotFound
		}
	}
	reply(&p)
}

// scanPage is how many keys a fake tells at a time.
const scanPage = 3

// scan tells the keys in their order; the cursor is the last one told.
func (f *fake) scan(q *wire.Request, p *wire.Response) {
	p.Value = nil
	for _, key := range slices.Sorted(maps.Keys(f.values)) {
		if key <= string(q.Key) || !strings.HasPrefix(key, string(q.Value)) {
			continue
		}
		if len(p.Items) == scanPage {
			p.Value = p.Items[scanPage-1].Value
			return
		}
		p.Items = append(p.Items, wire.Item{Value: []byte(key), Stamp: 1})
	}
}

// join makes fakes a cluster of which each owns every key, with ids from 1 on.
func join(fakes ...*fake) {
	m := &ring.Map{
		ClusterID: 7, Cluster: "fake", Partitions: 64,
		Namespaces: []ring.Namespace{{Name: "default", Replicas: 3, Read: uint8(wire.LevelQuorum), Write: uint8(wire.LevelQuorum), Version: 1}},
	}
	for i, f := range fakes {
		f.mu.Lock()
		f.hello.Node, f.hello.Name = uint64(i+1), fmt.Sprint("n", i+1)
		f.mu.Unlock()
		m.Nodes = append(m.Nodes, ring.Node{
			ID: f.hello.Node, Boot: 1, Name: f.hello.Name, ClientAddr: f.addr, PeerAddr: f.addr, GossipAddr: f.addr,
			Datacenter: "dc1", Weight: ring.StandardWeight, State: ring.Active, Version: 1,
		})
	}
	know(m, fakes...)
}

// know gives fakes a map.
func know(m *ring.Map, fakes ...*fake) {
	for _, f := range fakes {
		f.cluster.Store(m)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.hello.MapHash = m.Hash(xxhash.Sum64)
	}
}

// set gives it a key.
func (f *fake) set(key, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.values[key] = []byte(value)
}

// ops are the operations that arrived so far.
func (f *fake) ops() []wire.Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]wire.Op(nil), f.seen...)
}
