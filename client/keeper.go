package client

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

const (
	refreshPeriod = 30 * time.Second // between looks at the map when nothing calls for one, jittered by a third
	refreshMin    = time.Second      // between two looks, whatever calls for them
)

// keeper is what keeps the routes up to date: one goroutine, so that no call ever compiles a map.
type keeper struct {
	poke    chan struct{} // somebody noticed something
	stale   atomic.Bool   // a seed turned out to be another node than before
	retired []*link       // without new calls, until those under way have ended
}

// wake asks for a look at the map soon.
func (k *keeper) wake() {
	select {
	case k.poke <- struct{}{}:
	default: // it has been asked already
	}
}

// keep fetches the map at once, when something calls for it, and now and then.
func (c *Client) keep() {
	for {
		began := sinceEpoch()
		pause := c.look()
		if !c.sleep(pause, c.keeper.poke) || !c.sleep(refreshMin-(sinceEpoch()-began), nil) {
			return
		}
	}
}

// look fetches the map and returns when to do so again.
func (c *Client) look() time.Duration {
	select {
	case <-c.keeper.poke: // what was noticed until now is what this look is for
	default:
	}
	err := c.refresh(c.life)
	c.sweep()
	if err == nil && len(c.keeper.retired) > 0 {
		return 2 * refreshMin // those that were busy will not be for long
	}
	if err == nil || c.life.Err() != nil {
		return refreshPeriod - rand.N(refreshPeriod/3)
	}
	c.counts.mapsFailed.Add(1)
	c.options.log.Warn("cannot fetch the cluster map", slog.Any("error", err))
	return 2 * refreshMin
}

// sleep returns after d, or when early says so; false when the client closes.
func (c *Client) sleep(d time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-c.life.Done():
		return false
	}
	return true
}

// refresh fetches the map, and makes new routes of it if it says anything new.
func (c *Client) refresh(ctx context.Context) error {
	m, err := c.fetch(ctx)
	if err != nil {
		return err
	}
	old := c.routes.Load()
	if id := c.cluster.Load(); id != 0 && m.ClusterID != id {
		return fmt.Errorf("client: the map is of cluster %016x, the nodes are of %016x", m.ClusterID, id)
	}
	if old.cluster != nil {
		if m, _, err = ring.Merge(old.cluster, m); err != nil {
			return err
		}
	}
	stale := c.keeper.stale.Swap(false)
	if old.cluster != nil && old.hash == m.Hash(xxhash.Sum64) && !stale {
		return nil
	}
	if c.near.datacenter == "" { // better than the first in the alphabet: where somebody answered first
		for _, s := range c.seeds {
			if n := m.Node(s.node.Load()); n != nil && s.connected() != nil {
				c.near.datacenter = n.Datacenter
				break
			}
		}
	}
	next, err := compile(m, c.near, c.linkTo, c.seeds)
	if err != nil {
		return err
	}
	c.preferred.Store(0)
	c.routes.Store(next)
	c.retire(next)
	c.counts.maps.Add(1)
	c.options.log.Info("the cluster map changed", slog.Int("nodes", len(m.Nodes)))
	return nil
}

func (c *Client) fetch(ctx context.Context) (*ring.Map, error) {
	k := c.call(wire.OpMap, "", nil)
	defer k.release()
	now := sinceEpoch()
	k.begin(now)
	if err := c.finish(ctx, k, c.begin(ctx, k, now)); err != nil {
		return nil, err
	}
	return wire.DecodeMap(k.response.Value)
}

// linkTo returns the link to a node: a seed that leads to it where there is one, for the client reached that, or else its
// address in the map.
func (c *Client) linkTo(n *ring.Node) *link {
	for _, s := range c.seeds {
		if s.node.Load() == n.ID && s.connected() != nil {
			return s
		}
	}
	return c.link(n.ClientAddr)
}

// retire lets go of links that the routes no longer have.
func (c *Client) retire(r *routes) {
	used := map[*link]bool{}
	for _, l := range r.links {
		used[l] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for addr, l := range c.links {
		if !used[l] && !l.asked.Load() {
			delete(c.links, addr)
			c.keeper.retired = append(c.keeper.retired, l)
		}
	}
}

// sweep closes the connections of retired links once nobody waits there for an answer.
func (c *Client) sweep() {
	left := c.keeper.retired[:0]
	for _, l := range c.keeper.retired {
		if !l.retire() {
			left = append(left, l)
		}
	}
	clear(c.keeper.retired[len(left):])
	c.keeper.retired = left
}
