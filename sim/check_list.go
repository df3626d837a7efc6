package sim

import (
	"slices"
	"strconv"
	"strings"

	"github.com/shoalcache/shoal/wire"
)

// This file is values that are appended to: each piece names the op that it is of.

// piece is what an op adds to a list.
func piece(number int) []byte { return append(strconv.AppendInt(nil, int64(number), 10), ';') }

// takePieces takes a list that was read.
func (w *world) takePieces(o *op, value []byte) {
	for text := range strings.SplitSeq(strings.TrimSuffix(string(value), ";"), ";") {
		number, err := strconv.Atoi(text)
		if err != nil || number < 1 || number > len(w.ops) {
			w.fail("values", "op %d reads a list that nobody wrote: %q", o.number, value)
			return
		}
		o.items = append(o.items, number)
	}
}

// checkList is I19 for values that are appended to. A piece is there once at most, where its append was told that it ends,
// behind none that was asked for later; and one that was acknowledged before a read began is in what that reads, unless
// something else was written at once with it, or has replaced it since.
func (w *world) checkList(key int, ops []*op) {
	for _, r := range ops {
		if r.ask.Op != wire.OpGet || !r.ok {
			continue
		}
		length := 0
		for i, number := range r.items {
			o := &w.ops[number-1]
			length += len(piece(number))
			switch {
			case o.key != key || o.ask.Op != wire.OpAppend && o.ask.Op != wire.OpSet || o.begin > r.end:
				w.fail("values", "op %d reads %d in k%d, which nobody had appended to it", r.number, number, key)
			case slices.Contains(r.items[:i], number):
				w.fail("I19", "op %d (%v-%v) at n%d reads op %d (%v-%v) twice in k%d: %v", r.number, r.begin, r.end, r.node+1, number, o.begin, o.end, key, r.items)
			case o.ask.Op == wire.OpSet && i > 0:
				w.fail("I19", "op %d reads op %d in k%d, which set it anew, behind others: %v", r.number, number, key, r.items)
			case o.ask.Op == wire.OpAppend && o.ok && int64(length) != o.sum:
				w.fail("I19", "op %d (%v-%v) at n%d reads in k%d that op %d ends at byte %d, which was told %d: %v", r.number, r.begin, r.end, r.node+1, key, number, length, o.sum, r.items)
			case i > 0 && w.over(o) < w.ops[r.items[i-1]-1].begin:
				w.fail("I19", "op %d (%v-%v) at n%d reads op %d in k%d behind one of later: %v", r.number, r.begin, r.end, r.node+1, number, key, r.items)
			}
			if w.failed != nil {
				return
			}
		}
		w.count("list judged")
		if w.strict(key) && !r.forgotten && !w.plan.Cluster.Siblings && w.plan.Cluster.Down < acks(&w.plan.Cluster) {
			w.checkAppended(key, ops, r)
		}
	}
}

// checkAppended is that nothing is missing in a list that was read.
func (w *world) checkAppended(key int, ops []*op, r *op) {
	anew := w.anew(ops, r)
	for _, a := range ops {
		if a.ask.Op != wire.OpAppend || !a.ok || a.end >= r.begin || a.begin <= anew || slices.Contains(r.items, a.number) {
			continue
		}
		if slices.ContainsFunc(ops, func(x *op) bool {
			switch {
			case x == a || x.ask.Op == wire.OpGet || x.begin > r.end:
				return false
			case x.ask.Op == wire.OpAppend && x.ok:
				return x.begin <= a.end && x.end >= a.begin
			default:
				return w.over(x) >= a.begin
			}
		}) {
			w.count("append not judged")
			continue
		}
		w.fail("I19", "lost: op %d (%v-%v) at n%d reads %v of k%d, without op %d (%v-%v), which was acknowledged", r.number, r.begin, r.end, r.node+1, r.items, key, a.number, a.begin, a.end)
		return
	}
	w.count("append judged")
}
