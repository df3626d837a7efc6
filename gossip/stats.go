package gossip

import "sync/atomic"

// Stats is what has been counted since Start, but for Alive and Health, which are now.
type Stats struct {
	Alive         int    `json:"alive"`          // nodes, this one included
	Health        int    `json:"health"`         // 0: this node answers and probes in time; higher: it may be too slow to judge others
	States        uint64 `json:"states"`         // maps that arrived
	DroppedStates uint64 `json:"dropped_states"` // of those, had no room in the queue
	RefusedStates uint64 `json:"refused_states"` // of those, refused by OnState
	RefusedBytes  uint64 `json:"refused_bytes"`  // packets, streams, states, metas that are none, or of another cluster name
	RefusedNodes  uint64 `json:"refused_nodes"`  // nodes and states of other clusters, former boots
	Conflicts     uint64 `json:"conflicts"`      // signs that two processes run as one node
	Joins         uint64 `json:"joins"`          // exchanges begun to join or rejoin
	FailedJoins   uint64 `json:"failed_joins"`
	FailedSends   uint64 `json:"failed_sends"` // of the map, to one node
}

type counters struct {
	states, droppedStates, refusedStates, refusedBytes, refusedNodes, conflicts atomic.Uint64
	joins, failedJoins, failedSends                                             atomic.Uint64
}

// Stats reads all counters, each by itself.
func (g *Gossip) Stats() Stats {
	alive, _ := g.view.snapshot()
	c := &g.count
	return Stats{
		Alive: len(alive), Health: g.list.GetHealthScore(),
		States: c.states.Load(), DroppedStates: c.droppedStates.Load(), RefusedStates: c.refusedStates.Load(),
		RefusedBytes: c.refusedBytes.Load(), RefusedNodes: c.refusedNodes.Load(), Conflicts: c.conflicts.Load(),
		Joins: c.joins.Load(), FailedJoins: c.failedJoins.Load(), FailedSends: c.failedSends.Load(),
	}
}
