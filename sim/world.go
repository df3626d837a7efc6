package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/internal/session"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// world is one run of a plan: the nodes, the network between them, their clients, and true time, which none of
// them sees.
type world struct {
	plan   Plan
	rng    *rand.Rand // of the network and of gossip
	now    time.Duration
	calm   time.Duration // when the faults ended; 0 before
	agenda agenda
	nodes  []node
	first  *ring.Map
	off    time.Duration // the furthest from the truth that a process took its time
	voided bool          // more was lost than I1 and I2 are promised for

	blocks   []int           // cuts of the way from one to another, from × to
	cutShort []int           // how many faults let messages on that way come cut short
	rough    []time.Duration // until then messages on that way were lost, late or cut short
	kept     []packet        // old messages that may come again

	ops      []op
	open     [][]int32     // ops under way, by node
	stats    replica.Stats // of processes that are gone
	totalled bool
	counts   map[string]int
	failed   *Failure
	trace    uint64 // hash of every event
	events   int
	log      []string
	talks    bool              // keep a timeline
	about    map[uint64]string // the key that a message was about, by its id; only for a timeline

	limits   wire.Limits
	packets  []*packet // by index
	unused   []int32   // of them
	message  wire.Message
	request  wire.Request
	response wire.Response
	frame    []byte
	answers  []byte // of nodes, that clients have not taken yet

	falsified []byte

	dots     map[vclock.Dot]uint64   // what each names
	samples  map[string][]vclock.Set // a few versions of each key
	audits   map[replicaKey]audited
	audited  time.Duration     // when
	rests    time.Duration     // since when nothing is written, and all is exchanged; 0: not now
	deleted  map[string]bool   // keys that somebody asked to delete
	glances  map[int][]*glance // at each key, by the clients of siblings
	met      map[int][]uint64  // the latest versions of each key that clients have met; nil where none asks by them
	turned   time.Duration     // when a node last changed what it believes of who is there
	sessions []session.Memory  // of clients
	changes  []*mapChange      // of the namespace
	era      era
	owed     []handoff // what fallbacks were asked to keep
	handoffs []handoff // what they keep
}

// foundCluster makes the first map and starts every node.
func (w *world) foundCluster() {
	c := &w.plan.Cluster
	w.nodes = make([]node, c.Nodes)
	w.blocks, w.cutShort, w.rough = make([]int, c.Nodes*c.Nodes), make([]int, c.Nodes*c.Nodes), make([]time.Duration, c.Nodes*c.Nodes)
	w.open = make([][]int32, c.Nodes)
	mode := ring.LWW
	if c.Siblings {
		mode = ring.Siblings
	}
	w.first = &ring.Map{ClusterID: 7, Cluster: "sim", Partitions: c.Partitions, Namespaces: []ring.Namespace{{
		Name: ring.DefaultNamespace, Replicas: uint8(c.Replicas), Read: uint8(c.Read), Write: uint8(c.Write), Mode: mode, Version: 1,
	}}}
	if c.More > 0 {
		w.first = w.first.WithNamespace(ring.Namespace{Name: "wide", Replicas: uint8(c.Replicas + c.More), Version: 1})
	}
	if c.Space != "" {
		ns := w.first.Namespaces[0]
		ns.Name = c.Space
		w.first = w.first.WithNamespace(ns)
	}
	for i := range w.nodes {
		n := &w.nodes[i]
		n.id, n.dc, n.disk = uint64(i+1), fmt.Sprint("dc", i%c.Datacenters), newPlatter(w.rng)
		if s := c.Skew.Milliseconds(); s > 0 {
			n.skew = time.Duration(w.rng.Int64N(2*s+1)-s) * time.Millisecond
		}
		n.drift = (2*w.rng.Float64() - 1) * c.Drift
		w.first = w.first.With(n.entry(1))
	}
	for i := range w.nodes {
		w.start(i)
	}
	for i := range w.plan.Asks {
		a := &w.plan.Asks[i]
		if a.Only == wire.Version && w.met == nil {
			w.met = map[int][]uint64{}
		}
		w.at(event{at: a.At, what: ask, index: int32(i)})
	}
	for i := range w.plan.Faults {
		w.at(event{at: w.plan.Faults[i].At, what: begin, index: int32(i)})
	}
	for range c.Sessions {
		w.sessions = append(w.sessions, session.New(c.names()))
	}
	w.at(event{at: auditPeriod, what: audit})
	w.at(event{at: w.plan.Trouble + mendedBy, what: mended})
	w.at(event{at: w.plan.Trouble + restedBy, what: rested})
	w.at(event{at: w.plan.Trouble, what: calm})
}

func (w *world) at(e event) { w.agenda.push(e) }

