package replica

import (
	"encoding/binary"
	"slices"

	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// This file is the writes that depend on what is there.

// updates reports whether a request is one: it has to read before it writes, or to know what it writes beside.
func (s *Shard) updates(ns space, r *wire.Request) bool {
	switch r.Op {
	case wire.OpIncr, wire.OpAppend:
		return true
	case wire.OpSet, wire.OpDelete:
		return r.Condition != wire.Always || r.Previous || len(r.Context) > 0 || ns.Mode == ring.Siblings
	default:
		return false
	}
}

// begins reports whether a counter can begin at a value; it need not say where.
func begins(value []byte) bool {
	_, err := vclock.ParseNumber(value)
	return len(value) == 0 || err == nil
}

// recordRoom is what a record takes beside its value, its context and the client's key.
const recordRoom = 48

// update adds to a call what an update has of its request; status 0 means go on.
func (s *Shard) update(call *coordinator.Call, ns space, r *wire.Request, key uint64) (wire.Status, string) {
	call.Siblings, call.Previous, call.Condition, call.Than, call.By = ns.Mode == ring.Siblings, r.Previous, r.Condition, vclock.Stamp(r.Than), r.By
	call.ValueMax = min(s.cfg.Limits.Value, int(s.store.RecordBytesMax())-len(r.Key)-recordRoom)
	if call.HasContext = len(r.Context) > 0; !call.HasContext {
		return 0, ""
	}
	if !call.Siblings {
		return wire.StatusBadRequest, "the namespace keeps no siblings: leave the context out, or use a condition"
	}
	var err error
	if call.Context, err = wire.ParseContext(r.Context, s.salt(key), s.cfg.Hash); err != nil || s.tooFar(call.Context.Greatest()) {
		s.stats.Contexts++
		return wire.StatusContext, ""
	}
	return 0, ""
}

// salt stands for the cluster and a key in the contexts that clients are given.
func (s *Shard) salt(key uint64) uint64 {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], s.view.Map.ClusterID)
	binary.BigEndian.PutUint64(b[8:], key)
	return s.cfg.Hash(b[:])
}

// judged reports whether another owner is to judge a request's condition: the first that is up, in whichever datacenter, so that
// as few as can be judge at once. It then stands first in s.list.
func (s *Shard) judged(r *wire.Request, p uint32, replicas uint8) bool {
	if r.Condition == wire.Always && r.Op != wire.OpAppend && !r.Previous {
		return false
	}
	for _, x := range s.view.Table.Owners(p) {
		if !x.Holds(replicas) || !s.view.UpAt(x.Node) {
			continue
		}
		judge := s.view.Table.Nodes()[x.Node].ID
		i := slices.IndexFunc(s.list, func(p coordinator.Peer) bool { return p.Node == judge })
		first := s.list[i]
		copy(s.list[1:], s.list[:i])
		s.list[0] = first
		return judge != s.cfg.Self.Node
	}
	return false
}

// holder tells machines what this node holds.
type holder struct{ s *Shard }

// Holding is what is stored of the key of a call, with what other updates have under way.
func (h holder) Holding(id uint64, key []byte) (vclock.Set, vclock.Stamp) {
	s := h.s
	c := s.calls.find(id)
	if c == nil {
		return vclock.Set{}, 0
	}
	ns := s.view.spaces.of(key)
	k := storage.Key{Bytes: key, Hash: c.hash, Partition: c.partition, Lone: ns.lone, Fewer: ns.fewer}
	set, floor := s.store.Peek(k, s.now.Wall)
	if s.cfg.Policy == storage.None { // what it has sent it may have had no room for: that is as good as forgotten
		floor = max(floor, 1, s.calls.refused[c.hash])
	}
	if floor == 0 || s.calls.updates[c.hash] < 2 { // what this node has sent it has stored, and not forgotten since
		return set, floor
	}
	s.calls.each(func(o *call) {
		if u, ok := o.machine.(*coordinator.Update); ok && o != c && o.hash == c.hash && o.partition == c.partition {
			if sent, ok := u.Sent(); ok {
				set, _ = vclock.Merge(&set, sent)
			}
		}
	})
	return set, floor
}
