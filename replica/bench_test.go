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

func newPath(nodes int) *path {
	p := &path{w: newWorld(1, worldConfig{
		nodes: nodes, replicas: nodes, read: wire.LevelQuorum, write: wire.LevelQuorum, memory: 64 << 20, keys: 1, shards: 2,
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
		p := newPath(nodes)
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
