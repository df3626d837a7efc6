// Package vclock is causality: which of two writes of a key came after the other, and what they are together.
//
// # What it decides
//
// Which stamp a write gets (Clock), what its writer had seen (Context, built by Succeed), how two versions of
// a key stand to each other (Set.Compare), and what a replica that knows both holds from then on (Merge). A
// deadline is a register of its own and is ordered here too (Deadline.Compare). Siblings and counters, several versions
// of one key, are packed in a Set and merge by the same join (siblings.go, counter.go).
//
// # What it promises and what it does not
//
// Replicas that know the same writes hold the same bytes, in whatever order and however often they heard of
// them. A write that had seen another always wins against it, whatever the wall clocks said.
//
// It does not tell two writes of one actor apart as concurrent: an actor's later write supersedes its earlier
// ones. A capped context takes old writes for seen that were not: a conflict is then decided as before, by
// the greater dot, but not counted. Nothing here checks a stamp against the clock: one from outside must have
// passed the skew bound before it reaches Clock.Next or Merge.
//
// # How it is driven
//
// One Clock per shard and one Set per key and replica; all are plain values without locks.
//
//	seen := vclock.Succeed(nil, &known, me, floor, actorsMax)
//	dot := vclock.Dot{Actor: me, Stamp: clock.Next(now.Wall, max(known.Dot.Stamp, floor))}
//	write := vclock.Set{Dot: dot, Context: seen, Value: value}
//	held, order := vclock.Merge(&known, &write) // order is Older: known is, compared with write
//
// # Invariants
//
//  1. A clock's stamps strictly grow, lie at or after the wall clock and above what they must supersede; two
//     lanes of a node never issue the same stamp.
//  2. A Context stays canonical: sorted by actor, one dot per actor, all above its floor. A set's own dot
//     implies its author's older ones: Context does not repeat them.
//  3. Covers is a partial order, and Join its least upper bound. Add, Raise and Cap never unsee a write.
//  4. All that a set's context has seen is less than its dot, and its floor lies below its stamp; so what is
//     newer by causality has the greater dot. Succeed and Merge keep this.
//  5. Merge is commutative, associative and idempotent, and equal results have equal bytes.
//  6. Merge loses nothing: the result has seen all that either side had, and holds a write that no other
//     side's write supersedes.
//  7. Of several versions nothing vanishes but by a write that had seen it, or one of lww with a greater dot; and what was
//     superseded does not return. A set's dot never shrinks.
//  8. A counter's total is its base and what every node has added to that, each addition once, however often told of.
//  9. Registers for one dot are totally ordered; the later survives every merge, whichever value bytes win.
package vclock
