package ring

import (
	"encoding/binary"
	"slices"
)

// Canonical bytes: one and only one byte string per value, big-endian numbers and strings behind their
// length, so that nodes agree on hashes and on which of two items is the greater: behind the key, version
// and state come first, since they decide first. The bytes are compared and hashed, never sent.

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func (n *Node) appendCanonical(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, n.ID)
	b = binary.BigEndian.AppendUint64(b, n.Version)
	b = append(b, byte(n.State))
	b = binary.BigEndian.AppendUint64(b, n.Boot)
	for _, s := range [...]string{n.Name, n.ClientAddr, n.PeerAddr, n.GossipAddr, n.Datacenter, n.Rack, n.RespAddr} {
		b = appendString(b, s)
	}
	return binary.BigEndian.AppendUint32(b, n.Weight)
}

func (ns *Namespace) appendCanonical(b []byte) []byte {
	b = appendString(b, ns.Name)
	b = binary.BigEndian.AppendUint64(b, ns.Version)
	b = append(b, ns.Replicas, ns.Read, ns.Write)
	if ns.Mode == 0 && ns.TTL == 0 && ns.Epoch == 0 && !ns.Dropped { // as it was before there were these
		return b
	}
	b = append(b, 0xff, byte(ns.Mode)) // with which no length of a name begins
	b = binary.BigEndian.AppendUint64(b, uint64(ns.TTL))
	b = binary.BigEndian.AppendUint32(b, ns.Epoch)
	if ns.Dropped {
		return append(b, 1)
	}
	return append(b, 0)
}

// Hash names the whole map: nodes compare it to learn that one of them knows something the other does not.
func (m *Map) Hash(hash func([]byte) uint64) uint64 {
	b := make([]byte, 0, 64+160*len(m.Nodes))
	b = binary.BigEndian.AppendUint64(b, m.ClusterID)
	b = appendString(b, m.Cluster)
	b = binary.BigEndian.AppendUint32(b, m.Partitions)
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Nodes)))
	for i := range m.Nodes {
		b = m.Nodes[i].appendCanonical(b)
	}
	for i := range m.Namespaces {
		b = m.Namespaces[i].appendCanonical(b)
	}
	return hash(b)
}

// PlacementHash names what two nodes must agree on before one of them speaks of keys to the other: who owns what
// (OwnersHash), and which keys can be reached (Namespace.ID). So a node that has not heard of a flush gets no old key
// from those that have. A level or TTL of a namespace leaves it as it was.
func (m *Map) PlacementHash(hash func([]byte) uint64) uint64 {
	b := m.appendOwners(nil)
	for i := range m.Namespaces {
		if ns := &m.Namespaces[i]; !ns.Dropped {
			if id := ns.ID(hash); id != 0 { // there always was one of 0
				b = binary.BigEndian.AppendUint64(b, id)
			}
		}
	}
	return hash(b)
}

// OwnersHash names what placement is computed from, and nothing else: maps that agree on it place every
// partition on the same nodes. A restart (boot, addresses), a rename, a node that is only joining and a
// namespace of no more replicas leave it as it was; a node that begins or ceases to own changes it.
func (m *Map) OwnersHash(hash func([]byte) uint64) uint64 { return hash(m.appendOwners(nil)) }

func (m *Map) appendOwners(b []byte) []byte {
	b = slices.Grow(b, 64+48*len(m.Nodes)+80*len(m.Namespaces))
	b = binary.BigEndian.AppendUint32(b, m.Partitions)
	b = append(b, byte(m.Replicas()))
	for i := range m.Nodes {
		if n := &m.Nodes[i]; n.State.Owns() {
			b = binary.BigEndian.AppendUint64(b, n.ID)
			b = appendString(b, n.Datacenter)
			b = appendString(b, n.Rack)
			b = binary.BigEndian.AppendUint32(b, n.Weight)
		}
	}
	return b
}

// DefaultReplicas is N where the map has no namespace.
const DefaultReplicas = 3

// Replicas is the longest list any namespace takes; the others take a prefix of it in each datacenter.
func (m *Map) Replicas() int {
	n := uint8(0)
	for i := range m.Namespaces {
		n = max(n, m.Namespaces[i].Replicas)
	}
	if n == 0 {
		return DefaultReplicas
	}
	return int(n)
}
