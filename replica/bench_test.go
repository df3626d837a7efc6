package replica

import (
	"fmt"
	"testing"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// path drives requests through nodes that stand side by side, all messages delivered at once and in order,
// as links do: what the request path costs without sockets.
type path struct {
	w      *world
	out    []*Outbox
	m      wire.Message
	r      wire.Request
	limits wire.Limits
}

func newPath(nodes int, siblings bool) *path {
	p := &path{w: newWorld(1, worldConfig{
		nodes: nodes, replicas: nodes, read: wire.LevelQuorum, write: wire.LevelQuorum, memory: 64 << 20, keys: 1, shards: 2, siblings: siblings,
	}), limits: wire.DefaultLimits()}
	p.w.settle()
	for range p.w.nodes {
		p.out = append(p.out, &Outbox{})
	}
	for _, n := range p.w.nodes {
		n.ceiling = vclock.StampAt(1 << 40)
		p.w.reserve(n, 0)
	}
	return p
}

// do carries a batch of requests of one client at the first node to their end; it returns the answers.
func (p *path) do(frames [][]byte) (answers int) {
	n := p.w.nodes[0]
	now := p.w.wall(n)
	for i, f := range frames {
		if err := wire.DecodeRequest(f, &p.r, &p.limits); err != nil {
			panic(err)
		}
		k, shard := n.node.Key(n.node.View(), p.r.Key)
		n.node.Shards()[shard].Request(now, k, coordinator.Client{Conn: 1, ID: uint64(i + 1)}, &p.r, f, p.out[0])
	}
	for again := true; again; {
		again = false
		for from, out := range p.out {
			for _, parcel := range out.Conns {
				answers += parcel.Count
			}
			for _, parcel := range out.Peers {
				again = true
				to := p.w.nodes[parcel.To-1]
				for rest := parcel.Frames; len(rest) > 0; {
					frame, r, _ := wire.NextFrame(rest, &p.limits)
					rest = r
					if err := wire.DecodeMessage(frame, &p.m, &p.limits); err != nil {
						panic(err)
					}
					v := to.node.View()
					k, shard, _ := to.node.Route(v, &p.m, &p.r)
					to.node.Shards()[shard].Receive(now, uint64(from+1), v.Placement, k, &p.m, &p.r, p.out[to.id-1])
				}
			}
			out.Reset()
		}
	}
	return answers
}

func BenchmarkPath(b *testing.B) {
	const batch = 16
	for _, nodes := range []int{1, 3} {
		p := newPath(nodes, false)
		for _, op := range []wire.Op{wire.OpSet, wire.OpGet} {
			var frames [][]byte
			for i := range 4096 {
				r := wire.Request{Op: op, ID: 1, Key: fmt.Appendf(nil, "key:%012d", i)}
				if op == wire.OpSet {
					r.Value = make([]byte, 100)
				}
				frames = append(frames, wire.AppendRequest(nil, &r)[wire.FrameHeader:])
			}
			for at := 0; at < len(frames); at += batch {
				p.do(frames[at : at+batch])
			}
			b.Run(fmt.Sprintf("%v/nodes=%d", op, nodes), func(b *testing.B) {
				b.ReportAllocs()
				at, answers := 0, 0
				for b.Loop() {
					if at%batch == 0 {
						i := at % len(frames)
						answers += p.do(frames[i : i+batch])
					}
					at++
				}
				if answers < at/batch*batch {
					b.Fatalf("%d answers of %d", answers, at)
				}
			})
		}
	}
}

// BenchmarkModes is what each mode costs on three nodes at quorum: a request of 100 bytes of value, or one that adds, and the
// bytes of a record on each node.
func BenchmarkModes(b *testing.B) {
	const batch, keys = 16, 4096
	for _, mode := range []struct {
		name     string
		siblings bool
		write    wire.Request
	}{
		{"lww", false, wire.Request{Op: wire.OpSet, Value: make([]byte, 100)}},
		{"lww-if-present", false, wire.Request{Op: wire.OpSet, Value: make([]byte, 100), Condition: wire.Present}},
		{"siblings", true, wire.Request{Op: wire.OpSet, Value: make([]byte, 100)}},
		{"counter", false, wire.Request{Op: wire.OpIncr, By: 1}},
	} {
		p := newPath(3, mode.siblings)
		before := p.w.nodes[0].node.used()
		for _, op := range []wire.Op{mode.write.Op, wire.OpGet} {
			var frames [][]byte
			for i := range keys {
				r := mode.write
				if op == wire.OpGet {
					r = wire.Request{Op: op, Siblings: mode.siblings}
				}
				r.ID, r.Key = 1, fmt.Appendf(nil, "key:%012d", i)
				frames = append(frames, wire.AppendRequest(nil, &r)[wire.FrameHeader:])
			}
			if mode.write.Condition != wire.Always && op == wire.OpSet { // that there is something
				for i := range keys {
					r := wire.Request{Op: wire.OpSet, ID: 1, Key: fmt.Appendf(nil, "key:%012d", i), Value: mode.write.Value}
					p.do([][]byte{wire.AppendRequest(nil, &r)[wire.FrameHeader:]})
				}
			}
			for at := 0; at < len(frames); at += batch {
				p.do(frames[at : at+batch])
			}
			b.Run(fmt.Sprintf("%s/%v", mode.name, op), func(b *testing.B) {
				b.ReportAllocs()
				for at := 0; b.Loop(); at++ {
					if at%batch == 0 {
						i := at % len(frames)
						p.do(frames[i : i+batch])
					}
				}
				b.ReportMetric(float64(p.w.nodes[0].node.used()-before)/keys, "bytes/record")
			})
		}
	}
}

func (n *Node) used() (bytes int64) {
	for _, s := range n.shards {
		bytes += s.store.Stats().BytesUsed
	}
	return bytes
}
