package sim

import (
	"slices"
	"strconv"

	"github.com/shoalcache/shoal/wire"
)

// This file is siblings: their clients, who write with what they have read, and what they are promised.

// glance is what a client has seen of a key: a context, and in truth the writes that are in it.
type glance struct {
	context []byte
	seen    opSet
}

// opSet is a set of operations by number.
type opSet []uint64

func (s *opSet) add(number int) {
	for len(*s) <= number/64 {
		*s = append(*s, 0)
	}
	(*s)[number/64] |= 1 << (number % 64)
}

func (s *opSet) union(o opSet) {
	for i, bits := range o {
		if i == len(*s) {
			*s = append(*s, bits)
		} else {
			(*s)[i] |= bits
		}
	}
}

func (s opSet) has(number int) bool { return number/64 < len(s) && s[number/64]>>(number%64)&1 == 1 }

// glancesMax is how many of the latest glances at a key its clients still write with.
const glancesMax = 4

// remind gives a request the context of a client who has seen the key at some time, or of one who has seen nothing.
func (w *world) remind(o *op, r *wire.Request) {
	switch r.Op {
	case wire.OpGet:
		r.Siblings = true
	case wire.OpSet:
		of := w.glances[o.key]
		if len(of) == 0 {
			return // what its coordinator has: see superseded
		}
		o.with = of[o.ask.Pick%len(of)]
		r.Context = o.with.context
	}
}

// glimpse takes what a client has read.
func (w *world) glimpse(o *op, r *wire.Response) {
	g := &glance{context: slices.Clone(r.Context)}
	for _, it := range r.Items {
		number, err := strconv.Atoi(string(it.Value))
		if err != nil || number < 1 || number > len(w.ops) {
			w.fail("values", "op %d reads a sibling that nobody wrote: %q", o.number, it.Value)
			return
		}
		o.items = append(o.items, number)
		g.seen.add(number)
		if by := w.ops[number-1].with; by != nil {
			g.seen.union(by.seen)
		}
	}
	if len(r.Items) > 1 {
		w.count("siblings read")
	}
	if o.forgotten {
		return // its context is as good as none
	}
	if w.glances == nil {
		w.glances = map[int][]*glance{}
	}
	of := append(w.glances[o.key], g)
	w.glances[o.key] = of[max(len(of)-glancesMax, 0):]
}

// checkSiblings is that what was acknowledged before a read began is in what it is told, or was seen by the writer of
// something that is, and that nothing is in it that the writer of something acknowledged by then had seen.
func (w *world) checkSiblings(key int, ops []*op) {
	if !w.plan.Cluster.Strict() || w.voided || w.stats.Collapsed > 0 {
		return
	}
	for _, r := range ops {
		if r.ask.Op != wire.OpGet || !r.ok || r.forgotten || r.status != wire.StatusOK && r.status != wire.StatusNotFound {
			continue
		}
		var there opSet
		for _, number := range r.items {
			there.add(number)
			if by := w.ops[number-1].with; by != nil {
				there.union(by.seen)
			}
		}
		anew := w.anew(ops, r)
		for _, o := range ops {
			if !o.writes() || !o.ok || o.end >= r.begin {
				continue
			}
			if !there.has(o.number) && o.begin > anew && !w.superseded(ops, o, r) {
				w.fail("I1", "lost: op %d (%v-%v) at n%d reads of k%d %v, which is neither op %d (%v-%v), acknowledged, nor by one who had seen it", r.number, r.begin, r.end, r.node+1,
					key, r.items, o.number, o.begin, o.end)
			}
			if o.with == nil {
				continue
			}
			for _, number := range r.items {
				if o.with.seen.has(number) {
					w.fail("I6", "back: op %d (%v-%v) at n%d reads of k%d op %d, which the writer of op %d (%v-%v) had seen, acknowledged", r.number, r.begin, r.end, r.node+1,
						key, number, o.number, o.begin, o.end)
				}
			}
			w.count("sibling judged")
		}
	}
}

// superseded reports whether a write without a context may have superseded op o before r read: it does away with whatever
// its coordinator has.
func (w *world) superseded(ops []*op, o, r *op) bool {
	return slices.ContainsFunc(ops, func(x *op) bool {
		return x != o && x.writes() && x.with == nil && x.begin <= r.end && w.over(x) >= o.begin
	})
}
