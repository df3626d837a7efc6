package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
)

// This file owns what nodes say of themselves.

const askMax = time.Second // for a node to tell its state

// stats asks every node, at once; who does not answer is nil.
func (c *cluster) stats(ctx context.Context) []*wire.NodeStats {
	nodes := c.members()
	all := make([]*wire.NodeStats, len(nodes))
	var asked sync.WaitGroup
	for i, n := range nodes {
		asked.Go(func() {
			if s, err := c.status.Stats(ctx, n.addr, client.WithTimeout(askMax)); err == nil {
				all[i] = &s
			}
		})
	}
	asked.Wait()
	return all
}

// serves reports whether a node answers.
func (c *cluster) serves(ctx context.Context, n *node) bool {
	_, err := c.status.Stats(ctx, n.addr, client.WithTimeout(askMax))
	return err == nil
}

// unwell is what keeps all nodes from having all of their memory, or "".
func (c *cluster) unwell(ctx context.Context) string {
	all := c.stats(ctx)
	for i, s := range all {
		name := fmt.Sprint("n", i+1)
		switch {
		case s == nil:
			return name + " does not answer"
		case s.State != "active":
			return name + " is " + s.State
		case s.Nodes != len(all) || s.NodesUp != len(all):
			return fmt.Sprintf("%s knows %d nodes, %d of them up", name, s.Nodes, s.NodesUp)
		case s.PartitionsOwned == 0 || s.PartitionsRecovering > 0:
			return fmt.Sprintf("%s recovers %d of %d partitions", name, s.PartitionsRecovering, s.PartitionsOwned)
		case s.MapHash != all[0].MapHash:
			return name + " holds another map than n1"
		}
	}
	return ""
}

// unsettled is unwell, or who owes hints.
func (c *cluster) unsettled(ctx context.Context) string {
	if what := c.unwell(ctx); what != "" {
		return what
	}
	for i, s := range c.stats(ctx) {
		switch {
		case s == nil:
			return fmt.Sprintf("n%d does not answer", i+1)
		case s.HintsOwed > 0:
			return fmt.Sprintf("n%d owes %d hints", i+1, s.HintsOwed)
		}
	}
	return ""
}

// evicted is how many records made room: of each node since its last start. A node that does not tell counts as a lot.
func (c *cluster) evicted(ctx context.Context) (sum int64) {
	for _, s := range c.stats(ctx) {
		n, ok := count(s, "storage", "evicted")
		if !ok {
			return math.MaxInt64
		}
		sum += n
	}
	return sum
}

// pressed is what a node's hints have come to on a disk that takes no more.
type pressed struct {
	Owed    int64 `json:"owed"`    // in memory
	Refused int64 `json:"refused"` // times that the disk did
	Dropped int64 `json:"dropped"` // for want of any room
}

// pressed asks a node that may not answer.
func (c *cluster) pressed(ctx context.Context, n *node) (p pressed) {
	if s, err := c.status.Stats(ctx, n.addr, client.WithTimeout(askMax)); err == nil {
		p.Owed, _ = count(&s, "hints", "owed")
		p.Refused, _ = count(&s, "hints", "log_failed")
		p.Dropped, _ = count(&s, "hints", "dropped")
	}
	return p
}

// count is one number of what a node says of itself.
func count(s *wire.NodeStats, pkg, name string) (n int64, ok bool) {
	if s == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(fmt.Sprint(s.Packages[pkg][name]), 10, 64)
	return n, err == nil
}
