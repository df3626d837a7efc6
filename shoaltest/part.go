package shoaltest

import (
	"context"
	"fmt"

	"github.com/shoalcache/shoal/server"
)

// parts are the sides of a cluster whose network is parted.
type parts struct {
	side []int          // of each node
	node map[string]int // whose address that is
}

// reach reports whether node i reaches the node at addr.
func (p *parts) reach(i int, addr string) bool {
	if p == nil {
		return true
	}
	j, ok := p.node[addr]
	return !ok || p.side[i] == p.side[j]
}

// Part cuts the network between nodes: those on different sides, each given by the numbers of its nodes, hear nothing of each
// other any more; those on no side make one of their own. Clients reach all of them as before. It returns once every
// running node has the others for down. Parting again replaces the sides.
func (c *Cluster) Part(sides ...[]int) error {
	c.mu.Lock()
	p := &parts{side: make([]int, len(c.configs)), node: map[string]int{}}
	for i := range c.configs {
		p.node[c.configs[i].PeerAddr], p.node[c.configs[i].GossipAddr] = i, i
	}
	c.mu.Unlock()
	for s, side := range sides {
		for _, i := range side {
			if i < 0 || i >= len(p.side) {
				return fmt.Errorf("shoaltest: parting: there is no node %d: use 0 to %d", i, len(p.side)-1)
			}
			if p.side[i] != 0 {
				return fmt.Errorf("shoaltest: parting: node %d is on two sides", i)
			}
			p.side[i] = s + 1
		}
	}
	c.parts.Store(p)
	return c.settle("parting")
}

// Heal ends what Part began, and returns once all running nodes see each other. What one side owes the other comes after
// that.
func (c *Cluster) Heal() error {
	c.parts.Store(nil)
	return c.settle("healing")
}

// sides are the running nodes, those of each side together.
func (c *Cluster) sides() [][]*server.Node {
	p := c.parts.Load()
	of := map[int]int{}
	var sides [][]*server.Node
	for i, n := range c.Nodes() {
		if stopped(n) {
			continue
		}
		side := 0
		if p != nil {
			side = p.side[i]
		}
		at, ok := of[side]
		if !ok {
			at = len(sides)
			of[side], sides = at, append(sides, nil)
		}
		sides[at] = append(sides[at], n)
	}
	return sides
}

// settle waits until the nodes of each side see each other and nobody else.
func (c *Cluster) settle(what string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.wait(ctx, whole); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
