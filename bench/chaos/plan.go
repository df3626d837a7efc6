package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// This file owns what a run will do, decided by its seed before anything is started.

// replicas and majority are N, and R and W of every call: the default level.
const (
	replicas = 3
	majority = 2
)

const (
	calm     = 3 * time.Second  // at either end of the trouble, in which no fault begins
	refilled = 12 * time.Second // that a node takes to have its memory back, where nothing else is wrong; the runner waits for as long as it is
	started  = 5 * time.Second  // that a start takes
	wipedFor = 22 * time.Second // that a node without its directory waits before it serves
)

// kind is a kind of fault, by its name.
type kind string

const (
	kill     kind = "kill"     // SIGKILL; it comes back with its directory
	wipe     kind = "wipe"     // SIGKILL; it comes back without it
	restart  kind = "restart"  // SIGTERM; it comes back
	clock    kind = "clock"    // SIGTERM; it comes back with a clock that is off
	join     kind = "join"     // a node is added, and owns a part of what the others do
	badDisk  kind = "baddisk"  // SIGKILL; it is started on a disk that is full or takes nothing, until that is over
	pause    kind = "pause"    // SIGSTOP, SIGCONT
	fullDisk kind = "fulldisk" // its disk takes no more, and much is written meanwhile
	readOnly kind = "readonly" // its disk takes nothing
	alone    kind = "alone"    // the node is cut off from all others
	halves   kind = "halves"   // some nodes are cut off from the others
	oneWay   kind = "oneway"   // nothing that the node sends to some others arrives
	slow     kind = "slow"     // its link carries little, and late
)

// kinds are all of them, in the order of reports.
var kinds = []kind{kill, wipe, restart, clock, join, badDisk, pause, fullDisk, readOnly, alone, halves, oneWay, slow}

// forgets reports whether after the fault a node lacks what it should remember: it was restarted, or owns something anew.
func (k kind) forgets() bool {
	return k == kill || k == wipe || k == restart || k == clock || k == join || k == badDisk
}

// parts reports whether the fault is one of the network between nodes.
func (k kind) parts() bool { return k == alone || k == halves || k == oneWay || k == slow }

// mounts reports whether the fault needs a disk that is the node's alone.
func (k kind) mounts() bool { return k == fullDisk || k == badDisk }

// strikes reports whether the fault strikes the disk of a node that runs. One that starts may not do so then.
func (k kind) strikes() bool { return k == fullDisk || k == readOnly }

// fault is one of a run.
type fault struct {
	At     time.Duration `json:"at_ns"`
	For    time.Duration `json:"for_ns"` // until it ends: a process is started again, goes on, or is reached again
	Kind   kind          `json:"kind"`
	Node   int           `json:"node"`                // from 0
	Others []int         `json:"others,omitempty"`    // of a part: who is with Node, or with oneWay, whom it does not reach
	Offset time.Duration `json:"offset_ns,omitempty"` // of a clock
	Rate   int           `json:"kbit,omitempty"`      // of a slow link, in a second
	Full   bool          `json:"full,omitempty"`      // of a bad disk: there is no room on it; else it is read-only
}

// ends is when it does.
func (f *fault) ends() time.Duration { return f.At + f.For }

func (f *fault) String() string {
	text := fmt.Sprintf("%6.1fs  %-8s n%d for %.1fs", f.At.Seconds(), f.Kind, f.Node+1, f.For.Seconds())
	if len(f.Others) > 0 {
		with := map[kind]string{halves: "with", oneWay: "to"}[f.Kind]
		text += fmt.Sprintf(", %s %s", with, names(f.Others))
	}
	if f.Kind == clock {
		text += fmt.Sprintf(", off by %v", f.Offset)
	}
	if f.Kind == badDisk {
		text += map[bool]string{true: ", full", false: ", read-only"}[f.Full]
	}
	if f.Kind == slow {
		text += fmt.Sprintf(", %d kbit/s", f.Rate)
	}
	return text
}

// names are those of nodes, as people read them.
func names(nodes []int) string {
	var text []string
	for _, n := range nodes {
		text = append(text, fmt.Sprint("n", n+1))
	}
	return strings.Join(text, " ")
}

// plan is everything about a run that is decided before it begins.
type plan struct {
	Seed    uint64        `json:"seed"`
	Nodes   int           `json:"nodes"`      // that it begins with
	Joins   int           `json:"joins"`      // nodes that come
	Trouble time.Duration `json:"trouble_ns"` // when faults end
	Faults  []fault       `json:"faults"`     // by time
}

// all is how many nodes there are in the end.
func (p *plan) all() int { return p.Nodes + p.Joins }

// draw makes the plan of a seed. What it keeps to, whatever the seed, so that every promise holds:
//
//   - No two nodes are without their memory at once: whoever lost it has time to be refilled before the next one loses its own.
//   - Faults of one node's process and disk do not overlap, nor do two of the network.
//   - All are over when the trouble is.
//
// That the network is whole while a node joins is for the runner to see to: two sides of it may else have two opinions on who owns what.
func draw(seed uint64, trouble time.Duration) plan {
	r := rand.New(rand.NewPCG(seed, 0x5368_6f61_6c00_0001))
	p := plan{Seed: seed, Nodes: 3 + r.IntN(3), Trouble: trouble}
	p.lose(r, calm+between(r, 0, 2*time.Second))
	p.hold(r)
	p.part(r, calm+between(r, 0, 4*time.Second))
	slices.SortStableFunc(p.Faults, func(a, b fault) int { return int(a.At - b.At) })
	return p
}

