package gossip

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"go.uber.org/zap"

	"github.com/shoalcache/shoal/vclock"
)

// The cluster map goes out in two ways: with every full exchange, which memberlist begins, and at once to
// all when it has changed, which is done here.

// state is this node's map on its way out. One over the limit would be refused everywhere, so it stays here.
func (g *Gossip) state() state {
	g.view.mu.Lock()
	s := state{from: g.cfg.Self, cluster: g.view.cluster}
	g.view.mu.Unlock()
	if g.cfg.State != nil {
		s.body = g.cfg.State()
	}
	if len(s.body) > stateMax {
		g.log.Error("the cluster map is too large to be sent", zap.Int("bytes", len(s.body)), zap.Int("most", stateMax))
		s.body = nil
	}
	return s
}

// spreadStates sends the state around when it has changed, at most one round per gossip period.
func (g *Gossip) spreadStates() {
	for {
		select {
		case <-g.spread:
		case <-g.ctx.Done():
			return
		}
		b := g.state().encode()
		var to []*memberlist.Node
		for id, n := range g.Alive() {
			if at, err := netip.ParseAddrPort(n.Addr); err == nil && id != g.cfg.Self.Node {
				name := vclock.Actor{Node: id, Boot: n.Boot}.String()
				to = append(to, &memberlist.Node{Name: name, Addr: at.Addr().AsSlice(), Port: at.Port()})
			}
		}
		each(to, func(n *memberlist.Node) {
			if g.ctx.Err() != nil {
				return
			}
			if err := g.list.SendReliable(n, b); err != nil {
				g.count.failedSends.Add(1)
			}
		})
		select {
		case <-time.After(g.cfg.Timings.Gossip):
		case <-g.ctx.Done():
			return
		}
	}
}

// eachAtOnce is how many connections are opened at once: enough that a few nodes that do not answer
// hold nobody up, few enough that a large cluster does not flood itself.
const eachAtOnce = 16

// each does something for every item, some at once, and returns when all is done.
func each[T any](items []T, do func(T)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, eachAtOnce)
	for _, it := range items {
		slots <- struct{}{}
		wg.Go(func() {
			do(it)
			<-slots
		})
	}
	wg.Wait()
}
