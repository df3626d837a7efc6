package replica

import (
	"cmp"
	"math/bits"
	"time"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Outbox collects, as bytes, what the shards want sent during one batch, so that the shell takes each
// link's and each connection's lock once. The shell owns it and resets it after sending.
type Outbox struct {
	Peers   []Parcel     // frames for nodes
	Conns   []Parcel     // frames for client connections of this node
	Parts   []Part       // answers to single keys of multi-gets
	Ceiling vclock.Stamp // some shard needs the ceiling to pass this
	Latency Latency      // of the requests answered now that began before

	Kept int // bytes of each buffer that Reset keeps; default 64 KiB

	peers, conns map[uint64]int // destination → index
	lastPeer     int
	lastConn     int
}

// Parcel is whole frames for one destination.
type Parcel struct {
	To     uint64 // node or connection
	Frames []byte
	Count  int // frames
}

// Part is one key's answer to the multi-get ID of a connection: a response frame at Key, from 0.
type Part struct {
	Conn  uint64
	ID    uint64
	Key   int
	Frame []byte // without its length
}

// Reset empties the outbox and keeps its memory, but for what one large batch left.
func (o *Outbox) Reset() {
	kept := cmp.Or(o.Kept, 64<<10)
	o.Peers, o.Conns = shrink(o.Peers, kept), shrink(o.Conns, kept)
	o.Parts, o.Ceiling, o.Latency = o.Parts[:0], 0, Latency{}
	o.lastPeer, o.lastConn = 0, 0
	clear(o.peers)
	clear(o.conns)
}

func shrink(ps []Parcel, kept int) []Parcel {
	for i := range ps {
		if cap(ps[i].Frames) > kept {
			ps[i].Frames = nil
		}
	}
	return ps[:0]
}

// message queues m for a node.
func (o *Outbox) message(to uint64, m *wire.Message) {
	p := find(&o.Peers, &o.peers, &o.lastPeer, to)
	p.Frames = wire.AppendMessage(p.Frames, m)
	p.Count++
}

// Answer queues a response for the client that waits for it.
func (o *Outbox) Answer(c coordinator.Client, r *wire.Response) {
	switch {
	case c.Node != 0:
		r.ID = 0
		body := wire.AppendResponse(nil, r)
		o.message(c.Node, &wire.Message{Kind: wire.KindForwardReply, ID: c.ID, Body: body[wire.FrameHeader:]})
	case c.Part != 0:
		frame := wire.AppendResponse(nil, r)
		o.Parts = append(o.Parts, Part{Conn: c.Conn, ID: c.ID, Key: int(c.Part - 1), Frame: frame[wire.FrameHeader:]})
	default:
		r.ID = c.ID
		p := find(&o.Conns, &o.conns, &o.lastConn, c.Conn)
		p.Frames = wire.AppendResponse(p.Frames, r)
		p.Count++
	}
}

// find returns the parcel for a destination, using the memory of an earlier one where there is any.
func find(ps *[]Parcel, index *map[uint64]int, last *int, to uint64) *Parcel {
	if *last < len(*ps) && (*ps)[*last].To == to {
		return &(*ps)[*last]
	}
	i, ok := (*index)[to]
	if !ok {
		if *index == nil {
			*index = map[uint64]int{}
		}
		if i = len(*ps); i < cap(*ps) {
			*ps = (*ps)[:i+1]
		} else {
			*ps = append(*ps, Parcel{})
		}
		(*ps)[i] = Parcel{To: to, Frames: (*ps)[i].Frames[:0]}
		(*index)[to] = i
	}
	*last = i
	return &(*ps)[i]
}

// latencyBuckets cover 1 µs to about 34 s, four to an octave.
const latencyBuckets = 104

// Latency counts durations in logarithmic buckets: a quantile read from it is at most 19 % too high.
type Latency [latencyBuckets]uint32

// Add puts o's counts on top of l.
func (l *Latency) Add(o *Latency) {
	for i, n := range o {
		l[i] += n
	}
}

// LatencyBucket is the bucket of a duration.
func LatencyBucket(d time.Duration) int {
	us := uint64(max(d/time.Microsecond, 1))
	octave := bits.Len64(us) - 1
	quarter := 0
	if octave >= 2 {
		quarter = int(us>>(octave-2)) & 3
	} else {
		quarter = int(us<<(2-octave)) & 3
	}
	return min(4*octave+quarter, latencyBuckets-1)
}

// LatencyBound is the duration that nothing in bucket i reaches.
func LatencyBound(i int) time.Duration {
	return time.Duration(uint64(5+i%4)<<(i/4)) * time.Microsecond / 4
}

// Total is how many were counted.
func (l *Latency) Total() (n uint64) {
	for _, k := range l {
		n += uint64(k)
	}
	return n
}

// Quantile is a duration that the share q, 0 to 1, of what was counted stays below; 0 when there is nothing.
func (l *Latency) Quantile(q float64) time.Duration {
	rank, seen := uint64(q*float64(l.Total())), uint64(0)
	for i, n := range l {
		if seen += uint64(n); n > 0 && seen >= rank {
			return LatencyBound(i)
		}
	}
	return 0
}
