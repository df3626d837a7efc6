// Package hints keeps the writes that are owed to nodes that did not take them (hinted handoff, Dynamo
// §4.6): merged per node and key, bounded in bytes, on disk where there is one, sent again at a pace until they are answered.
//
// # What it decides
//
// What is kept and what there is no room for, which hints are sent when, and to whom else if their holder is to leave, from which answers
// on a hint is owed no more; and of the log, what is written where, when a file is needed no more, and what the bytes in it are.
//
//	                      ┌───── no answer, or "not ready": again after RetryPeriod
//	      Add             ▼    │
//	────────────▶ owed ──────▶ on its way ──────▶ delivered, or refused at the target's floor
//	no room: not kept   ▲  oldest first, as far as
//	                    │  window and rate allow
//	                    └─ set aside, where the target has no room: one a RetryPeriod comes back, more as they are
//	                       taken, and at once what becomes a deletion
//
// # What it promises and what it does not
//
// What was kept is owed until the target has it or something newer, has refused it for good, or no longer
// owns it, or until the value itself has expired. Hints of writes that counted towards W are never dropped
// for want of room: they are refused at once, so that the write can fail. The others are an optimisation: over
// the cap they are dropped, counted, and their partition is dirty for their target; with a log they go to disk first, and are dropped where
// that has no room. Nothing is evicted to make room. What is on disk outlives the process, once or more: what was delivered
// may be sent again. What expires while its target is away keeps its room until the target is back: then a Tick
// drops what has expired of a window of those set aside, and the others go when they would be sent.
//
// That a late hint brings back nothing old is not decided here: the target merges, and refuses at its floor.
//
// # How it is driven
//
// One Queue per shard, under the shard's lock; the caller sends, and hands back what the target answers. One Log per node,
// beside them: package datadir carries it out.
//
//	q := hints.New(hints.DefaultConfig())
//	kept := q.Add(hints.Owed{Target: node, Partition: p, Key: key, Set: &set})
//	sends = q.Tick(now, up, sends[:0])
//	sends = q.Ack(now, hints.Reply{From: node, ID: id, Outcome: outcome}, sends[:0])
//	q.HandOver(true) // from now on to others what is owed to nodes that are down
//	q.Forget(func(target uint64, p uint32, key string) bool { return !owns(target, p, key) }) // when owners changed
//
// # Invariants
//
//  1. At most one hint is owed per target and key: the merge of all that were added, as long as there was room.
//  2. Bytes is what the hints in memory add up to, never more than BytesMax; beside it only
//     the numbers of dirty partitions are remembered. With a log a quarter is for what waits to be written and what comes back.
//  3. At most WindowMax hints are on their way to a node, and in any stretch of time at most what Rate allows
//     for it, a tenth of a second's worth, and one hint.
//  4. A hint leaves the queue only when the very version that is owed was answered, by its target or by another that keeps it, or
//     expired, or by Forget.
//  5. Hints of one target are sent for the first time in the order in which they were first added. What it has no room for
//     stands before none of them, nor does what is to be handed over and nobody may keep.
//  6. A call looks at no more than two windows of hints per target, however many wait (Forget looks at all).
//  7. A segment is needed until every hint whose latest written version lies in it is gone, or written again elsewhere.
package hints
