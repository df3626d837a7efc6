package server

import (
	"cmp"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/shoalcache/shoal/datadir"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/replica"
	"github.com/shoalcache/shoal/wire"
)

// DefaultHintsDisk is what a node's hints may take on disk when Config.HintsDisk is not set, in bytes.
const DefaultHintsDisk = 1 << 30

// HintsDiskMin is the least that they may take: a hint as large as hints come has room for itself and what else is owed to its
// node.
const HintsDiskMin = 128 << 20

// hintsSaved is what a stopping node takes to write what is owed, or to hand it over, at most.
const hintsSaved = 3 * time.Second

// hintsLogged reports whether the node's hints go to disk.
func (c *Config) hintsLogged() bool { return c.HintsDisk > 0 && c.DataDir != NoDataDir }

// openHints finds the files of hints; what is in them is read later, by logHints.
func (n *Node) openHints() {
	if !n.cfg.hintsLogged() {
		return
	}
	n.hintLog = n.dir.HintLog(hints.DefaultLogConfig(n.cfg.HintsDisk), n.cfg.Limits, func(what string, err error) { n.log.Warn(what, zap.Error(err)) })
	n.logged.Store(look(n.hintLog))
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
		wait := n.hintLog.Round(n.clock.now(), n.hintQueues())
		n.logged.Store(look(n.hintLog))
		next.Reset(wait)
	}
}

// logged is what there is on disk of hints.
type logged struct {
	stats   datadir.HintLogStats
	targets []onDisk
}

type onDisk struct {
	target        uint64
	bytes, unread int64
}

func look(h *datadir.HintLog) *logged {
	l := &logged{stats: h.Stats()}
	for _, target := range h.Targets() {
		x := onDisk{target: target}
		x.bytes, x.unread = h.Of(target)
		l.targets = append(l.targets, x)
	}
	return l
}

// debtsMax is how many nodes a node tells what it owes them.
const debtsMax = 256

// debts is what the node owes to each other, or has delivered: those that it owes most first.
func (n *Node) debts(of []hints.Debt, l *logged) []wire.HintDebt {
	wall, byNode := n.clock.now().Wall, map[uint64]*wire.HintDebt{}
	at := func(node uint64) *wire.HintDebt {
		if byNode[node] == nil {
			byNode[node] = &wire.HintDebt{Node: node}
			if x := n.view.Load().Map.Node(node); x != nil {
				byNode[node].Name = x.Name
			}
		}
		return byNode[node]
	}
	for _, d := range of {
		x := at(d.Target)
		x.Owed, x.MemoryBytes, x.Delivered, x.Dropped, x.Expired = int64(d.Owed), d.Bytes, d.Delivered, d.Dropped, d.Expired
		x.HandedOver, x.Taken = d.HandedOver, d.Taken
		if d.Oldest > 0 {
			x.OldestMillis = max(wall-d.Oldest, 0)
		}
	}
	if l != nil {
		for _, d := range l.targets {
			x := at(d.target)
			x.DiskBytes, x.UnreadBytes = d.bytes, d.unread
		}
	}
	all := make([]wire.HintDebt, 0, len(byNode))
	for _, x := range byNode {
		all = append(all, *x)
	}
	slices.SortFunc(all, func(a, b wire.HintDebt) int {
		return cmp.Or(cmp.Compare(b.Owed, a.Owed), cmp.Compare(b.DiskBytes, a.DiskBytes), cmp.Compare(a.Node, b.Node))
	})
	return all[:min(len(all), debtsMax)]
}
