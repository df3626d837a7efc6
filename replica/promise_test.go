package replica

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// op is one call of a client: what was asked, and what was answered.
type op struct {
	id         int
	key        string
	what       wire.Op
	ttl        int64
	loose      bool // acknowledged by less than owners
	node       int
	dc         string
	begin, end time.Duration
	until      time.Duration // its deadline
	done, ok   bool
	value      int // read: the write it stems from; 0: a miss
	stamp      uint64
	deadline   int64
	forgotten  bool
	status     wire.Status
}

// ttlUnit is larger than any moment of a schedule, in milliseconds: a deadline of op o lies in the unit o.
const ttlUnit = 1_000_000

// register is the touch that a deadline names, 0 where it names none.
func register(deadline int64) int { return int((deadline - simWall) / ttlUnit) }

// brief reports whether the op may end its key's value within the schedule.
func (o *op) brief() bool {
	return o.what == wire.OpDelete || (o.what == wire.OpSet || o.what == wire.OpTouch) && o.ttl > 0 && o.ttl < ttlUnit
}

func (o *op) writes() bool { return o.what == wire.OpSet || o.what == wire.OpDelete }

// answered takes a response to the client that waits for it (I18: once, and to the right one).
func (w *world) answered(r *wire.Response) {
	o := w.ops[r.ID-1]
	if o.done {
		w.fail("op %d answered twice", o.id)
		return
	}
	o.done, o.status, o.forgotten, o.stamp, o.deadline = true, r.Status, r.Forgotten, r.Stamp, r.Deadline
	o.ok = r.Status == wire.StatusOK || r.Status == wire.StatusNotFound
	if o.ok {
		o.end = w.now
	}
	if o.what == wire.OpGet && r.Status == wire.StatusOK {
		o.value, _ = strconv.Atoi(string(r.Value))
		w.seen["hit"]++
	}
	w.say("op %d %v %s -> status %d value %d stamp %v deadline %d forgotten %v", o.id, o.what, o.key, r.Status, o.value,
		vclock.Stamp(r.Stamp), r.Deadline, r.Forgotten)
	if o.what == wire.OpGet && o.ok {
		w.checkRead(o)
	}
	w.seen[fmt.Sprintf("%v status %d", o.what, r.Status)]++
	if r.Forgotten {
		w.seen["forgotten"]++
	}
}

// strict reports whether I2 speaks of reads of a key in a datacenter.
func (w *world) strict(key string) bool {
	n, _ := strconv.Atoi(key[1:])
	return w.cfg.loose == "" || n%2 == 0
}

// binds reports whether read r must know of what op u was answered.
func (w *world) binds(u, r *op) bool {
	return u.key == r.key && u.status == wire.StatusOK && u.ok && u.end < r.begin && (w.cfg.write != wire.LevelLocalQuorum || u.dc == r.dc)
}

func (w *world) checkRead(r *op) {
	if r.status == wire.StatusOK && (r.value < 1 || r.value > len(w.ops) || w.ops[r.value-1].key != r.key || w.ops[r.value-1].what != wire.OpSet) {
		w.fail("op %d read %d, which nobody wrote to %s", r.id, r.value, r.key)
		return
	}
	if !w.strict(r.key) || w.uncertain(r.begin) {
		return
	}
	if r.status == wire.StatusOK {
		w.checkFresh(r)
		w.checkDeadline(r)
	} else if !r.forgotten && r.stamp == 0 {
		w.checkMiss(r)
	}
}

// checkFresh is I2 and I6: nothing read is older than what was acknowledged before the read began.
func (w *world) checkFresh(r *op) {
	v := w.ops[r.value-1]
	for _, u := range w.ops {
		if !u.writes() || !w.binds(u, r) {
			continue
		}
		if u.begin > v.end && (v.dc == u.dc || !w.cfg.local()) { // what began elsewhere may have a later stamp
			w.fail("stale: op %d (from %v) at n%d read %s of op %d (ended %v), though op %d (%v-%v) was acknowledged",
				r.id, r.begin, r.node+1, r.key, v.id, v.end, u.id, u.begin, u.end)
		} else if u.stamp > r.stamp {
			w.fail("stale: op %d (from %v) at n%d read version %v of %s, though op %d (%v-%v) was acknowledged as %v",
				r.id, r.begin, r.node+1, vclock.Stamp(r.stamp), r.key, u.id, u.begin, u.end, vclock.Stamp(u.stamp))
		}
	}
	if w.binds(v, r) && v.stamp != r.stamp {
		w.fail("op %d read op %d as %v, which was acknowledged as %v", r.id, v.id, vclock.Stamp(r.stamp), vclock.Stamp(v.stamp))
	}
}

