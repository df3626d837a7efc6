package sim

import "github.com/shoalcache/shoal/wire"

// checkReply is I18: a node answers what it was asked, once. It returns the op, nil where there is none to answer.
// That the answer is that op's own shows in its value, which names the write and so the key (checkValues).
func (w *world) checkReply(i int, r *wire.Response) *op {
	number, again := r.ID&(1<<copyShift-1), r.ID>>copyShift
	if number == 0 || number > uint64(len(w.ops)) || w.ops[number-1].node != i || again > 1 {
		w.fail("I18", "n%d answers op %d, which nobody asked it", i+1, number)
		return nil
	}
	o := &w.ops[number-1]
	if o.replied[again] {
		w.fail("I18", "op %d is answered twice", number)
		return nil
	}
	return o
}
