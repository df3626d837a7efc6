package server

import (
	"time"

	"go.uber.org/zap"

	"github.com/shoalcache/shoal/vclock"
)

// ceilingPeriod is the time between raises, much less than the ceiling is ahead.
const ceilingPeriod = 500 * time.Millisecond

// promised is the ceiling on disk: no stamp above it is made or stored.
func (n *Node) promised() vclock.Stamp {
	n.ceilingMu.Lock()
	defer n.ceilingMu.Unlock()
	return n.ceiling
}

// wantCeiling asks for a ceiling above s, soon.
func (n *Node) wantCeiling(s vclock.Stamp) {
	n.ceilingMu.Lock()
	if s > n.wanted {
		n.wanted = s
	}
	n.ceilingMu.Unlock()
	select {
	case n.raise <- struct{}{}:
	default:
	}
}

// raiseCeiling puts a ceiling ahead of the clock, and of what is wanted, on disk.
func (n *Node) raiseCeiling() error {
	n.ceilingMu.Lock()
	c := max(n.ceiling, n.view.Load().Ceiling(n.clock.now(), n.wanted))
	n.ceilingMu.Unlock()
	if err := n.dir.SaveCeiling(c); err != nil {
		return err
	}
	n.ceilingMu.Lock()
	n.ceiling = c
	n.ceilingMu.Unlock()
	for i := range n.shards {
		s := &n.shards[i]
		s.mu.Lock()
		s.SetCeiling(c)
		s.mu.Unlock()
	}
	return nil
}

// ceilings keeps the ceiling ahead. While the disk refuses, writes wait and then fail: this node must not
// promise what it could forget.
func (n *Node) ceilings() {
	t := time.NewTicker(ceilingPeriod)
	defer t.Stop()
	failing := false
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
		case <-n.raise:
		}
		err := n.raiseCeiling()
		if err != nil {
			n.counts.ceilingsFailed.Add(1)
			if !failing {
				n.log.Error("the stamp ceiling cannot be saved: this node takes no writes until it can", zap.Error(err))
			}
		}
		failing = err != nil
		n.readonly.Store(failing)
	}
}
