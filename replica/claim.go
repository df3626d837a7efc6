package replica

import (
	"errors"
	"fmt"

	"github.com/shoalcache/shoal/ring"
)

// ErrOusted says that the cluster map gives this node's place to another: this one has to end.
var ErrOusted = errors.New("replica: this node has no place in the cluster")

// ErrForgotten says that another node's map has a later boot of this node than its floor covers: its directory is an
// older copy, and it may have answered below what it acknowledged. It has to end, and to begin again above PromisedMax.
var ErrForgotten = errors.New("replica: this node does not know what it promised last")

// remembers reports whether all that the cluster may have of this node is of boots that its floor covers, or of this
// one or a later, which Claim judges.
func (n *Node) remembers(m *ring.Map) bool {
	mine := m.Node(n.cfg.Self.Node)
	return mine == nil || mine.Boot <= n.cfg.Covered || mine.Boot >= n.cfg.Self.Boot
}

// Claim holds the map against what this node is, me, and puts right what it says wrongly: of this node, and of later
// nodes of its name, which must not stay owners. It returns whether the map changed. After
// ErrOusted nothing has: then it is this node that is in the wrong place, and has to end.
func (n *Node) Claim(me ring.Node) (changed bool, err error) {
	mine := n.m.Node(me.ID)
	if mine == nil {
		return false, nil
	}
	for i := range n.m.Nodes {
		if x := &n.m.Nodes[i]; rivals(x, &me) && (x.Boot < me.Boot || x.Boot == me.Boot && x.ID < me.ID) {
			return false, fmt.Errorf("%w: another node named %q joined first (%016x), and two nodes of one name cannot be in one cluster: choose another name, and an empty data directory", ErrOusted, me.Name, x.ID)
		}
	}
	switch {
	case mine.State == ring.Removed:
		return false, fmt.Errorf("%w: it was removed: start it with an empty data directory to join anew", ErrOusted)
	case mine.Boot > me.Boot:
		return false, fmt.Errorf("%w: another process runs under its id: stop one of them, and start it with an empty data directory and another name", ErrOusted)
	}
	claimed := n.m
	if me.Version, me.State = mine.Version, mine.State; *mine != me {
		me.Version++
		claimed = claimed.With(me)
	}
	for _, x := range n.m.Nodes {
		if rivals(&x, &me) {
			x.State, x.Version = ring.Removed, x.Version+1
			claimed = claimed.With(x)
		}
	}
	if claimed == n.m {
		return false, nil
	}
	return n.Merge(claimed)
}

// rivals reports whether x is another node, not removed, with the name of me.
func rivals(x, me *ring.Node) bool {
	return x.Name == me.Name && x.ID != me.ID && x.State != ring.Removed
}
