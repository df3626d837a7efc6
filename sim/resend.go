package sim

import (
	"time"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/wire"
)

// Some requests must not happen twice. Where its connection breaks before the answer of one has come, a client sends it
// again to the node that may have carried it out, which knows it by its session and serial (replica/once.go). To clients and
// checkers both copies are one op.

// resent is an op that may be sent again.
type resent struct {
	frame  []byte // the request, as it was sent first; nil: it is never sent again
	boot   uint64 // of the node that took it
	again  bool   // it is to be sent again
	sent   bool   // it was
	lost   bool   // an answer was on its way when the connection broke: this one
	status wire.Status
	stamp  uint64
	value  []byte
}

// copyShift is where the id of a request says which copy of its op it is, 0 or 1.
const copyShift = 32

// clientSession is that of all clients of a run: nodes tell their requests apart by serials.
const clientSession = 1

// once reports whether the op is one that must not happen twice, and that clients send again.
func (w *world) once(o *op) bool {
	return w.plan.Cluster.Retries && !o.ask.Was && (o.ask.Op == wire.OpIncr || o.ask.Op == wire.OpAppend || o.ask.Only != wire.Always)
}

// sendOnce lets the first copy of a request come to its node; of some the connection breaks at once, so that the client sends
// the second sooner or later than the first arrives.
func (w *world) sendOnce(o *op, r *wire.Request) {
	n := &w.nodes[o.node]
	o.resent = &resent{boot: n.entry(1).Boot}
	r.Session, r.Serial = clientSession, uint64(o.number)
	w.frame = wire.AppendRequest(w.frame[:0], r)
	o.resent.frame = append([]byte(nil), w.frame[wire.FrameHeader:]...)
	if w.rng.IntN(16) != 0 {
		w.arrive(o, r, w.frame[wire.FrameHeader:])
		return
	}
	w.count("request left in a connection that broke")
	w.at(event{at: w.now + between(w.rng, time.Millisecond, time.Second), what: late, index: int32(o.number - 1), node: int32(o.node), life: n.life})
	w.resendLater(o, time.Second)
}

// late is when the first copy comes out of the connection that broke. Its deadline begins anew, as that of all requests does
// when a node reads them.
func (w *world) late(o *op) {
	r := &w.request
	if err := wire.DecodeRequest(o.resent.frame, r, &w.limits); err != nil {
		panic(err)
	}
	o.until = max(o.until, w.now+time.Duration(r.Timeout)*time.Millisecond)
	w.arrive(o, r, o.resent.frame)
}

// breaks reports whether the op's connection breaks before the answer has come to the client.
func (w *world) breaks(o *op, r *wire.Response) bool {
	s := o.resent
	if s == nil || s.again || s.lost || w.calm > 0 || w.rng.IntN(8) != 0 {
		return false
	}
	w.count("answer lost")
	w.say("op %d  has its answer lost", o.number)
	s.lost, s.status, s.stamp, s.value = !r.Status.Undone(), r.Status, r.Stamp, append([]byte(nil), r.Value...)
	w.resendLater(o, 50*time.Millisecond)
	return true
}

func (w *world) resendLater(o *op, most time.Duration) {
	o.resent.again = true
	w.at(event{at: w.now + between(w.rng, 100*time.Microsecond, most), what: resend, index: int32(o.number - 1)})
}

// resend sends the second copy as soon as the node can be reached, as long as there is time.
func (w *world) resend(o *op) {
	n := &w.nodes[o.node]
	switch {
	case o.done:
		return
	case w.now >= o.until-time.Millisecond:
		o.done = true
		w.again(o)
		return
	case n.core == nil:
		w.resendLater(o, 100*time.Millisecond)
		return
	}
	o.resent.sent = true
	w.count("sent again")
	w.say("op %d  is sent again", o.number)
	r := &w.request
	if err := wire.DecodeRequest(o.resent.frame, r, &w.limits); err != nil {
		panic(err)
	}
	r.ID, r.Boot, r.Timeout = r.ID|1<<copyShift, o.resent.boot, uint32((o.until - w.now).Milliseconds())
	w.open[o.node] = append(w.open[o.node], int32(o.number-1))
	w.frame = wire.AppendRequest(w.frame[:0], r)
	w.arrive(o, r, w.frame[wire.FrameHeader:])
}

// arrive lets a request come to the node that it was sent to.
func (w *world) arrive(o *op, r *wire.Request, frame []byte) {
	n := &w.nodes[o.node]
	if n.paused > w.now {
		w.count("asked a node that stands still") // the bytes lie in its socket: they may as well be lost
		return
	}
	k, shard := n.core.Locate(n.core.View(), r)
	o.owned = w.owns(n, k.Partition)
	n.core.Shards()[shard].Request(w.clock(n), k, coordinator.Client{Conn: 1, ID: r.ID}, r, frame, &n.out)
	w.flush(o.node)
}
