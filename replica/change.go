package replica

import (
	"fmt"
	"math"
	"strings"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// ChangeNamespace does what a client wants done to a namespace. It returns the namespace as the map has it then, and
// whether that changed. Errors are *wire.BadRequestError and *wire.NamespaceError, or Merge's; after one nothing has.
func (n *Node) ChangeNamespace(c *wire.NamespaceChange) (ns ring.Namespace, changed bool, err error) {
	if ns, err = changeNamespace(n.m, c); err != nil {
		return ns, false, err
	}
	changed, err = n.Merge(n.m.WithNamespace(ns))
	return ns, changed, err
}

// changeNamespace is the namespace as it should be; the same version says that it is so already.
func changeNamespace(m *ring.Map, c *wire.NamespaceChange) (ns ring.Namespace, err error) {
	base := m.Namespace(ring.DefaultNamespace)
	if base == nil {
		base = implied()
	}
	old := m.Namespace(c.Name)
	if old == nil && c.Name == ring.DefaultNamespace {
		old = base
	}
	switch {
	case c.Replicas > base.Replicas: // to have more, every partition of the cluster would have to move
		return ns, refused("%d replicas: a namespace has as many as the cluster was founded with, %d, or fewer", c.Replicas, base.Replicas)
	case c.Action == wire.NamespaceCreate:
		ns, err = createNamespace(m, base, old, c)
	case c.Action != wire.NamespaceSet && c.Action != wire.NamespaceFlush && c.Action != wire.NamespaceDrop:
		return ns, refused("unknown action %.64q: use one of %s, %s, %s, %s", c.Action, wire.NamespaceCreate, wire.NamespaceSet, wire.NamespaceFlush, wire.NamespaceDrop)
	case old == nil, old.Dropped && c.Action != wire.NamespaceDrop:
		return ns, &wire.NamespaceError{Op: wire.OpNamespace, Text: noNamespace(c.Name)}
	case c.Action == wire.NamespaceSet:
		ns, err = setNamespace(*old, c)
	case old.Dropped: // so a drop may be asked for twice
		return *old, nil
	case c.Action == wire.NamespaceDrop && c.Name == ring.DefaultNamespace:
		return ns, refused("the default namespace cannot be dropped: flush it")
	default:
		if ns, err = emptied(*old); err == nil {
			ns.Dropped = c.Action == wire.NamespaceDrop
		}
	}
	if err == nil {
		err = valid(&ns)
	}
	return ns, err
}

// createNamespace is a namespace that is not there, or is as it should be.
func createNamespace(m *ring.Map, base, old *ring.Namespace, c *wire.NamespaceChange) (ns ring.Namespace, err error) {
	ns = ring.Namespace{Name: c.Name, Replicas: base.Replicas, Read: base.Read, Write: base.Write, Version: 1}
	if c.Mode != "" {
		if ns.Mode, err = ring.ParseMode(c.Mode); err != nil {
			return ns, refused("%v", err)
		}
	}
	if c.Replicas != 0 {
		ns.Replicas = c.Replicas
	}
	if err := settings(&ns, c); err != nil {
		return ns, err
	}
	switch {
	case old == nil && len(m.Namespaces) >= ring.NamespacesMade:
		return ns, refused("the cluster has %d namespaces, dropped ones included: use one that is there, or create a dropped one again", len(m.Namespaces))
	case old == nil:
		return ns, nil
	case old.Dropped:
		again, err := emptied(*old)
		ns.Version, ns.Epoch = again.Version, again.Epoch
		return ns, err
	}
	ns.Version, ns.Epoch = old.Version, old.Epoch
	if ns != *old {
		return ns, refused("namespace %q is there with other settings: change them with shoal namespace set %s, or drop it first", c.Name, c.Name)
	}
	return ns, nil
}

// setNamespace is old with the settings that c has.
func setNamespace(old ring.Namespace, c *wire.NamespaceChange) (ns ring.Namespace, err error) {
	ns = old
	switch {
	case c.Mode != "" && c.Mode != old.Mode.String():
		return ns, refused("the mode of a namespace cannot be changed: %q has %v: create another one", c.Name, old.Mode)
	case c.Replicas != 0 && c.Replicas != old.Replicas:
		return ns, refused("the replicas of a namespace cannot be changed: %q has %d: create another one", c.Name, old.Replicas)
	case c.Read == "" && c.Write == "" && c.TTL == nil:
		return ns, refused("nothing to set: name a level of reads or of writes, or a TTL")
	}
	if err := settings(&ns, c); err != nil {
		return ns, err
	}
	if ns != old {
		ns.Version++
	}
	return ns, nil
}

// settings are those that can be changed later.
func settings(ns *ring.Namespace, c *wire.NamespaceChange) error {
	for _, x := range []struct {
		name string
		to   *uint8
	}{{c.Read, &ns.Read}, {c.Write, &ns.Write}} {
		if x.name == "" {
			continue
		}
		level, err := wire.ParseLevel(x.name)
		if err == nil && level == wire.LevelDefault {
			err = fmt.Errorf("level %v is what a namespace is asked for: name another", level)
		}
		if err != nil {
			return refused("%s", strings.TrimPrefix(err.Error(), "wire: "))
		}
		*x.to = uint8(level)
	}
	if c.TTL != nil {
		ns.TTL = *c.TTL
	}
	return nil
}

// emptied is ns without any of its keys.
func emptied(ns ring.Namespace) (ring.Namespace, error) {
	if ns.Epoch == math.MaxUint32 {
		return ns, refused("namespace %q was flushed too often: create another one", ns.Name)
	}
	ns.Version++
	ns.Epoch++
	return ns, nil
}

func valid(ns *ring.Namespace) error {
	if err := ns.Validate(); err != nil {
		return refused("%s", strings.ReplaceAll(strings.ReplaceAll(err.Error(), ring.ErrMap.Error()+": ", ""), "\n", "; "))
	}
	return nil
}

func refused(format string, args ...any) error {
	return &wire.BadRequestError{Op: wire.OpNamespace, Text: fmt.Sprintf(format, args...)}
}
