package sim

import "github.com/shoalcache/shoal/wire"

// observe looks at a message that reaches a node: what states it shows to have been reached, and what the checkers
// keep of it.
func (w *world) observe(to int, m *wire.Message) {
	switch m.Kind {
	case wire.KindFetch:
		if w.nodes[to].recovering() {
			w.count("recovering read")
		}
	case wire.KindFetchReply:
		if m.Outcome == wire.OutcomeOK && m.Floor > m.Set.Dot.Stamp {
			w.count("vote refused")
		}
	case wire.KindStoreReply:
		if m.Outcome != wire.OutcomeOK {
			w.count("store " + m.Outcome.String())
		}
	case wire.KindStore, wire.KindOwe:
		w.nameDot(m)
		w.sample(m.Key, &m.Set)
		switch m.Pass {
		case wire.PassHint:
			w.count("hint sent")
		case wire.PassRepair:
			w.count("repair sent")
		}
	}
}
