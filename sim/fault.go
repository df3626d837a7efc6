package sim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// FaultKind is what goes wrong.
type FaultKind uint8

// The faults. Node is the one concerned, Other the other end where there is one.
const (
	Crash    FaultKind = iota // the process ends, and comes back with its directory
	Power                     // the machine ends, and its disk loses what was not synced
	Wipe                      // the process ends, and its directory is gone
	Pause                     // it stands still, and goes on
	Jump                      // the machine's wall clock is set, which shows at the next start
	Twin                      // another process runs under the node's id
	Namesake                  // another node joins under its name
	Full                      // Node's disk takes no more
	Broken                    // its reads fail, its syncs, or both
	Lie                       // it says that it stored what it did not
	Flip                      // a bit on it is not what was written
	Cut                       // messages from Node to Other are lost, one way
	Alone                     // Node is cut off from all others
	Split                     // the nodes of Bits are cut off from the others
	Ring                      // each node reaches its neighbours only
	Flap                      // Node has Other for down again and again, though it is up
	Far                       // every time that Node tells lies ahead, by up to a year
	Foreign                   // Node is told the map of another cluster
	Truncate                  // messages from Node to Other come cut short
	Replay                    // old messages come again
	HandOver                  // Node is told to let others keep what it owes
	faultKinds
)

// kind is how a fault of one kind is drawn, begun and ended.
type kind struct {
	name   string
	spares bool                                     // no node loses its memory by it, so that hints bring all to agree
	apart  bool                                     // it is drawn by a source of its own, and beside the others
	nodes  int                                      // that the cluster must have, or it would be none
	often  int                                      // how much more often than others it is drawn; 0 is 1
	draw   func(r *rand.Rand, c *Cluster, f *Fault) // what it has beside Node, Other and For
	begin  func(w *world, f *Fault) bool            // false: it cannot happen now
	end    func(w *world, f *Fault)
}

var kinds [faultKinds]kind

func init() { // the functions name the table
	kinds = [faultKinds]kind{
		Crash:    {name: "crash", often: 2, begin: (*world).crash, end: (*world).restart},
		Power:    {name: "power", often: 2, draw: drawPower, begin: (*world).power, end: (*world).powerBack},
		Full:     {name: "full", draw: drawLong, begin: (*world).full, end: (*world).mendDisk},
		Broken:   {name: "broken", draw: drawBroken, begin: (*world).broken, end: (*world).mendDisk},
		Lie:      {name: "lie", begin: (*world).lie, end: (*world).mendDisk},
		Flip:     {name: "flip", often: 2, begin: (*world).flip},
		Wipe:     {name: "wipe", begin: (*world).wipe, end: (*world).restart},
		Pause:    {name: "pause", spares: true, draw: drawPause, begin: (*world).pause, end: (*world).resumeNode},
		Jump:     {name: "jump", draw: drawJump, begin: (*world).jump},
		Twin:     {name: "twin", nodes: 2, begin: (*world).twin},
		Namesake: {name: "namesake", spares: true, nodes: 2, begin: (*world).namesake},
		Cut:      {name: "cut", spares: true, nodes: 2, begin: (*world).cut, end: (*world).mend},
		Alone:    {name: "alone", spares: true, nodes: 3, draw: drawAlone, begin: (*world).split, end: (*world).rejoin},
		Split:    {name: "split", spares: true, nodes: 2, draw: drawSplit, begin: (*world).split, end: (*world).rejoin},
		Ring:     {name: "ring", spares: true, nodes: 4, begin: (*world).ring, end: (*world).unring},
		Flap:     {name: "flap", spares: true, nodes: 2, begin: (*world).flap},
		Far:      {name: "far", nodes: 2, draw: drawFar, begin: (*world).far},
		Foreign:  {name: "foreign", spares: true, begin: (*world).foreign},
		Truncate: {name: "truncate", spares: true, nodes: 2, begin: (*world).truncate, end: (*world).untruncate},
		Replay:   {name: "replay", spares: true, nodes: 2, begin: (*world).replay},
		HandOver: {name: "handover", spares: true, apart: true, nodes: 2, begin: (*world).handOver, end: (*world).keepAgain},
	}
}

// String names the fault.
func (k FaultKind) String() string { return kinds[k].name }

// Fault is one thing that goes wrong for a while.
type Fault struct {
	At          time.Duration
	For         time.Duration
	Kind        FaultKind
	Node, Other int
	Bits        uint          // Split, Alone: the nodes; Broken: 1 reads, 2 syncs; Power: steps of a save until it ends, 0: at once
	By          time.Duration // Jump, Far
	Number      int           // from 1, whatever is left out
}

// String says what the fault is, for a timeline.
func (f *Fault) String() string {
	text := fmt.Sprintf("%s n%d", f.Kind, f.Node+1)
	switch f.Kind {
	case Cut, Flap, Truncate, Twin, Namesake:
		text += fmt.Sprintf(" to n%d", f.Other+1)
	case Split, Ring, Replay:
		text = f.Kind.String()
		for i := 0; f.Bits>>i > 0; i++ {
			if f.Bits>>i&1 == 1 {
				text += fmt.Sprintf(" n%d", i+1)
			}
		}
	case Jump, Far:
		text += fmt.Sprintf(" by %v", f.By)
	}
	return text
}

// begin lets a fault happen, if it can.
func (w *world) begin(at int) {
	f := &w.plan.Faults[at]
	kind := &kinds[f.Kind]
	if !kind.begin(w, f) {
		return
	}
	w.count("fault " + kind.name)
	w.say("fault %d: %s for %v", f.Number, f, f.For.Round(time.Millisecond))
	if kind.end != nil {
		over := w.now + f.For
		if w.now < w.plan.Trouble {
			over = min(over, w.plan.Trouble)
		}
		w.at(event{at: over, what: end, index: int32(at)})
	}
}

// end lets it pass.
func (w *world) end(at int) {
	f := &w.plan.Faults[at]
	w.say("fault %d, %s, is over", f.Number, f)
	kinds[f.Kind].end(w, f)
}

// heal ends whatever lasts until a time of its own; what has an end event gets it at this moment.
func (w *world) heal() {
	w.calm = w.now
	for i := range w.nodes {
		n := &w.nodes[i]
		n.paused, n.far = min(n.paused, w.now), min(n.far, w.now)
		w.resume(i)
		for o := range n.peers {
			n.peers[o].flap = 0
		}
	}
	w.say("all faults end")
}
