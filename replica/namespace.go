package replica

import (
	"fmt"
	"math"
	"slices"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/wire"
)

// spaces are the namespaces of a map as requests and stores need them. They never change once made.
type spaces struct {
	named map[string]space        // without those dropped
	live  map[uint64]space        // the same by the ids of their keys
	least uint8                   // copies that a key has in each datacenter, of any of them
	plain space                   // that of keys without a prefix; none once the default namespace was flushed
	dead  func(inner []byte) bool // whether no request can reach a key; nil where nothing was ever flushed or dropped
}

// space is a namespace and the id of its keys.
type space struct {
	*ring.Namespace
	id    uint64
	lone  bool  // each of its keys has one owner
	fewer uint8 // how many owners of a partition do not have them, as storage.Key has it
}

func newSpaces(m *ring.Map, t *ring.Table, hash func([]byte) uint64) *spaces {
	s := &spaces{named: map[string]space{}, live: map[uint64]space{}, least: math.MaxUint8}
	add := func(ns *ring.Namespace, id uint64) {
		x := space{ns, id, owners(t, ns.Replicas) == 1, uint8(min(m.Replicas()-int(ns.Replicas), storage.FewerMost))}
		s.named[ns.Name], s.live[id] = x, x
		s.least = min(s.least, ns.Replicas)
	}
	for i := range m.Namespaces {
		ns := &m.Namespaces[i]
		if ns.Epoch > 0 || ns.Dropped {
			s.dead = func(inner []byte) bool { return s.of(inner).Namespace == nil }
		}
		if !ns.Dropped {
			add(ns, ns.ID(hash))
		}
	}
	if _, ok := s.named[ring.DefaultNamespace]; !ok {
		add(implied(), 0)
	}
	s.plain = s.live[0]
	return s
}

// owners is how many nodes own a key of a namespace of so many replicas: any key.
func owners(t *ring.Table, replicas uint8) (n int) {
	for _, x := range t.Owners(0) {
		if x.Holds(replicas) {
			n++
		}
	}
	return n
}

// implied is the default namespace of a map that has none.
func implied() *ring.Namespace {
	return &ring.Namespace{
		Name: ring.DefaultNamespace, Replicas: ring.DefaultReplicas, Read: uint8(wire.LevelQuorum), Write: uint8(wire.LevelQuorum),
	}
}

// gains reports whether an owner of that rank, which had another before, owns keys that it did not.
func (s *spaces) gains(was, is uint8) bool {
	for _, x := range s.live {
		if is < x.Replicas && x.Replicas <= was {
			return true
		}
	}
	return false
}

// find returns the namespace that a request names.
func (s *spaces) find(name string) (space, bool) {
	if name == "" {
		name = ring.DefaultNamespace
	}
	found, ok := s.named[name]
	return found, ok
}

// Replicas is how many owners a namespace's keys have in each datacenter. The error is a *wire.NamespaceError.
func (v *View) Replicas(namespace string) (uint8, error) {
	ns, ok := v.spaces.find(namespace)
	if !ok {
		return 0, &wire.NamespaceError{Op: wire.OpWhere, Text: noNamespace(namespace)}
	}
	return ns.Replicas, nil
}

// of returns the namespace of an inner key; none if no request can have it, because it is of one that was dropped, or of an
// earlier epoch.
func (s *spaces) of(inner []byte) space {
	if len(inner) == 0 || inner[0] != 0 {
		return s.plain
	}
	id, _ := ring.SplitInnerKey(inner)
	return s.live[id]
}

// Holds reports whether node owns a key of partition p, given as its inner key. Nobody owns one that no request can have: a
// replica takes and gives no such key, so that a call from before a flush finds nothing after it.
func (v *View) Holds(node uint64, p uint32, inner []byte) bool {
	ns := v.spaces.of(inner)
	i, ok := v.Table.Index(node)
	return ok && ns.Namespace != nil &&
		slices.ContainsFunc(v.Table.Owners(p), func(x ring.Place) bool { return x.Node == i && x.Holds(ns.Replicas) })
}

// space returns the namespace of a request, and k, which Node.Locate made of it, with the inner key.
func (s *Shard) space(k storage.Key, r *wire.Request) (space, storage.Key, bool) {
	found, ok := s.view.spaces.find(r.Namespace)
	if ok && len(k.Bytes) > 0 && !ring.PlainKey(found.id, k.Bytes) {
		s.prefixed = ring.AppendInnerKey(s.prefixed[:0], found.id, k.Bytes)
		k.Bytes, k.Hash = s.prefixed, s.cfg.Hash(s.prefixed)
	}
	k.Lone, k.Fewer = found.lone, found.fewer
	return found, k, ok
}

// noNamespace says what to do about a namespace that is not there.
func noNamespace(name string) string {
	if (&ring.Namespace{Name: name, Replicas: 1}).Validate() != nil {
		return fmt.Sprintf("no namespace %.80q, nor can there be: use a to z, 0 to 9 and . _ -", name)
	}
	return fmt.Sprintf("no namespace %q: create it with shoal namespace create %s", name, name)
}
