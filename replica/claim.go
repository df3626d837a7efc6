package replica

import (
	"errors"
	"fmt"

	"github.com/shoalcache/shoal/ring"
)

// ErrOusted says that the cluster map gives this node's place to another: this one has to end.
var ErrOusted = errors.New("replica: this node has no place in the cluster")

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
			return false, fmt.Errorf("%w: another node named %q joined first (%016x), and two nodes of one name cannot be in one cluster: choose another name", ErrOusted, me.Name, x.ID)
		}
	}
	switch {
	case mine.State == ring.Removed:
		return false, fmt.Errorf("%w: it was removed: start it with an empty data directory to join anew", ErrOusted)
	case mine.Boot > me.Boot:
		return false, fmt.Errorf("%w: another process runs under its id: stop one of them", ErrOusted)
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
