package replica

import (
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// This file is a shard that is to leave, and parts with what it owes: when it does, who may keep it, and what it keeps no more.

// HandOver lets other nodes keep what the shard owes to nodes that are down, or ends that. A node that stands in the map as leaving
// does so without being told.
func (s *Shard) HandOver(on bool) {
	s.told = on
	s.hints.HandOver(s.handsOver())
}

func (s *Shard) handsOver() bool { return s.told || s.view.leaves() }

// leaves reports whether this node's days in the cluster are numbered.
func (v *View) leaves() bool {
	me := v.Map.Node(v.Self)
	return me != nil && me.State == ring.Leaving
}

// taker is the nth node that may keep a hint in this one's place: of the key's preference list those that are up and stay, fallbacks
// first. An owner has the write itself, or is owed it as well, and may count already: where it counted here it is at one node fewer then.
func (s *Shard) taker(target uint64, p uint32, key string, nth int) (node uint64, ok bool) {
	s.handing = append(s.handing[:0], key...)
	ns := s.view.spaces.of(s.handing)
	if ns.Namespace == nil {
		return 0, false
	}
	for _, owner := range [...]bool{false, true} {
		for _, x := range s.view.Table.List(p) {
			n := &s.view.Table.Nodes()[x.Node]
			if x.Holds(ns.Replicas) != owner || !s.view.UpAt(x.Node) || n.State == ring.Leaving || n.ID == target || n.ID == s.cfg.Self.Node {
				continue
			}
			if nth == 0 {
				return n.ID, true
			}
			nth--
		}
	}
	return 0, false
}

// keepsNone reports whether the shard refuses a hint that it is asked to keep: it is about to end, or parts with hints itself, and two
// that do would hand them to and fro. What counts for a write that waits, it keeps all the same until then.
func (s *Shard) keepsNone(m *wire.Message) bool { return s.draining || handedOver(m) && s.handsOver() }

// handedOver tells a hint that another node parts with from one that a write waits for, which has a deadline.
func handedOver(m *wire.Message) bool { return m.Expires == 0 }
