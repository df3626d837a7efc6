package sim

import (
	"math/rand/v2"
	"time"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Faults between nodes: who reaches whom, who believes what of whom, and messages that no sane node sends.

func (w *world) cut(f *Fault) bool {
	w.block(f.Node, f.Other, 1)
	return true
}

func (w *world) mend(f *Fault) { w.block(f.Node, f.Other, -1) }

func drawSplit(r *rand.Rand, c *Cluster, f *Fault) { f.Bits = 1 + uint(r.IntN(1<<c.Nodes-2)) }

func drawAlone(_ *rand.Rand, _ *Cluster, f *Fault) { f.Bits = 1 << f.Node }

func (w *world) split(f *Fault) bool {
	w.blockSides(f.Bits, 1)
	return true
}

func (w *world) rejoin(f *Fault) { w.blockSides(f.Bits, -1) }

func (w *world) blockSides(side uint, by int) {
	for a := range w.nodes {
		for b := range w.nodes {
			if side>>a&1 != side>>b&1 {
				w.block(a, b, by)
			}
		}
	}
}

func (w *world) ring(*Fault) bool {
	w.blockRing(1)
	return true
}

func (w *world) unring(*Fault) { w.blockRing(-1) }

func (w *world) blockRing(by int) {
	n := len(w.nodes)
	for a := range w.nodes {
		for b := range w.nodes {
			if d := (a - b + n) % n; d > 1 && d < n-1 {
				w.block(a, b, by)
			}
		}
	}
}

func (w *world) flap(f *Fault) bool {
	n := &w.nodes[f.Node]
	if n.core == nil {
		return false
	}
	n.peers[f.Other].flap = w.now + f.For
	return true
}

// farApart lies between two nodes that tell such times, and none does while another's clock is off: of the clocks that a
// node hears of, most must be sane.
const farApart = 10 * time.Second

// drawFar is further ahead than any run is long, so that no time that comes to be true was told as a lie before.
func drawFar(r *rand.Rand, _ *Cluster, f *Fault) { f.By = between(r, farLeast, 365*24*time.Hour) }

const farLeast = 4 * time.Minute

// far lets every time in what a node sends lie ahead: its values, its floors, its clock.
func (w *world) far(f *Fault) bool {
	for i := range w.nodes {
		if n := &w.nodes[i]; i != f.Node && (n.far > 0 && n.far+farApart > w.now || n.skew.Abs() > replica.SkewMax) {
			return false
		}
	}
	n := &w.nodes[f.Node]
	n.far, n.farBy = w.now+f.For, f.By
	return true
}

// falsify pushes the times of a message ahead.
func (w *world) falsify(frame []byte, by time.Duration) []byte {
	m := &w.message
	if err := wire.DecodeMessage(frame, m, &w.limits); err != nil {
		panic(err) // a node made it
	}
	for _, s := range []*vclock.Stamp{&m.Set.Dot.Stamp, &m.Set.Deadline.Stamp, &m.Floor, &m.Known.Stamp, &m.Gone.Stamp} {
		if *s != 0 {
			*s += vclock.StampAt(by.Milliseconds())
		}
	}
	if m.Wall != 0 {
		m.Wall += by.Milliseconds()
	}
	w.falsified = wire.AppendMessage(w.falsified[:0], m)
	return w.falsified[wire.FrameHeader:]
}

// foreign tells a node the map of another cluster, and one of its own that does not fit.
func (w *world) foreign(f *Fault) bool {
	n := &w.nodes[f.Node]
	if n.core == nil {
		return false
	}
	other := n.core.View().Map.Clone()
	if other.ClusterID++; w.rng.IntN(2) == 0 {
		other.ClusterID, other.Partitions = n.core.View().Map.ClusterID, other.Partitions*2
	}
	x := n.entry(1 << 40)
	x.ID, x.State = n.id%uint64(len(w.nodes))+1, ring.Removed
	w.hear(f.Node, other.With(x))
	return true
}

// hear lets a map reach a node from nobody it knows.
func (w *world) hear(i int, m *ring.Map) {
	w.frame = wire.AppendMessage(w.frame[:0], &wire.Message{Kind: wire.KindMap, Body: wire.EncodeMap(m)})
	w.carry(packet{from: w.nodes[i].id, to: w.nodes[i].id, frame: w.frame[wire.FrameHeader:]})
}

func (w *world) truncate(f *Fault) bool {
	w.cutShort[f.Node*len(w.nodes)+f.Other]++
	return true
}

func (w *world) untruncate(f *Fault) { w.cutShort[f.Node*len(w.nodes)+f.Other]-- }

// replay sends messages again that were kept from all that was sent so far.
func (w *world) replay(*Fault) bool {
	for i := range w.kept {
		w.count("replayed")
		w.carry(w.kept[i])
	}
	return len(w.kept) > 0
}

// keepsMax messages are kept for replays, each of those sent with the same odds.
const keepsMax = 32

// keep may keep a message for a replay. No forwarded call: no connection brings one twice, and nothing here tells a
// copy of it from a new one.
func (w *world) keep(p packet) {
	if wire.Kind(p.frame[1]) == wire.KindForward || w.rng.IntN(64) != 0 {
		return
	}
	i := len(w.kept)
	if i < keepsMax {
		w.kept = append(w.kept, packet{})
	} else {
		i = w.rng.IntN(keepsMax)
	}
	p.frame = append([]byte(nil), p.frame...)
	w.kept[i] = p
}
