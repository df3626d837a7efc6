package server

import (
	"fmt"
	"strings"

	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/wire"
)

// repair lets the shards exchange what a document asks for, and says how far they are.
func (n *Node) repair(document []byte) (*wire.RepairState, error) {
	var what wire.Repair
	if err := wire.DecodeDocument(document, &what); err != nil {
		return nil, &wire.BadRequestError{Op: wire.OpRepair, Text: strings.TrimPrefix(err.Error(), "wire: ")}
	}
	v := n.view.Load()
	if p := what.Partition; p != nil && *p >= v.Map.Partitions {
		return nil, &wire.BadRequestError{Op: wire.OpRepair, Text: fmt.Sprintf("partition %d: use 0 to %d", *p, v.Map.Partitions-1)}
	}
	var t replica.Stats
	for i := range n.shards {
		s := &n.shards[i]
		s.mu.Lock()
		if what.Begin {
			s.Repair(what.Partition)
		}
		s.Add(&t)
		s.mu.Unlock()
	}
	x := &t.Exchange
	state := &wire.RepairState{
		Node: n.self.Node, Pending: x.Pending, Compared: x.Compared, Differing: x.Differing, Given: x.Given, Merged: x.Merged,
		False: x.False, SentBytes: x.SentBytes, ReceivedBytes: x.ReceivedBytes, Failed: x.Failed,
	}
	for i, node := range v.Table.Nodes() {
		if !v.UpAt(uint16(i)) && node.ID > n.self.Node { // this node asks those of greater ids
			state.Waiting = append(state.Waiting, node.Name)
		}
	}
	return state, nil
}
