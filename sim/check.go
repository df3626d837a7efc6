package sim

// check judges a run that is over. Each promise has a file of its own.
func (w *world) check() {
	w.total()
	history := make([][]*op, w.plan.Cluster.Keys)
	for i := range w.ops {
		o := &w.ops[i]
		history[o.key] = append(history[o.key], o)
	}
	for key, ops := range history {
		if w.checkValues(key, ops); w.failed != nil {
			return // what nobody wrote has no write that it could be judged by
		}
		w.checkDeadlines(ops)
		if w.strict(key) {
			w.checkFresh(key, ops)
			w.checkOrder(key, ops)
			w.checkLost(key, ops)
		}
	}
	w.checkForks()
	w.checkMerge()
	w.checkRest()
	if w.failed == nil {
		w.checkAgreement()
	}
}

// remembers reports whether no node has forgotten anything but by losing its memory.
func (w *world) remembers() bool {
	return w.stats.Storage.Evicted == 0 && w.stats.Storage.GhostsDropped == 0
}

// strict reports whether reads of a key must see what was acknowledged before they began.
func (w *world) strict(key int) bool {
	return w.plan.Cluster.Strict() && !w.plan.Cluster.sloppy(key) && !w.voided
}