// between draws a time of [from, to).
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)))
}

// starts is how long after the end of a fault its node is taken to serve.
func (f *fault) starts() time.Duration {
	switch {
	case f.Kind == wipe:
		return started + wipedFor
	case f.Kind.forgets():
		return started
	}
	return time.Second
}

// add takes a fault into the plan, unless it would not be over in time.
func (p *plan) add(f fault) bool {
	if f.ends() > p.Trouble-calm {
		return false
	}
	p.Faults = append(p.Faults, f)
	return true
}

// lose draws what takes a node's memory, one after the other.
func (p *plan) lose(r *rand.Rand, at time.Duration) {
	for at < p.Trouble {
		f := fault{At: at, For: between(r, 500*time.Millisecond, 6*time.Second), Node: r.IntN(p.all()), Kind: kill}
		back := refilled
		switch n := r.IntN(10); {
		case n < 2:
			f.Kind, back = wipe, refilled+wipedFor
		case n < 3:
			f.Kind = restart
		case n < 5:
			f.Kind, f.Offset = clock, offset(r)
		case n < 6:
			f.Kind, f.For, f.Full = badDisk, between(r, 2*time.Second, 8*time.Second), r.IntN(2) == 0
		case n < 7 && p.Joins == 0:
			f.Kind, f.Node, f.For, back = join, p.Nodes, refilled, 0
		}
		if !p.add(f) {
			return
		}
		if f.Kind == join {
			p.Joins++
		}
		at = f.ends() + back + between(r, 0, 4*time.Second)
	}
}

// offset draws what a clock is off by: half of the time within what a node tolerates, else up to five seconds.
func offset(r *rand.Rand) time.Duration {
	d := between(r, 50*time.Millisecond, 400*time.Millisecond)
	if r.IntN(2) == 0 {
		d = between(r, time.Second, 5*time.Second)
	}
	if r.IntN(2) == 0 {
		d = -d
	}
	return d.Truncate(time.Millisecond)
}

// hold draws what stops a process, or its disk, without taking its memory: at times when that node has no other fault.
func (p *plan) hold(r *rand.Rand) {
	for range 2 + r.IntN(4) {
		f := fault{At: between(r, calm, p.Trouble-calm), For: between(r, 300*time.Millisecond, 9*time.Second), Node: r.IntN(p.Nodes), Kind: pause}
		switch r.IntN(4) {
		case 0:
			f.Kind, f.For = fullDisk, between(r, 4*time.Second, 12*time.Second)
			p.owing(r, &f)
		case 1:
			f.Kind, f.For = readOnly, between(r, 4*time.Second, 12*time.Second)
		}
		if !slices.ContainsFunc(p.Faults, func(g fault) bool {
			return g.Node == f.Node && g.At < f.ends()+time.Second && f.At < g.ends()+g.starts()
		}) {
			p.add(f)
		}
	}
}

// owing lets a disk be full while another node is away, so that what that one is owed has no room.
func (p *plan) owing(r *rand.Rand, f *fault) {
	if len(p.Faults) > 0 { // so far those that take memory
		if l := &p.Faults[r.IntN(len(p.Faults))]; l.Node != f.Node && l.Kind != join && l.At >= calm+time.Second {
			f.At, f.For = l.At-time.Second, l.For+between(r, 3*time.Second, 6*time.Second)
		}
	}
}

// part draws what becomes of the network, one after the other.
func (p *plan) part(r *rand.Rand, at time.Duration) {
	for at < p.Trouble {
		f := fault{At: at, For: between(r, 2*time.Second, 12*time.Second), Kind: []kind{alone, halves, oneWay, slow}[r.IntN(4)]}
		order := r.Perm(p.Nodes)
		f.Node = order[0]
		switch f.Kind {
		case halves:
			f.Others = slices.Sorted(slices.Values(order[1 : p.Nodes/2]))
		case oneWay:
			f.Others = slices.Sorted(slices.Values(order[1 : 2+r.IntN(p.Nodes-1)]))
		case slow:
			f.Rate = 200 + r.IntN(1800)
		}
		if g, ok := p.aimed(r, at); ok && r.IntN(2) == 0 {
			f = g
		}
		if !p.add(f) {
			return
		}
		at = f.ends() + between(r, time.Second, 6*time.Second)
	}
}

// aimed is a part that chance seldom makes, and that shows whether nodes know what they have forgotten: for a while one node does not
// hear of another's writes, and a third, which does, loses its memory. Whoever then asks these two must not be told something old.
func (p *plan) aimed(r *rand.Rand, at time.Duration) (f fault, ok bool) {
	const before, after = 3 * time.Second, 6 * time.Second
	for _, l := range p.Faults {
		if l.Kind.forgets() && l.Kind != wipe && l.Kind != join && l.At-before >= at {
			nodes := slices.DeleteFunc(r.Perm(p.Nodes), func(n int) bool { return n == l.Node })
			return fault{At: l.At - before, For: before + l.For + after, Kind: oneWay, Node: nodes[0], Others: nodes[1:2]}, true
		}
	}
	return f, false
}

// show is the plan for people.
func (p *plan) show() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d nodes, %v of trouble, %d faults\n", p.Seed, p.Nodes, p.Trouble, len(p.Faults))
	for i := range p.Faults {
		fmt.Fprintln(&b, p.Faults[i].String())
	}
	return b.String()
}
