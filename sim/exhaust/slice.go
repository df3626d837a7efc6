package exhaust

// This file owns what there is to be tried.

// Kind is what an operation does.
type Kind uint8

// The kinds.
const (
	Get Kind = iota
	Set
	Delete
)

var kindNames = [...]string{"get", "set", "delete"}

// String names the kind.
func (k Kind) String() string { return kindNames[k] }

// Op is one operation on the key, asked of Node, 0 to 2: at any moment, or at any after operation After, from 1, was
// answered or its client hung up.
type Op struct {
	Node  int
	Kind  Kind
	After int
}

// Slice is a set of runs: all that these operations, and at most so many faults, can come to.
type Slice struct {
	Name      string
	Ops       []Op // at most 8
	Evictions int  // of the key, at any node
	Drops     int  // of the ghost that an eviction left
	Restarts  int  // without memory
	Losses    int  // of messages
	FaultsMax int  // of these four together
	Passes    int  // how often, once no message is under way, the time of every timeout may pass
	Weak      bool // one vote reads and one writes, which promises little: for tests of the judge
}

// Slices are those that are tried before a release. Each is complete: the more operations overlap, the fewer faults
// fit beside them.
func Slices() []Slice {
	// The first is asked of the node whose clock is ahead of the others, the second of the one whose clock is behind.
	inTurn := func(kinds ...Kind) (ops []Op) {
		for i, k := range kinds {
			ops = append(ops, Op{Node: (i + 1) % nodes, Kind: k, After: i})
		}
		return ops
	}
	return []Slice{
		{Name: "write, write, delete", Ops: inTurn(Set, Set, Delete)},
		{Name: "write, then write and read at once", Ops: []Op{{Node: 0, Kind: Set}, {Node: 1, Kind: Set, After: 1}, {Node: 2, Kind: Get, After: 1}}},
		{Name: "write and delete at once", Ops: []Op{{Node: 0, Kind: Set}, {Node: 1, Kind: Delete}}},
		{Name: "write, delete, read; eviction, ghost dropped", Ops: inTurn(Set, Delete, Get), Evictions: 1, Drops: 1, FaultsMax: 2},
		{Name: "write, write, read; two evictions", Ops: inTurn(Set, Set, Get), Evictions: 2, FaultsMax: 2},
		{Name: "write, write, read; message lost, eviction", Ops: inTurn(Set, Set, Get), Evictions: 1, Losses: 1, FaultsMax: 2},
		{Name: "write, read; restart, message lost", Ops: inTurn(Set, Get), Restarts: 1, Losses: 1, FaultsMax: 2, Passes: 1},
		{Name: "write, read; restart, eviction", Ops: inTurn(Set, Get), Restarts: 1, Evictions: 1, FaultsMax: 2, Passes: 1},
		{Name: "write, write, read; restart", Ops: inTurn(Set, Set, Get), Restarts: 1, FaultsMax: 1, Passes: 1},
	}
}
