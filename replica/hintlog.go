package replica

import (
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
)

// HintQueues are the queues of a node's shards, as whoever writes them to disk sees them.
type HintQueues struct {
	node   *Node
	view   *View
	visit  func(shard int, f func(*Shard))
	leaves bool
}

// HintQueues returns them as v has the cluster. Visit lets a function have a shard, under its lock.
func (n *Node) HintQueues(v *View, visit func(shard int, f func(*Shard))) *HintQueues {
	h := &HintQueues{node: n, view: v, visit: visit}
	visit(0, func(s *Shard) { h.leaves = s.handsOver() })
	return h
}

// Len is how many there are.
func (h *HintQueues) Len() int { return len(h.node.shards) }

// Visit lets f have one of them.
func (h *HintQueues) Visit(i int, f func(*hints.Queue)) {
	h.visit(i, func(s *Shard) { f(s.hints) })
}

// HintOnDisk reports whether the shard owes a node a version of a key, or a later one, that is on disk.
func (s *Shard) HintOnDisk(target uint64, key []byte, stamp vclock.Stamp) bool {
	return s.hints.OnDisk(target, key, stamp)
}

// Peer says of a node whether what is on disk for it is to come back, since it is up, or others are to keep it; and whether the node was
// removed from the cluster.
func (h *HintQueues) Peer(node uint64) (wanted, removed bool) {
	x := h.view.Map.Node(node)
	return h.view.Up(node) || h.leaves, x != nil && x.State == ring.Removed
}

// Locate says which queue a hint belongs to, and of which partition it is; false where it is owed no more.
func (h *HintQueues) Locate(target uint64, key []byte) (queue int, partition uint32, owed bool) {
	k, queue := h.node.Key(h.view, key)
	return queue, k.Partition, h.view.Holds(target, k.Partition, key)
}
