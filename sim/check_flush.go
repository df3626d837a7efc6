package sim

import (
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// This file is changes of the namespace, those that empty it: who asks for them, when they are answered, and what they are
// promised to do.

// mapChange is a flush, a drop, or the creation of what was dropped.
type mapChange struct {
	ask        wire.NamespaceChange
	what       string
	again      bool // it was made a second time, once all went by the first
	node       int
	life       uint32
	begin, end time.Duration // end: never, unless it was answered well
	until      time.Duration
	under      uint64   // the placement that it made
	epoch      uint32   // likewise; 0: it changed nothing
	knew       []uint32 // by node: the life that went by it when it was answered; 0: it was not up
}

// changeFor is how long whoever asks for a change waits.
const changeFor = 5 * time.Second

// era is what all nodes go by.
type era struct {
	epoch   uint32
	open    bool     // not all go by the same
	windows []window // in which they did not
}

// window is a time in which not all nodes went by one epoch.
type window struct {
	from, to time.Duration
	emptied  bool // it began with a flush, and not with a node that came back and had not heard of one
}

// space is the namespace as a node has it.
func (w *world) space(n *node) ring.Namespace {
	name := w.plan.Cluster.Space
	if name == "" {
		name = ring.DefaultNamespace
	}
	return *n.core.View().Map.Namespace(name)
}

// inner is the key as nodes keep it, by the map of one.
func (w *world) inner(n *node, name []byte) []byte {
	if !w.plan.Cluster.Flushes {
		return name
	}
	ns := w.space(n)
	return ring.AppendInnerKey(nil, ns.ID(xxhash.Sum64), name)
}

// plainName is the key as clients have it.
func plainName(inner []byte) []byte {
	_, name := ring.SplitInnerKey(inner)
	return name
}

// askChange lets a client ask for a change; the server does it likewise.
func (w *world) askChange(i int, a *Ask) {
	n := &w.nodes[i]
	if n.paused > w.now {
		return
	}
	c := &mapChange{what: a.Change, node: i, life: n.life, begin: w.now, end: never, until: w.now + changeFor}
	c.ask = wire.NamespaceChange{Action: a.Change, Name: w.space(n).Name}
	if a.Change == wire.NamespaceCreate {
		c.ask.Mode = w.first.Namespace(c.ask.Name).Mode.String()
	}
	w.say("n%d is asked to %s %s, %d of the plan", n.id, a.Change, c.ask.Name, a.Number)
	if w.makeChange(i, c) {
		w.changes = append(w.changes, c)
		w.changeHeard(i)
	}
}

// makeChange makes a change; false where it is refused.
func (w *world) makeChange(i int, c *mapChange) bool {
	n := &w.nodes[i]
	before := w.space(n).Epoch
	ns, changed, err := n.core.ChangeNamespace(&c.ask)
	w.say("n%d makes it epoch %d, %v", n.id, ns.Epoch, err)
	if err != nil {
		w.count("change refused")
		return false
	}
	if ns.Epoch > before {
		c.epoch = 0
		if ns.Epoch > w.era.epoch { // else the other side of a partition has a later one, which stands
			c.epoch = ns.Epoch
		}
	}
	c.under = n.core.View().Placement
	if changed {
		w.count("change " + c.what)
		w.mapChanged(i)
	}
	return true
}

// goesBy takes what a beat tells of the map that its sender goes by, unless that has ended since: its link has, too.
func (w *world) goesBy(to int, p *packet) {
	if !w.plan.Cluster.Flushes || w.nodes[p.from-1].life != p.life {
		return
	}
	w.nodes[to].peers[p.from-1].under = p.under
	w.changeHeard(to)
}

// changeHeard answers the changes that a node was asked for, if all that it has for up go by them.
func (w *world) changeHeard(i int) {
	n := &w.nodes[i]
	for _, c := range w.changes {
		if c.node != i || c.end != never || c.until < w.now || n.core == nil || c.life != n.life {
			continue
		}
		knew := make([]uint32, len(w.nodes))
		for o := range n.peers {
			if o == i {
				knew[o] = n.life
				continue
			}
			if !n.peers[o].up {
				continue
			}
			if n.peers[o].under != n.core.View().Placement {
				return
			}
			knew[o] = w.nodes[o].life
		}
		if !c.again {
			if c.again = true; !w.makeChange(i, c) {
				c.until = 0
			}
			w.changeHeard(i)
			return
		}
		c.end, c.knew = w.now, knew
		w.count("change answered")
		w.say("n%d answers that %s is done", n.id, c.what)
	}
}

// settle notes whether all nodes go by one epoch.
func (w *world) settle() {
	if !w.plan.Cluster.Flushes {
		return
	}
	e := &w.era
	least, most := ^uint32(0), uint32(0)
	for i := range w.nodes {
		if n := &w.nodes[i]; n.core != nil {
			epoch := w.space(n).Epoch
			least, most = min(least, epoch), max(most, epoch)
		}
	}
	if least > most {
		return
	}
	if most > e.epoch || least < most {
		w.glances = nil // contexts of before are refused
		if !e.open {
			e.open = true
			e.windows = append(e.windows, window{from: w.now, to: never})
		}
		last := &e.windows[len(e.windows)-1]
		last.emptied = last.emptied || most > e.epoch
	}
	if e.epoch = max(e.epoch, most); e.open && least == e.epoch {
		e.open = false
		e.windows[len(e.windows)-1].to = w.now
		w.glances = nil
	}
}

// unsettled reports whether not all nodes went by one epoch all the time since t.
func (w *world) unsettled(t time.Duration) bool {
	n := len(w.era.windows)
	return n > 0 && w.era.windows[n-1].to >= t
}

// mayBeFlushed reports whether a flush may have done away with what an op has written.
func (w *world) mayBeFlushed(o *op) bool {
	for _, x := range w.era.windows {
		if x.to >= o.begin {
			return true
		}
	}
	return false
}

// eras parts a history at the flushes: in each part are the calls that lie in a time in which all nodes went by one epoch,
// and, as failed, the writes that may lie in it.
func (w *world) eras(ops []*op) [][]*op {
	if len(w.era.windows) == 0 {
		return [][]*op{ops}
	}
	ops = w.sure(ops)
	var parts [][]*op
	from, began := time.Duration(-1), time.Duration(-1) // since when all did, and some
	for _, next := range append(w.era.windows, window{from: never, emptied: true}) {
		if !next.emptied {
			continue
		}
		var part []*op
		for _, o := range ops {
			if o.begin < next.from && (o.ok && o.begin > from || !o.ok && w.over(o) > began) {
				part = append(part, o)
			}
		}
		if len(part) > 0 {
			parts = append(parts, part)
		}
		from, began = next.to, next.from
	}
	return parts
}

// sure is a history in which what was asked while not all nodes went by one epoch has failed: those that did not may have
// served it among themselves.
func (w *world) sure(ops []*op) []*op {
	sure := make([]*op, 0, len(ops))
	for _, o := range ops {
		if o.ok && slices.ContainsFunc(w.era.windows, func(x window) bool { return o.begin <= x.to && o.end >= x.from }) {
			if o.ask.Op == wire.OpGet {
				continue
			}
			failed := *o
			failed.ok, failed.end, failed.status, failed.saw = false, never, wire.StatusTimeout, sight{}
			o = &failed
		}
		sure = append(sure, o)
	}
	return sure
}

// checkFlushed is I20: once a flush, a drop, or a creation after it is answered, nothing that was over before it began is read
// through any node that was up then, or that has heard of it.
func (w *world) checkFlushed(key int, ops []*op) {
	for _, c := range w.changes {
		if c.end == never || c.epoch == 0 {
			continue
		}
		for _, r := range ops {
			if !r.ok || r.begin <= c.end || r.epoch < c.epoch && c.knew[r.node] != r.life {
				continue
			}
			read := func(number int) {
				if number < 1 || number > len(w.ops) {
					return // checkValues says so
				}
				if v := &w.ops[number-1]; v.end < c.begin || v.end == never && w.over(v) < c.begin {
					w.fail("I20", "op %d (%v-%v) at n%d reads of k%d op %d (%v-%v), after a %s at n%d (%v-%v) was answered", r.number, r.begin, r.end, r.node+1, key,
						v.number, v.begin, v.end, c.what, c.node+1, c.begin, c.end)
				}
			}
			w.count("flush judged")
			if r.ask.Op == wire.OpGet && !w.plan.Cluster.counter(key) {
				read(r.wrote)
			}
			read(r.saw.wrote)
			for _, number := range r.items {
				read(number)
			}
		}
	}
}
