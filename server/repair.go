package server

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
	var found []replica.Comparison
	for i := range n.shards {
		s := &n.shards[i]
		s.mu.Lock()
		if what.Begin {
			s.Repair(what.Partition)
		}
		s.Add(&t)
		found = s.Comparisons(what.Partition, found)
		s.mu.Unlock()
	}
	x := &t.Exchange
	state := &wire.RepairState{
		Node: n.self.Node, Pending: x.Pending, Stalled: x.Stalled, Compared: x.Compared, Differing: x.Differing, Given: x.Given, Merged: x.Merged,
		False: x.False, SentBytes: x.SentBytes, ReceivedBytes: x.ReceivedBytes, Failed: x.Failed,
		Comparisons: comparisons(v, found, n.clock.now().Mono),
	}
	for i, node := range v.Table.Nodes() {
		if !v.UpAt(uint16(i)) && node.ID > n.self.Node { // this node asks those of greater ids
			state.Waiting = append(state.Waiting, node.Name)
		}
	}
	return state, nil
}

// partitionsTold is how many partitions that differed are told by number.
const partitionsTold = 16

// comparisons sums up by node what shards found. What one of them has not compared yet the node has not; else the earliest counts.
func comparisons(v *replica.View, found []replica.Comparison, now time.Duration) []wire.Comparison {
	list := []wire.Comparison{}
	for _, node := range v.Table.Nodes() {
		sum, asked := wire.Comparison{Node: node.Name, Partitions: []uint32{}}, false
		for _, f := range found {
			if f.Node != node.ID {
				continue
			}
			asked = true
			switch {
			case f.At == 0 || sum.AgoMillis < 0:
				sum.AgoMillis = -1
			default:
				sum.AgoMillis = max(sum.AgoMillis, (now - f.At).Milliseconds())
			}
			sum.Compared, sum.Differing = sum.Compared+f.Compared, sum.Differing+f.Differing
			sum.Partitions = append(sum.Partitions, f.Which...)
		}
		slices.Sort(sum.Partitions)
		if sum.Partitions = sum.Partitions[:min(len(sum.Partitions), partitionsTold)]; asked {
			list = append(list, sum)
		}
	}
	return list
}
