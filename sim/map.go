package sim

import (
	"errors"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/ring"
)

// Cluster maps: whom a node has them from, and what it does with them.

// anyMap is the cluster's map as some other node has it; nil where none runs.
func (w *world) anyMap(i int) *ring.Map {
	for d := range w.nodes {
		if o := &w.nodes[(i+d)%len(w.nodes)]; o.core != nil {
			return o.core.View().Map
		}
	}
	return nil
}

// hearAll lets a node that starts take the maps of those that it reaches, before it tells them of its boot; false where by one
// of them it must not start like this.
func (w *world) hearAll(i int) bool {
	n := &w.nodes[i]
	for o := range w.nodes {
		if other := &w.nodes[o]; o == i || other.core == nil || other.paused > w.now || w.blocked(i, o) || w.blocked(o, i) {
			continue
		}
		if _, err := n.core.Merge(w.nodes[o].core.View().Map); errors.Is(err, replica.ErrForgotten) {
			w.forgotten(i, err)
			return false
		}
	}
	return true
}

// forgotten ends a node whose directory is an older copy, and starts it again.
func (w *world) forgotten(i int, why error) {
	n := &w.nodes[i]
	w.say("n%d ends: %v", n.id, why)
	w.count("older copy")
	n.dir.OwnCeiling() // it is above all that any boot until now has promised
	if n.dir.SaveCeiling(replica.PromisedMax(w.clock(n).Wall, skewWait)) != nil && w.blown(i) {
		return
	}
	w.stop(i)
	w.at(event{at: w.now + startPeriod, what: boot, node: int32(i), life: n.life})
}

// learn takes in a map.
func (w *world) learn(i int, m *ring.Map) {
	n := &w.nodes[i]
	changed, err := n.core.Merge(m)
	if errors.Is(err, replica.ErrForgotten) {
		w.forgotten(i, err)
		return
	}
	if err != nil {
		w.count("map refused")
		return
	}
	if changed {
		w.count("map learnt")
		w.mapChanged(i)
	}
}

// mapChanged keeps a node's new map, tells the others, and turns its shards to it; or ends the node, whose place is
// another's by that map.
func (w *world) mapChanged(i int) {
	n := &w.nodes[i]
	m := n.core.View().Map
	if _, err := n.core.Claim(n.entry(m.Node(n.id).Version)); err != nil {
		w.say("n%d ends: %v", n.id, err)
		w.count("ousted")
		w.stop(i)
		w.at(event{at: w.now + startPeriod, what: boot, node: int32(i), life: n.life})
		return
	}
	if n.core.View().Map != m {
		w.count("map claimed")
	}
	if n.dir.SaveMap(n.core.View().Map) != nil {
		w.count("map not saved")
		if w.blown(i) {
			return
		}
	}
	for o := range w.nodes {
		w.sendMap(i, o)
	}
	w.view(i)
	w.settle()
	w.changeHeard(i)
}
