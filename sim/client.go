package sim

import (
	"strconv"
	"time"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/internal/session"
	"github.com/shoalcache/shoal/wire"
)

// op is one call of a client: what was asked, and what was answered.
type op struct {
	number     int // from 1; the value that a set writes
	ask        *Ask
	key        int
	node       int
	begin, end time.Duration // end: never, unless it was answered well
	until      time.Duration // its deadline
	sloppy     bool
	hinted     bool          // a hint counted towards W
	sum        int64         // what a counter stood at
	with       *glance       // what a writer of siblings had seen
	items      []int         // siblings, lists: the ops whose values were read
	than       uint64        // the version of the condition
	saw        sight         // what it found, where it says so
	quiet      time.Duration // since when all had known one owner to judge
	epoch      uint32        // of the namespace, as the node that was asked had it
	life       uint32        // of that
	refused    int64         // what nodes had had no room for when it began
	done       bool          // the client waits no more
	ok         bool          // it was answered, with a value, none, or an acknowledgement
	replied    [2]bool       // the node has answered each copy, whether or not anyone listened
	resent     *resent       // of what must not happen twice
	turn
	owned     bool // who took it last to coordinate it owned the key then
	taker     int  // the node that another handed it to, from 1; 0: none
	status    wire.Status
	stamp     uint64
	wrote     int // read: the op that the value is of, from 1
	deadline  int64
	wall      int64 // at the node when it answered
	forgotten bool
}

// turn is which call of a client's an op is: it may ask for one thing several times.
type turn struct {
	retry  bool
	tries  int           // how often it was asked before for its session
	first  time.Duration // when that began
	passed bool          // its answer was none for its session
}

const (
	never    = time.Duration(1 << 62)
	patience = 100 * time.Millisecond // a client waits so much longer than the node has
)

func keyName(key int) []byte { return strconv.AppendInt([]byte("k"), int64(key), 10) }

// writes reports whether the op is a set or delete, and not one whose condition was not met.
func (o *op) writes() bool {
	return (o.ask.Op == wire.OpSet || o.ask.Op == wire.OpDelete) && o.status != wire.StatusNotMet
}

// ask lets a client ask; where the node is down it finds another.
func (w *world) ask(a *Ask) {
	for d := range w.nodes {
		if i := (a.Node + d) % len(w.nodes); w.nodes[i].core != nil {
			if a.Op == wire.OpNamespace {
				w.askChange(i, a)
				return
			}
			w.askNode(i, a, turn{first: w.now})
			return
		}
	}
	w.count("nobody to ask")
}

func (w *world) askNode(i int, a *Ask, t turn) {
	n := &w.nodes[i]
	timeout := a.Timeout
	if timeout == 0 {
		timeout = coordinator.DefaultConfig().TimeoutDefault
	}
	number := len(w.ops)
	w.ops = append(w.ops, op{
		number: number + 1, ask: a, key: a.Key, node: i, begin: w.now, end: never, until: w.now + timeout, turn: t,
		sloppy: w.plan.Cluster.sloppy(a.Key) && a.Op != wire.OpGet,
	})
	o := &w.ops[number]
	w.open[i] = append(w.open[i], int32(number))
	if o.life = n.life; w.plan.Cluster.Flushes {
		o.epoch = w.space(n).Epoch
	}
	o.refused = w.refused()
	r := &w.request
	*r = wire.Request{
		Op: a.Op, ID: uint64(number + 1), Key: keyName(a.Key), Timeout: uint32(timeout.Milliseconds()),
		TTL: a.TTL.Milliseconds(), Sloppy: o.sloppy, Namespace: w.plan.Cluster.Space,
	}
	if c := &w.plan.Cluster; c.Read == wire.LevelExplicit {
		r.Level, r.R, r.W = wire.LevelExplicit, c.R, c.W
	}
	if t.tries > 0 {
		r.Level, r.R, r.W = session.Levels[t.tries-1], 0, 0
	}
	if a.Op == wire.OpDelete {
		w.deleted[string(r.Key)] = true
	}
	if a.Op == wire.OpSet {
		r.Value = strconv.AppendInt(nil, int64(number+1), 10)
		if w.plan.Cluster.counter(a.Key) {
			r.Value = strconv.AppendInt(nil, a.By, 10)
		}
	}
	if a.Op == wire.OpIncr {
		if r.By = a.By; a.Initial != 0 {
			r.Value = strconv.AppendInt(nil, a.Initial, 10)
		}
	}
	if w.plan.Cluster.list(a.Key) && (a.Op == wire.OpSet || a.Op == wire.OpAppend) {
		r.Value = piece(number + 1)
	}
	if r.Condition, r.Previous = a.Only, a.Was; a.Only == wire.Version {
		o.than = w.pickMet(a)
		r.Than = o.than
	}
	if w.plan.Cluster.Siblings && !w.plan.Cluster.list(a.Key) {
		w.remind(o, r)
	}
	w.tellAsked(o)
	leaves := w.now + timeout + patience
	if !a.Patient {
		leaves = w.now + timeout/8
	}
	w.at(event{at: leaves, what: turnAway, index: int32(number)})
	if w.once(o) {
		w.sendOnce(o, r)
		return
	}
	w.frame = wire.AppendRequest(w.frame[:0], r)
	w.arrive(o, r, w.frame[wire.FrameHeader:])
}

