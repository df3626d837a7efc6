package sim

import (
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/replica"
)

// hintDisk is what a node's hints may take on disk: little, so that files end and caps are met.
const hintDisk = 256 << 10

// openHints finds what an earlier process has left on a node's disk of what it owed.
func (w *world) openHints(i int) {
	n := &w.nodes[i]
	if n.logs, n.logsSoon = 0, false; !w.plan.Cluster.HintLog {
		return
	}
	n.hintLog = n.dir.HintLog(hints.LogConfig{BytesMax: hintDisk, TargetMax: hintDisk / 4, SegmentMax: 4 << 10}, w.limits, func(what string, err error) {
		w.say("n%d: %s: %v", n.id, what, err)
		w.count("hint log: " + what)
	})
}

// logHints lets a node's hints go to its disk and come back from there, as often as the shell does, and reports whether that was the end
// of the process.
func (w *world) logHints(i int) (ended bool) {
	n := &w.nodes[i]
	if n.hintLog == nil || n.logs > w.now {
		return false
	}
	wait := n.hintLog.Round(w.clock(n), n.core.HintQueues(n.core.View(), func(shard int, f func(*replica.Shard)) { f(n.core.Shards()[shard]) }))
	n.logs, n.logsSoon = w.now+wait, wait < idlePeriod
	return w.blown(i)
}
