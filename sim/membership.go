package sim

import "time"

// peer is what a node believes of another: what gossip and the links tell, late, and sometimes wrongly.
type peer struct {
	up     bool
	under  uint64        // the placement that it last told to go by; only where the namespace changes
	sees   bool          // what it would believe, if it were quick
	since  time.Duration // how long it takes it to notice
	saw    time.Duration // when it last saw it
	turned time.Duration // when what it believes last changed
	flap   time.Duration // until then it has the other for down again and again, whatever is so
}

const (
	lookPeriod   = 100 * time.Millisecond
	flapPeriod   = 400 * time.Millisecond
	forgetAfter  = 30 * time.Second // gossip forgets who was not seen for so long: only a new join brings it back
	rejoinPeriod = 5 * time.Second  // between such joins
)

// look lets a node find out about the others.
func (w *world) look(i int) {
	n := &w.nodes[i]
	changed := false
	for o := range w.nodes {
		if o == i {
			continue
		}
		p, other := &n.peers[o], &w.nodes[o]
		sees := other.core != nil && other.paused <= w.now && !w.blocked(i, o) && !w.blocked(o, i) &&
			n.core.View().Map.Node(other.id) != nil
		switch {
		case p.flap > w.now:
			sees = w.now/flapPeriod%2 == 0
			p.sees, p.since = sees, 0
		case sees != p.sees:
			p.sees, p.since = sees, w.now+time.Duration(w.rng.Int64N(int64(w.plan.Net.Gossip)))
			if sees && w.now-p.saw > forgetAfter && p.saw > 0 {
				w.count("gossip forgot")
				p.since += time.Duration(w.rng.Int64N(int64(rejoinPeriod)))
			}
		}
		if sees {
			p.saw = w.now
		}
		if p.up == sees || p.since > w.now {
			continue
		}
		if sees && !w.greet(n, other) {
			continue // and greets again
		}
		p.turned, p.up = w.now, sees
		w.turned = w.now
		if n.core.SetUp(other.id, sees) {
			changed = true
			w.say("n%d has n%d for %s", n.id, other.id, map[bool]string{true: "up", false: "down"}[sees])
		}
		if sees {
			w.sendMap(i, o)
		}
		w.changeHeard(i)
	}
	if changed {
		w.view(i)
	}
	w.at(event{at: w.now + lookPeriod, what: look, node: int32(i), life: n.life})
}

const greetLong = 30 * time.Second

// greet lets a node ask another for its time, as a link does that opens; true when it then knows its clock. It may take
// long: the question lies where the other does not take it yet, or the answer where the node stands still.
func (w *world) greet(n, other *node) (known bool) {
	took, waited := 2*w.plan.Net.Delay, time.Duration(0)
	if w.calm == 0 && w.rng.IntN(8) == 0 {
		long := time.Duration(w.rng.Int64N(int64(greetLong)))
		if took += long; w.rng.IntN(2) == 0 {
			waited = long
		}
		w.count("greeting late")
	}
	wall := w.clock(other).Wall - waited.Milliseconds()
	if other.far > w.now {
		wall += other.farBy.Milliseconds()
	}
	_, known = n.core.Greet(w.clock(n), other.id, wall, took)
	return known
}
