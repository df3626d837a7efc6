package sim

import "github.com/shoalcache/shoal/wire"

// checkReply is I18: a node answers what it was asked, once. It returns the op, nil where there is none to answer.
// That the answer is that op's own shows in its value, which names the write and so the key (checkValues).
func (w *world) checkReply(i int, r *wire.Response) *op {
	if r.ID == 0 || r.ID > uint64(len(w.ops)) || w.ops[r.ID-1].node != i {
		w.fail("I18", "n%d answers op %d, which nobody asked it", i+1, r.ID)
		return nil
	}
	o := &w.ops[r.ID-1]
	if o.replied {
		w.fail("I18", "op %d is answered twice", r.ID)
		return nil
	}
	return o
}
