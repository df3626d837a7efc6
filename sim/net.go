package sim

import (
	"math"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// packet is one message on its way.
type packet struct {
	from, to uint64 // nodes
	under    uint64 // the sender's placement
	life     uint32 // a beat: the sender's
	sent     time.Duration
	frame    []byte // without its length
}

// flush sends what a node wants sent.
func (w *world) flush(i int) {
	n := &w.nodes[i]
	if n.out.Ceiling > n.ceiling {
		w.count("ceiling wanted")
		if w.raise(n, n.out.Ceiling) != nil && w.blown(i) { // else it is asked for again where it is needed
			n.out.Reset()
			return
		}
	}
	if len(n.out.Conns) > 0 { // else nobody was answered
		n.felt.Add(&n.out.Latency)
	}
	under := n.core.View().Placement
	for p := range n.out.Peers {
		parcel := &n.out.Peers[p]
		for rest := parcel.Frames; len(rest) > 0; {
			frame, next, err := wire.NextFrame(rest, &w.limits)
			if err != nil {
				panic(err) // a node never makes a frame that none would take
			}
			rest = next
			w.send(packet{from: n.id, to: parcel.To, under: under, sent: w.now, frame: frame})
		}
	}
	begin := len(w.answers)
	for p := range n.out.Conns {
		w.answers = append(w.answers, n.out.Conns[p].Frames...)
	}
	n.out.Reset() // before clients ask again, which may bring the node to send more
	for at := begin; at < len(w.answers); {
		frame, next, err := wire.NextFrame(w.answers[at:], &w.limits)
		if err != nil {
			panic(err)
		}
		at = len(w.answers) - len(next)
		if err := wire.DecodeResponse(frame, &w.response, &w.limits); err != nil {
			panic(err)
		}
		w.answered(i, &w.response)
	}
	w.answers = w.answers[:begin]
	if n.core != nil && n.idle && n.busy() {
		w.tickLater(i)
	}
}

// send puts a message on its way, or loses it, or sends two.
func (w *world) send(p packet) {
	if w.calm == 0 {
		w.keep(p)
		if n := &w.nodes[p.from-1]; n.far > w.now {
			p.frame = w.falsify(p.frame, n.farBy)
		}
		switch r := w.rng.Float64(); {
		case r < w.plan.Net.Loss:
			w.count("lost")
			w.roughen(int(p.from-1), int(p.to-1), w.now)
			return
		case r < w.plan.Net.Loss+w.plan.Net.Copies:
			// A forwarded call is never sent twice, and no connection brings anything twice: nothing here tells a
			// copy of it from a new one.
			if wire.Kind(p.frame[1]) != wire.KindForward {
				w.count("copied")
				w.carry(p)
			}
		}
	}
	w.carry(p)
}

func (w *world) carry(p packet) {
	delay := w.plan.Net.Delay/2 + time.Duration(w.rng.Int64N(int64(w.plan.Net.Delay)))
	if w.calm == 0 && w.rng.Float64() < w.plan.Net.Tail {
		delay *= time.Duration(math.Pow(10_000, w.rng.Float64()))
		w.count("slow")
		w.roughen(int(p.from-1), int(p.to-1), w.now+delay)
	}
	at, q := w.packet()
	q.from, q.to, q.under, q.life, q.sent = p.from, p.to, p.under, p.life, p.sent
	q.frame = append(q.frame[:0], p.frame...)
	if w.cutShort[int(p.from-1)*len(w.nodes)+int(p.to-1)] > 0 {
		q.frame = q.frame[:w.rng.IntN(len(q.frame))]
		w.roughen(int(p.from-1), int(p.to-1), w.now+delay)
	}
	w.at(event{at: w.now + delay, what: deliver, node: int32(p.to - 1), index: at})
}

// packet returns one to use.
func (w *world) packet() (index int32, _ *packet) {
	if last := len(w.unused) - 1; last >= 0 {
		index = w.unused[last]
		w.unused = w.unused[:last]
		return index, w.packets[index]
	}
	w.packets = append(w.packets, new(packet))
	return int32(len(w.packets) - 1), w.packets[len(w.packets)-1]
}

// blocked reports whether messages from one node do not reach another.
func (w *world) blocked(from, to int) bool { return w.blocks[from*len(w.nodes)+to] > 0 }

// block cuts the way from one node to another, or mends it by -1.
func (w *world) block(from, to, by int) {
	if from != to {
		w.blocks[from*len(w.nodes)+to] += by
	}
}

// deliver hands a message to the node it is for.
func (w *world) deliver(p *packet) {
	from, to := int(p.from-1), int(p.to-1)
	n := &w.nodes[to]
	if n.core == nil || w.blocked(from, to) {
		w.count("undelivered")
		w.roughen(from, to, w.now)
		return
	}
	m := &w.message
	if err := wire.DecodeMessage(p.frame, m, &w.limits); err != nil {
		w.count("malformed") // a real link ends here, and is dialled again
		return
	}
	w.tell(p, m)
	w.observe(to, m)
	w.checkRepair(p, to, m)
	w.checkIdle(p, to, m)
	w.handOff(p, to, m)
	switch m.Kind {
	case wire.KindMap:
		theirs, err := wire.DecodeMap(m.Body)
		if err != nil {
			w.count("malformed")
			return
		}
		w.learn(to, theirs)
	case wire.KindBeat:
		if w.goesBy(to, p); n.core == nil {
			return // it has made a change, and lost its power while it saved that
		}
		if n.core.Beat(w.clock(n), p.from, m.Wall) {
			w.turned = w.now
			w.view(to)
		}
	default:
		k, shard, ok := n.core.Route(n.core.View(), m, &w.request)
		if !ok {
			w.count("misrouted")
			return
		}
		if p.under != n.core.View().Placement {
			w.count("other placement")
			w.roughen(from, to, w.now)
			w.roughen(to, from, w.now)
			w.sendMap(to, from)
		}
		n.core.Shards()[shard].Receive(w.clock(n), p.from, p.under, k, m, &w.request, &n.out)
		w.checkLate(to, p, m)
		w.takes(p.from, to, m)
		w.flush(to)
	}
}

// sendMap tells another node the map.
func (w *world) sendMap(from, to int) {
	n := &w.nodes[from]
	if from == to {
		return
	}
	w.frame = wire.AppendMessage(w.frame[:0], &wire.Message{Kind: wire.KindMap, Body: wire.EncodeMap(n.core.View().Map)})
	w.send(packet{from: n.id, to: uint64(to + 1), under: n.core.View().Placement, frame: w.frame[wire.FrameHeader:]})
}

// beat tells the others a node's time.
func (w *world) beat(i int) {
	n := &w.nodes[i]
	w.frame = wire.AppendMessage(w.frame[:0], &wire.Message{Kind: wire.KindBeat, Wall: w.clock(n).Wall, Floor: n.ceiling})
	for o := range w.nodes {
		if o != i {
			w.send(packet{from: n.id, to: uint64(o + 1), under: n.core.View().Placement, life: n.life, frame: w.frame[wire.FrameHeader:]})
		}
	}
	w.at(event{at: w.now + beatPeriod, what: beat, node: int32(i), life: n.life})
}
