package sim

import (
	"math/rand/v2"
	"time"
)

// Faults of disks, under the code that keeps a node's directory on them.

func drawPower(r *rand.Rand, _ *Cluster, f *Fault) { f.Bits = uint(r.IntN(8)) }

// power ends the machine at once, or in the middle of what it writes next: then Bits says before which step.
func (w *world) power(f *Fault) bool {
	n := &w.nodes[f.Node]
	if !w.ends(f.Node) {
		return false
	}
	if f.Bits == 0 {
		w.stop(f.Node)
		w.losePower(n)
		return true
	}
	if n.doomed {
		return false // it would be spared when the power does not go
	}
	n.disk.left, n.doomed = int(f.Bits), true
	return true
}

// powerBack starts the machine again, or finds that it never wrote.
func (w *world) powerBack(f *Fault) {
	n := &w.nodes[f.Node]
	if !n.disk.ended {
		n.disk.left, n.doomed = 0, false
	}
	w.start(f.Node)
}

// blown ends a machine whose power went while it wrote.
func (w *world) blown(i int) bool {
	n := &w.nodes[i]
	if !n.disk.ended {
		return false
	}
	w.say("n%d loses its power while it writes", n.id)
	w.count("power lost while writing")
	if n.core != nil {
		w.stop(i)
	}
	w.losePower(n)
	return true
}

func (w *world) losePower(n *node) {
	n.disk.lose()
	if n.disk.lied {
		n.disk.lied = false
		n.disk.harm++
		w.void("a disk lost what it said it had written")
	}
}

// drawLong gives the node time to run into the ceiling that it cannot raise.
func drawLong(r *rand.Rand, _ *Cluster, f *Fault) {
	f.For = between(r, 100*time.Millisecond, 30*time.Second)
}

func (w *world) full(f *Fault) bool {
	w.nodes[f.Node].disk.full = true
	return true
}

func (w *world) lie(f *Fault) bool {
	w.nodes[f.Node].disk.forgets = true
	return true
}

func drawBroken(r *rand.Rand, _ *Cluster, f *Fault) { f.Bits = 1 + uint(r.IntN(3)) }

// broken lets reads fail, syncs, or both.
func (w *world) broken(f *Fault) bool {
	d := w.nodes[f.Node].disk
	d.badReads, d.badSyncs = f.Bits&1 != 0, f.Bits&2 != 0
	return true
}

func (w *world) mendDisk(f *Fault) {
	d := w.nodes[f.Node].disk
	d.full, d.forgets, d.badReads, d.badSyncs = false, false, false, false
}

func (w *world) flip(f *Fault) bool {
	name := w.nodes[f.Node].disk.flip()
	w.say("a bit flips in %s of n%d", name, f.Node+1)
	return name != ""
}

// wipe leaves an empty disk.
func (p *platter) wipe() {
	p.root = newDir()
	p.harm++
}
