package replica

import (
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
)

// HintQueues are the queues of a node's shards, as whoever writes them to disk sees them.
type HintQueues struct {
	node  *Node
	view  *View
	visit func(shard int, f func(*Shard))
}

// HintQueues returns them as v has the cluster. Visit lets a function have a shard, under its lock.
func (n *Node) HintQueues(v *View, visit func(shard int, f func(*Shard))) *HintQueues {
	return &HintQueues{n, v, visit}
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

// Peer says what the cluster has to say of a node: that it is up, or that it was removed.
func (h *HintQueues) Peer(node uint64) (up, removed bool) {
	x := h.view.Map.Node(node)
	return h.view.Up(node), x != nil && x.State == ring.Removed
}

// Locate says which queue a hint belongs to, and of which partition it is; false where it is owed no more.
func (h *HintQueues) Locate(target uint64, key []byte) (queue int, partition uint32, owed bool) {
	k, queue := h.node.Key(h.view, key)
	return queue, k.Partition, h.view.Holds(target, k.Partition, key)
}
