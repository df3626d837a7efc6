// Package coordinator is one client request seen from the node that answers it: whom to ask, what counts,
// when to answer, and what is still owed afterwards.
//
// # What it decides
//
// One machine a request: Get, Put (also deletes), Touch (a deadline), Update (what depends on what is there), Forward (to an owner, by who is none),
// and Gather for many keys. A Quorum is what a level asks, as counts. A put's life, W = 2 of 3:
//
//	Start ─ stamp ─▶ store to all owners ─ ok, ok ─▶ answer ─ third ok, or LingerMax ─▶ hint ─▶ done
//	        │    ▲        │ superseded, behind: again, above what the owner knows
//	        ▼    └────────┘
//	        parked until the ceiling allows the stamp
//
// # What it promises and what it does not
//
// An answer says no more than owners said, in time: acknowledged with as many as the level asks, or typed,
// naming who failed and how, or that W owners would have done if they had had room. A failed write is indeterminate, but for "too large" and "not ready". A read's
// answer is the newest of what R owners can vote for; replies after it only repair, as do those of owners that a
// get asks by chance. Who is alive, what a node stores, and that stamps from
// outside are sane (the skew bound) is decided elsewhere.
//
// # How it is driven
//
// By one caller at a time, who gives an id, with its low RoundBits zero, and finds the machine by it:
//
//	put.Start(&env, &call)                   // env.Now, env.Ceiling as they are now
//	for !put.Done() {                        // after every call, before anything else:
//		send(env.Eff); env.Eff.Reset()   // what is in it aliases the machine and the last reply
//		put.Reply(&env, from, &message)  // or Lost, Tick, Restart, as the world has it
//	}
//
// A machine that is done may be started again, and keeps its memory.
//
// # Invariants
//
//  1. One answer, at the latest at the first Tick at or after the deadline; no acknowledgement after it.
//  2. A reply counts once, for the round and the question it answers; stamps, owners and reads that were
//     replaced take theirs with them.
//  3. W counts owners; fallbacks count only where Sloppy, each for one owner, and the answer says how many.
//  4. Every other owner that did not acknowledge, and might yet, is owed the write when the machine is done; an owner that is full and
//     evicts nothing only what ends a value.
//  5. A write's stamp lies above all it has seen, and above every version and floor that an owner answered.
//  6. An owner votes only for what reaches its floor; nothing is repaired without R votes, nor an owner that knew or forgot as much.
//  7. A deadline never travels with another version's value.
//  8. What an update works out contains everything acknowledged that R owners know and all that this node has under way, and
//     happens once, however often it is stamped; or the answer says that the key began anew.
//  9. A request is forwarded again only after a refusal that did nothing.
//
// 10. After Done there are no more effects. What a call lends is copied, or used in the effects of that call only.
package coordinator
