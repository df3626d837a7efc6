package sim

import "github.com/shoalcache/shoal/wire"

// checkValues is that whatever is read was written, to that key, by a set that had begun.
func (w *world) checkValues(key int, ops []*op) {
	for _, o := range ops {
		if o.ask.Op != wire.OpGet || !o.ok || o.status != wire.StatusOK {
			continue
		}
		if o.wrote < 1 || o.wrote > len(w.ops) {
			w.fail("values", "op %d reads a value that nobody wrote", o.number)
			return
		}
		if v := &w.ops[o.wrote-1]; v.key != key || v.ask.Op != wire.OpSet || !v.writes() || v.begin > o.end {
			w.fail("values", "op %d reads %d, which nobody had written to k%d", o.number, o.wrote, key)
		}
	}
}
