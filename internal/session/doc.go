// Package session is what the calls of one session have met, and what it makes of an answer.
//
// # What it decides
//
// Whether the answer to a read is one for its session (Terry et al., "Session Guarantees for Weakly Consistent Replicated
// Data", 1994), or older than what that has written or read; and then at which level to ask again, or that there is none left.
//
// # What it promises and what it does not
//
// What is taken is never older than what was met of the key, unless all owners say that there is nothing, or one cannot rule
// out that it was forgotten (I10). It goes by stamps, for as many of the last keys as it was made for; of others it knows
// nothing, as if they had never been met.
//
// # How it is driven
//
// A client, or the simulator's, calls Meet with what a write was acknowledged as, and Read with what a read was told; on Again it
// asks at the level that is next in Levels, pausing before the last. It has to lock a Memory that several goroutines use.
//
// # Invariants
//
// Met never falls, but for a key that is forgotten for the number of others, or that all owners miss.
package session
