package ring

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// DefaultNamespace is the namespace of every request that names none. It cannot be dropped.
const DefaultNamespace = "default"

// TTLMax is the longest TTL in milliseconds, a hundred years, which keeps deadlines far from overflow.
const TTLMax = 100 * 365 * 24 * 3600 * 1000

// Mode is what a namespace keeps of writes that did not know of each other.
type Mode uint8

// The modes. Numbers are part of the protocol.
const (
	LWW      Mode = 0 // the last one, by its stamp
	Siblings Mode = 1 // all of them, until a write that has seen them
)

var modeNames = [...]string{"lww", "siblings"}

// ErrMode is returned for a mode that does not exist.
var ErrMode = errors.New("ring: unknown mode")

// String names the mode.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("mode(%d)", uint8(m))
}

// ParseMode reads a mode's name; ErrMode lists the names there are.
func ParseMode(s string) (Mode, error) {
	if i := slices.Index(modeNames[:], s); i >= 0 {
		return Mode(i), nil
	}
	return 0, fmt.Errorf("%w %q: use one of %s", ErrMode, s, strings.Join(modeNames[:], ", "))
}

// Namespace is the part of the key space that shares a configuration. Every change raises Version.
type Namespace struct {
	Name     string
	Replicas uint8 // N, in each datacenter; fixed when it is created
	Read     uint8 // default level of reads, a number that only wire interprets
	Write    uint8 // default level of writes, likewise
	Version  uint64
	Mode     Mode   // fixed when it is created
	TTL      int64  // milliseconds that a write lives which says nothing of it; 0: for ever
	Epoch    uint32 // raised by a flush and by a drop; keys of another epoch cannot be reached
	Dropped  bool   // a gravestone: it stays, so that a late copy of the map does not bring the namespace back
}

// ID names the namespace in its epoch, with what was fixed when it was created: nothing of two epochs, or of two
// namespaces, has one id. So of one that was created twice, on two sides of a partition, with other modes or replicas, the
// keys of the side that loses cannot be reached any more, and no rule has to hold between the two. 0 is the id of the default
// one that was never flushed.
func (ns *Namespace) ID(hash func([]byte) uint64) uint64 {
	if ns.Name == DefaultNamespace && ns.Epoch == 0 {
		return 0
	}
	b := append(appendString(nil, ns.Name), byte(ns.Mode), ns.Replicas)
	return max(hash(binary.BigEndian.AppendUint32(b, ns.Epoch)), 1)
}

// Merge returns what two nodes know together of one namespace: the greater of the two by version and then canonical
// bytes, in the later of their epochs. An epoch never falls: else a setting that the other side of a
// partition changed more often would undo a flush. As the join of two orders it is commutative, associative, idempotent.
func (ns Namespace) Merge(other Namespace) Namespace {
	epoch := max(ns.Epoch, other.Epoch)
	ns.Epoch, other.Epoch = 0, 0
	if ns != other && bytes.Compare(ns.appendCanonical(nil), other.appendCanonical(nil)) < 0 {
		ns = other
	}
	ns.Epoch = epoch
	return ns
}

// Namespace returns the namespace of that name, dropped or not, or nil. What it points to belongs to the map: do not
// change it.
func (m *Map) Namespace(name string) *Namespace {
	if i, ok := m.findNamespace(name); ok {
		return &m.Namespaces[i]
	}
	return nil
}

// WithNamespace returns a copy in which ns replaces the namespace of its name, or is added; raise
// ns.Version above the replaced one's.
func (m *Map) WithNamespace(ns Namespace) *Map {
	c := m.Clone()
	if i, ok := c.findNamespace(ns.Name); ok {
		c.Namespaces[i] = ns
	} else {
		c.Namespaces = slices.Insert(c.Namespaces, i, ns)
	}
	return c
}

func (m *Map) findNamespace(name string) (int, bool) {
	return slices.BinarySearchFunc(m.Namespaces, name, func(n Namespace, s string) int { return cmp.Compare(n.Name, s) })
}

// Validate returns every problem of the namespace at once, joined, or nil.
func (ns *Namespace) Validate() error {
	var v problems
	v.namespace(ns)
	return errors.Join(v...)
}

func (v *problems) namespace(ns *Namespace) {
	v.check(ns.Name != "", "a namespace has no name")
	v.name("namespace", ns.Name, NameMax)
	v.check(!strings.ContainsFunc(ns.Name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
	}), "namespace %.64q: use a to z, 0 to 9 and . _ - in its name", ns.Name)
	v.check(ns.Replicas >= 1 && ns.Replicas <= ReplicasMax,
		"namespace %.64q has %d replicas: use 1 to %d", ns.Name, ns.Replicas, ReplicasMax)
	v.check(int(ns.Mode) < len(modeNames), "namespace %.64q has %v: use one of %s", ns.Name, ns.Mode, strings.Join(modeNames[:], ", "))
	v.check(ns.TTL >= 0 && ns.TTL <= TTLMax, "namespace %.64q has a TTL of %d ms: use 1 ms to 100 years, or 0 for none", ns.Name, ns.TTL)
	v.check(!ns.Dropped || ns.Name != DefaultNamespace, "namespace %q cannot be dropped", DefaultNamespace)
}