// answered takes what a node says to a client.
func (w *world) answered(i int, r *wire.Response) {
	o := w.checkReply(i, r)
	if o == nil {
		return
	}
	o.replied[r.ID>>copyShift] = true
	w.drop(i, int32(o.number-1))
	if o.done || o.resent != nil && o.resent.again && r.ID>>copyShift == 0 {
		w.count("answered too late")
		return
	}
	if w.breaks(o, r) {
		return
	}
	o.done, o.status, o.stamp, o.deadline, o.forgotten, o.wall = true, r.Status, r.Stamp, r.Deadline, r.Forgotten, w.clock(&w.nodes[i]).Wall
	o.hinted = r.Hinted > 0
	if o.ok = r.Status == wire.StatusOK || r.Status == wire.StatusNotFound || r.Status == wire.StatusNotMet; o.ok {
		o.end = w.now
	}
	if len(r.Items) > 0 && o.ask.Op == wire.OpGet { // of siblings the latest
		r.Value = r.Items[0].Value
	}
	switch {
	case o.ask.Op == wire.OpGet && r.Status == wire.StatusOK && w.plan.Cluster.list(o.key):
		w.takePieces(o, r.Value)
	case o.ask.Op == wire.OpGet && r.Status == wire.StatusOK:
		o.wrote, _ = strconv.Atoi(string(r.Value))
		w.count("hit")
	case o.ask.Op == wire.OpAppend && r.Status == wire.StatusOK:
		o.sum, _ = strconv.ParseInt(string(r.Value), 10, 64)
	case o.ok && (o.ask.Only != wire.Always || o.ask.Was):
		w.takeSight(o, r)
	}
	if w.met != nil && r.Stamp != 0 {
		w.meet(o.key, r.Stamp)
	}
	if w.plan.Cluster.counter(o.key) && r.Status == wire.StatusOK && (o.ask.Op == wire.OpGet || o.ask.Op == wire.OpIncr) {
		sum, err := strconv.ParseInt(string(r.Value), 10, 64)
		if o.sum = sum; err != nil {
			w.fail("I9", "op %d at n%d is told %q of a counter", o.number, o.node+1, r.Value)
		}
	}
	if w.plan.Cluster.Siblings && o.ok && o.ask.Op == wire.OpGet && !w.plan.Cluster.list(o.key) {
		w.glimpse(o, r)
	}
	w.tellAnswered(o, r)
	w.checkQuorum(o, r)
	w.checkOnce(o, r)
	switch {
	case !o.ok:
		w.again(o)
	case o.ask.Session > 0:
		w.keepSession(o)
	}
}

// again lets a client ask once more, elsewhere, what failed.
func (w *world) again(o *op) {
	if o.retry || o.tries > 0 || !w.plan.Cluster.Retries {
		return
	}
	for d := 1; d < len(w.nodes); d++ {
		if i := (o.node + d) % len(w.nodes); w.nodes[i].core != nil {
			w.count("retried")
			w.askNode(i, o.ask, turn{retry: true, first: w.now})
			return
		}
	}
}

// turnAway is a client that waits no longer.
func (w *world) turnAway(number int) {
	o := &w.ops[number]
	switch {
	case o.done:
		return
	case o.resent != nil && !o.resent.again && w.now < o.until:
		w.resendLater(o, 50*time.Millisecond)
		w.at(event{at: o.until + patience, what: turnAway, index: int32(number)})
		return
	}
	o.done = true
	w.count("turned away")
	w.say("op %d is given up", number+1)
	if n := &w.nodes[o.node]; o.ask.Patient && (o.resent == nil || o.resent.sent) && n.core != nil && n.paused <= w.now && !o.replied[o.copy()] && w.now > o.until+patience/2 && !w.wasStill(o) {
		w.fail("liveness", "op %d at n%d was not answered by its deadline", number+1, o.node+1)
	}
	w.again(o)
}

// copy is the latest copy of the op that was sent, from 0.
func (o *op) copy() int {
	if o.resent != nil && o.resent.sent {
		return 1
	}
	return 0
}

// wasStill reports whether the op's node stood still while the op was under way.
func (w *world) wasStill(o *op) bool {
	return w.nodes[o.node].paused > o.begin
}

// hangUp ends what clients had under way at a node.
func (w *world) hangUp(i int) {
	for _, number := range w.open[i] {
		o := &w.ops[number]
		o.replied[o.copy()] = true
		switch {
		case o.done:
		case o.resent == nil || o.resent.sent:
			o.done = true
			w.again(o)
		case !o.resent.again:
			w.resendLater(o, time.Second)
		}
	}
	w.open[i] = w.open[i][:0]
}

func (w *world) drop(i int, number int32) {
	open := w.open[i]
	for at, x := range open {
		if x == number {
			open[at] = open[len(open)-1]
			w.open[i] = open[:len(open)-1]
			return
		}
	}
}