// checkDeadline is I11: a value is not read with a deadline that a touch had changed before the read began.
func (w *world) checkDeadline(r *op) {
	if r.deadline != 0 && r.deadline <= w.wall(w.nodes[r.node]).Wall {
		w.fail("op %d read %s of op %d past its deadline", r.id, r.key, r.value)
	}
	named := func(o *op) bool { // may o have set the deadline that was read?
		switch n := register(r.deadline); {
		case o.what != wire.OpTouch || o.key != r.key || o.begin > r.end:
			return false
		case r.deadline == 0:
			return o.ttl == 0
		case n > 0:
			return o.id == n
		default:
			return o.ttl > 0 && o.ttl < ttlUnit
		}
	}
	for _, t := range w.ops {
		if t.what != wire.OpTouch || !w.binds(t, r) || t.stamp != r.stamp {
			continue
		}
		if !slices.ContainsFunc(w.ops, func(o *op) bool { return named(o) && o.end >= t.begin }) {
			w.fail("undone: op %d (from %v) at n%d read %s of op %d with deadline %d, though op %d (%v-%v) had set it to %d from then",
				r.id, r.begin, r.node+1, r.key, r.value, r.deadline, t.id, t.begin, t.end, t.ttl)
		}
		w.seen["touched"]++
	}
}

// checkMiss is I12: a miss of a live key says that it was forgotten.
func (w *world) checkMiss(r *op) {
	if u := w.live(r); u != nil {
		w.fail("op %d (from %v) at n%d says that %s was never there, though op %d (%v-%v) was acknowledged",
			r.id, r.begin, r.node+1, r.key, u.id, u.begin, u.end)
	}
}

// live is a write that read r must know of and that nothing can have ended since; nil if there is none.
func (w *world) live(r *op) (u *op) {
	for _, o := range w.ops {
		if o.what == wire.OpSet && o.ttl == 0 && w.binds(o, r) && (u == nil || o.begin > u.begin) {
			u = o
		}
	}
	if u == nil {
		return nil
	}
	for _, o := range w.ops {
		later := o.end >= u.begin || o.stamp > u.stamp // that a later write has the later stamp is promised of strict keys
		if o.key == r.key && o.brief() && o.begin <= r.end && later {
			return nil
		}
	}
	return u
}

// checkAnswered is that every call is answered at the latest by the tick after its deadline.
func (w *world) checkAnswered(i int) {
	for _, o := range w.ops {
		if !o.done && o.node == i && o.until <= w.now {
			w.fail("op %d was not answered by its deadline", o.id)
			o.done = true
		}
	}
}

// checkEnd is what holds once all faults are over: nothing acknowledged is lost (I1), and owners agree (I4).
func (w *world) checkEnd() {
	var stats Stats
	for _, n := range w.nodes {
		for _, s := range n.node.Shards() {
			s.Add(&stats)
		}
	}
	stats.Storage.Add(w.total.Storage)
	remembers := stats.Storage.Evicted == 0 && stats.Storage.GhostsDropped == 0
	for k := range w.cfg.keys {
		key := fmt.Sprint("k", k)
		o := w.ask(w.rng.IntN(len(w.nodes)), &wire.Request{Op: wire.OpGet, Key: []byte(key)})
		for range 500 {
			if o.done {
				break
			}
			w.now += 200 * time.Microsecond
			w.tick(o.node)
			for len(w.packets) > 0 {
				w.deliver()
			}
		}
		if !o.ok {
			w.fail("op %d reads %s, with no fault left, and fails: status %d", o.id, key, o.status)
			return
		}
		// A restart may take a fallback's hints with it, or all there was.
		kept := w.cfg.lost == 0 || w.strict(key) && min(w.cfg.nodes, w.cfg.replicas) > 1
		if u := w.live(o); u != nil && remembers && kept && o.status != wire.StatusOK && !w.cfg.local() {
			w.fail("lost: op %d reads nothing of %s, though op %d (%v-%v) was acknowledged, with memory for all", o.id, key, u.id, u.begin, u.end)
		}
		if remembers && w.cfg.lost == 0 && w.cfg.ahead == 0 { // who refuses a stamp of its own keeps no hint for itself
			w.checkAgreement(key)
		}
	}
}

func (c *worldConfig) local() bool { return c.write == wire.LevelLocalQuorum }

// checkAgreement is that all owners hold one version of a key, where no hint can have been lost.
func (w *world) checkAgreement(key string) {
	var first vclock.Set
	holder := 0
	var without []uint64
	for _, n := range w.nodes {
		v := n.node.View()
		k, shard := n.node.Key(v, []byte(key))
		if !v.Owns(n.id, k.Partition) {
			continue
		}
		set, floor := n.node.Shards()[shard].store.Peek(k, w.wall(n).Wall)
		switch {
		case set.IsZero() && floor == 0:
			without = append(without, n.id)
		case set.IsZero():
		case holder == 0:
			first, holder = set, int(n.id)
		case set.Dot != first.Dot:
			w.fail("in the end n%d has version %v of %s and n%d %v", holder, first.Dot, key, n.id, set.Dot)
		}
	}
	if holder != 0 && len(without) > 0 {
		w.fail("in the end n%d has version %v of %s and %v nothing", holder, first.Dot, key, without)
	}
}
