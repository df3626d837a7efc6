package ring

import (
	"cmp"
	"fmt"
	"slices"
)

// State is where a node stands in its life in the cluster. It only grows, and Removed is final for an id.
type State uint8

// The states. Numbers are part of the protocol; zero is none of them.
const (
	Joining State = 1 // known to all, owns nothing yet
	Active  State = 2 // owns its share
	Leaving State = 3 // owns its share until what it holds has moved
	Removed State = 4 // a gravestone: the id is never used again
)

var stateNames = [...]string{"state(0)", "joining", "active", "leaving", "removed"}

// String names the state.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Owns reports whether a node of this state has partitions.
func (s State) Owns() bool { return s == Active || s == Leaving }

// StandardWeight is the weight of an ordinary node, in hundredths.
const StandardWeight = 100

// Node is one node as the cluster map knows it. Every change raises Version.
type Node struct {
	ID         uint64 // random, never 0, never used again once removed
	Boot       uint64 // of the running process; with ID the author of dots
	Name       string // for people; need not be unique
	ClientAddr string // host:port, native clients
	RespAddr   string // host:port, Redis clients; may be empty
	PeerAddr   string // host:port, links between nodes
	GossipAddr string // host:port
	Datacenter string // owners are chosen in each
	Rack       string // owners of a partition avoid sharing one
	Weight     uint32 // hundredths of a standard node, 1 to WeightMax; twice the weight owns twice as much
	State      State
	Version    uint64
}

// Map is the cluster map: who is there, and how data is spread. It is a value: what changes it returns
// another, so that a Map handed out may be read without a lock for ever.
type Map struct {
	ClusterID  uint64      // random, made once by the first node
	Cluster    string      // the cluster's name
	Partitions uint32      // a power of two up to Slots, fixed at birth
	Nodes      []Node      // sorted by ID, removed ones included
	Namespaces []Namespace // sorted by Name
}

// Node returns the node with that id, or nil. What it points to belongs to the map: do not change it.
func (m *Map) Node(id uint64) *Node {
	if i, ok := m.find(id); ok {
		return &m.Nodes[i]
	}
	return nil
}

// Clone returns a copy that shares no memory with m.
func (m *Map) Clone() *Map {
	c := *m
	c.Nodes = slices.Clone(m.Nodes)
	c.Namespaces = slices.Clone(m.Namespaces)
	return &c
}

// With returns a copy in which n replaces the node of its id, or is added. Whether it stands is decided
// when maps merge: raise n.Version above the replaced one's.
func (m *Map) With(n Node) *Map {
	c := m.Clone()
	if i, ok := c.find(n.ID); ok {
		c.Nodes[i] = n
	} else {
		c.Nodes = slices.Insert(c.Nodes, i, n)
	}
	return c
}

func (m *Map) find(id uint64) (int, bool) {
	return slices.BinarySearchFunc(m.Nodes, id, func(n Node, id uint64) int { return cmp.Compare(n.ID, id) })
}