// happen lets an event take place, unless it belongs to a life that is over or its node stands still.
func (w *world) happen(e *event) {
	var node *node
	switch e.what {
	case deliver, tick, beat, look, boot, late:
		node = &w.nodes[e.node]
		if e.what != deliver && (e.life != node.life || node.core == nil && e.what != boot) || e.what == tick && e.index != node.ticks {
			return
		}
		if node.paused > w.now {
			node.waiting = append(node.waiting, *e)
			return
		}
	}
	w.note(e)
	switch e.what {
	case deliver:
		w.deliver(w.packets[e.index])
		w.unused = append(w.unused, e.index)
	case tick:
		w.tick(int(e.node))
	case beat:
		w.beat(int(e.node))
	case look:
		w.look(int(e.node))
	case renew:
		w.renew(&w.ops[e.index])
	case late:
		w.late(&w.ops[e.index])
	case resend:
		w.resend(&w.ops[e.index])
	case boot:
		w.start(int(e.node))
	case ask:
		w.ask(&w.plan.Asks[e.index])
	case turnAway:
		w.turnAway(int(e.index))
	case begin:
		w.begin(int(e.index))
	case end:
		w.end(int(e.index))
	case calm:
		w.heal()
	case audit:
		w.audit()
	case rested:
		w.rest()
	case mended:
		w.checkMended()
		w.checkCompared()
	}
}

// note adds an event to the trace.
func (w *world) note(e *event) {
	h := uint64(e.at)*0x9e3779b97f4a7c15 ^ uint64(e.what)<<56 ^ uint64(uint32(e.node))<<32 ^ uint64(uint32(e.index))
	if e.what == deliver {
		p := w.packets[e.index]
		h ^= xxhash.Sum64(p.frame) + p.from
	}
	w.trace = (w.trace ^ h) * 0x100000001b3
	w.trace ^= w.trace >> 29
}

func (w *world) count(state string) { w.counts[state]++ }

// void says that more went wrong than promises are made for (docs/CONSISTENCY.md): of this run no key counts as strict.
func (w *world) void(why string) {
	w.voided = true
	w.count("voided: " + why)
	w.say("reads of this run may be stale: %s", why)
}

// fail ends the run: it broke a promise. What follows from the first failure is not news. Times and stamps are said as a
// timeline says them.
func (w *world) fail(promise, format string, args ...any) {
	if w.failed == nil {
		for i, a := range args {
			switch a := a.(type) {
			case time.Duration:
				args[i] = timeText(a)
			case vclock.Stamp:
				args[i] = stampText(a)
			}
		}
		w.failed = &Failure{Promise: promise, Text: fmt.Sprintf(format, args...)}
		w.say("FAIL %v", w.failed)
	}
}

// total adds the processes that run to the counts of those that are gone, once.
func (w *world) total() {
	if w.totalled {
		return
	}
	w.totalled = true
	w.sum(&w.stats)
}

// sum puts the counts of the processes that run on top of t.
func (w *world) sum(t *replica.Stats) {
	for i := range w.nodes {
		if w.nodes[i].core != nil {
			for _, s := range w.nodes[i].core.Shards() {
				s.Add(t)
			}
		}
	}
}

func (w *world) result() Result {
	r := Result{
		Seed: w.plan.Seed, Operations: len(w.ops), Events: w.events, Trace: w.trace, States: w.counts, Failure: w.failed, Timeline: w.log,
	}
	for i := range w.ops {
		if w.ops[i].ok {
			r.Acknowledged++
		}
	}
	for k := range faultKinds {
		r.Faults += w.counts["fault "+k.String()]
	}
	w.total()
	s := &w.stats
	for name, n := range map[string]int64{
		"evicted": int64(s.Storage.Evicted), "expired": int64(s.Storage.Expired), "mark raised": int64(s.Storage.GhostsDropped),
		"conflict": int64(s.Storage.Conflicts), "behind": int64(s.Storage.Behind), "restamp": s.Restamps, "repair": s.Repairs, "hedge": s.Hedges,
		"repair of late": s.RepairsLate, "repair of checked": s.RepairsChecked, "repair withheld": s.Withheld, "check": s.Checks,
		"late": s.Late, "ahead": s.Ahead, "forgotten": s.Forgotten, "recovered": s.Recovered, "refilled": s.Refilled, "forwarded": s.Forwarded,
		"overloaded": s.Overloaded, "full": s.Full, "hint added": s.Hints.Added, "hint merged": s.Hints.Merged, "hint delivered": s.Hints.Delivered, "hint refused": s.Hints.Refused,
		"hint dropped": s.Hints.Dropped, "exchange": s.Exchange.Begun, "exchange failed": s.Exchange.Failed, "exchange differed": s.Exchange.Differing,
		"exchange merged": s.Exchange.Merged, "false repair": s.Exchange.False, "hint spilled": s.Hints.Spilled, "hint restored": s.Hints.Restored,
		"hint handed over": s.Hints.HandedOver, "hint not taken": s.Hints.NotTaken, "hint taken": s.Hints.Taken,
	} {
		if n > 0 {
			w.counts[name] += int(n)
		}
	}
	return r
}
