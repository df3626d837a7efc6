package server

import (
	"time"

	"go.uber.org/zap"

	"github.com/shoalcache/shoal/datadir"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/replica"
)

// DefaultHintsDisk is what a node's hints may take on disk when Config.HintsDisk is not set, in bytes.
const DefaultHintsDisk = 1 << 30

// hintsDiskMin is the least that they may take: a hint as large as hints come has room for itself and what else is owed to its
// node.
const hintsDiskMin = 128 << 20

const (
	hintPause  = 2 * time.Millisecond // between two rounds while there is much to do
	hintsSaved = 3 * time.Second      // that a stopping node takes to write what is owed, at most
)

// hintsLogged reports whether the node's hints go to disk.
func (c *Config) hintsLogged() bool { return c.HintsDisk > 0 && c.DataDir != NoDataDir }

// openHints finds the files of hints; what is in them is read later, by logHints.
func (n *Node) openHints() {
	if !n.cfg.hintsLogged() {
		return
	}
	n.hintLog = n.dir.HintLog(hints.DefaultLogConfig(n.cfg.HintsDisk), n.cfg.Limits, func(what string, err error) { n.log.Warn(what, zap.Error(err)) })
}

// hintQueues are those of the shards, as the log sees them.
func (n *Node) hintQueues() datadir.HintQueues {
	return n.core.HintQueues(n.view.Load(), func(i int, f func(*replica.Shard)) {
		s := &n.shards[i]
		s.mu.Lock()
		defer s.mu.Unlock()
		f(s.Shard)
	})
}

// logHints keeps hints on disk, and brings back from there what their targets take, until the node stops. It then writes
// what was not written yet.
func (n *Node) logHints() {
	defer n.hintLog.Close()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-n.ctx.Done():
			for end := n.clock.now().Mono + hintsSaved; n.clock.now().Mono < end && n.hintLog.Write(n.clock.now(), n.hintQueues()); {
			}
			return
		case <-next.C:
		}
		again := n.hintLog.Round(n.clock.now(), n.hintQueues())
		stats := n.hintLog.Stats()
		n.hintStats.Store(&stats)
		if again {
			next.Reset(hintPause)
		} else {
			next.Reset(datadir.HintPeriod)
		}
	}
}
