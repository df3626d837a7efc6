package replica

import (
	"fmt"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/storage"
	"github.com/shoalcache/shoal/wire"
)

// spaces are the namespaces of a map as requests and stores need them. They never change once made.
type spaces struct {
	named map[string]space        // without those dropped
	live  map[uint64]bool         // the ids of those
	plain bool                    // keys without a prefix can be reached: the default namespace was never flushed
	dead  func(inner []byte) bool // the opposite of reachable; nil where nothing was ever flushed or dropped
}

// space is a namespace and the id of its keys.
type space struct {
	*ring.Namespace
	id uint64
}

func newSpaces(m *ring.Map, hash func([]byte) uint64) *spaces {
	s := &spaces{named: map[string]space{}, live: map[uint64]bool{}}
	for i := range m.Namespaces {
		ns := &m.Namespaces[i]
		if ns.Epoch > 0 || ns.Dropped {
			s.dead = func(inner []byte) bool { return !s.reachable(inner) }
		}
		if !ns.Dropped {
			s.add(ns, ns.ID(hash))
		}
	}
	if _, ok := s.named[ring.DefaultNamespace]; !ok {
		s.add(implied(), 0)
	}
	return s
}

func (s *spaces) add(ns *ring.Namespace, id uint64) {
	s.named[ns.Name] = space{ns, id}
	s.live[id] = true
	s.plain = s.plain || id == 0
}

// implied is the default namespace of a map that has none.
func implied() *ring.Namespace {
	return &ring.Namespace{
		Name: ring.DefaultNamespace, Replicas: ring.DefaultReplicas, Read: uint8(wire.LevelQuorum), Write: uint8(wire.LevelQuorum),
	}
}

// find returns the namespace that a request names.
func (s *spaces) find(name string) (space, bool) {
	if name == "" {
		name = ring.DefaultNamespace
	}
	found, ok := s.named[name]
	return found, ok
}

func (s *spaces) reachable(inner []byte) bool {
	if len(inner) == 0 || inner[0] != 0 {
		return s.plain
	}
	id, _ := ring.SplitInnerKey(inner)
	return s.live[id]
}

// Reachable reports whether any request can have inner as its inner key: it is of a namespace that is there, in its
// epoch. A replica takes and gives no other, so that a call from before a flush finds nothing after it.
func (v *View) Reachable(inner []byte) bool { return v.spaces.reachable(inner) }

// space returns the namespace of a request, and k, which Node.Locate made of it, with the inner key.
func (s *Shard) space(k storage.Key, r *wire.Request) (space, storage.Key, bool) {
	found, ok := s.view.spaces.find(r.Namespace)
	if ok && len(k.Bytes) > 0 && !ring.PlainKey(found.id, k.Bytes) {
		s.prefixed = ring.AppendInnerKey(s.prefixed[:0], found.id, k.Bytes)
		k.Bytes, k.Hash = s.prefixed, s.cfg.Hash(s.prefixed)
	}
	return found, k, ok
}

// noNamespace says what to do about a namespace that is not there.
func noNamespace(name string) string {
	if (&ring.Namespace{Name: name, Replicas: 1}).Validate() != nil {
		return fmt.Sprintf("no namespace %.80q, nor can there be: use a to z, 0 to 9 and . _ -", name)
	}
	return fmt.Sprintf("no namespace %q: create it with shoal namespace create %s", name, name)
}
