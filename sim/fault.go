package sim

// begin lets a fault happen, if it can.
func (w *world) begin(at int) {
	f := &w.plan.Faults[at]
	n := &w.nodes[f.Node]
	switch f.Kind {
	case Crash, Wipe:
		if n.core == nil || w.without(f.Node) >= w.plan.Cluster.Down {
			return
		}
		w.stop(f.Node)
		if f.Kind == Wipe {
			n.disk = disk{boot: n.disk.boot, full: n.disk.full}
		}
	case Pause:
		if n.core == nil {
			return
		}
		n.paused = max(n.paused, w.now+f.For)
	case Cut:
		w.block(f.Node, f.Other, 1)
	case Split:
		w.split(f, 1)
	case Ring:
		w.ring(1)
	case Flap:
		if n.core == nil {
			return
		}
		n.peers[f.Other].flap = w.now + f.For
	case Jump:
		n.skew += f.By
	case Full:
		n.disk.full = max(n.disk.full, w.now+f.For)
	}
	w.count(f.Kind.String())
	w.say("fault %d: %v n%d n%d side %b for %v", at, f.Kind, f.Node+1, f.Other+1, f.Side, f.For)
	if over := w.now + f.For; over < runFor {
		w.at(event{at: over, what: end, index: int32(at), life: 0})
	} else {
		w.at(event{at: runFor, what: end, index: int32(at)})
	}
}

// end lets it pass.
func (w *world) end(at int) {
	if at < 0 {
		return
	}
	switch f := &w.plan.Faults[at]; f.Kind {
	case Crash, Wipe:
		w.start(f.Node)
	case Pause:
		w.resume(f.Node)
	case Cut:
		w.block(f.Node, f.Other, -1)
	case Split:
		w.split(f, -1)
	case Ring:
		w.ring(-1)
	default:
	}
	w.say("fault %d is over", at)
}

// resume lets what came while a node stood still happen now.
func (w *world) resume(i int) {
	n := &w.nodes[i]
	if n.paused > w.now {
		return
	}
	for _, e := range n.waiting {
		e.at = w.now
		w.at(e)
	}
	n.waiting = n.waiting[:0]
}

func (w *world) split(f *Fault, by int) {
	for a := range w.nodes {
		for b := range w.nodes {
			if f.Side>>a&1 != f.Side>>b&1 {
				w.block(a, b, by)
			}
		}
	}
}

func (w *world) ring(by int) {
	n := len(w.nodes)
	for a := range w.nodes {
		for b := range w.nodes {
			if d := (a - b + n) % n; d > 1 && d < n-1 {
				w.block(a, b, by)
			}
		}
	}
}

// heal ends whatever is still wrong. Faults that last end by events of their own at this moment.
func (w *world) heal() {
	w.calm = w.now
	for i := range w.nodes {
		n := &w.nodes[i]
		n.paused, n.disk.full = min(n.paused, w.now), 0
		w.resume(i)
		for o := range n.peers {
			n.peers[o].flap = 0
		}
	}
	w.say("all faults end")
}
