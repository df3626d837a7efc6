// Package antientropy brings a replica that may have forgotten back to what the other owners know: one
// Refill for each partition that was lost with memory, or is newly owned.
//
// # What it decides
//
// Whom to ask for which page and when, when enough was told, and then which versions may be vouched for,
// which ghosts and which mark are taken over:
//
//	          notBefore            every other owner has told all
//	waiting ────────────▶ pulling ───────────────────────────────▶ Done: Keep, Mark, Ghosts
//	                      │     ▲
//	                      └─────┘ a page: record, ghost, record, …, cursor; a restart of an owner: all from the start
//
// One of the owners tells records whole, the others only which versions they hold, and whole what nobody has told like that.
//
// # What it promises and what it does not
//
// A replica that kept what Keep allows, and took over Mark and Ghosts, answers every key as one that has
// forgotten nothing that a majority acknowledged before it lost its memory: what it lacks lies at or below
// a floor (docs/CONSISTENCY.md). That holds while fewer owners than a write needs lost theirs.
//
// An owner that stays away holds a refill up. Pages are trusted as far as in.Install trusts their entries:
// bytes that make no sense stop a page and never end a refill, but a node that lies can end one wrongly.
// A refill remembers a hash, a stamp and a digest for every key and ghost that its sources told of, some 50
// bytes for each and source until it ends, so that its memory is bounded by what they hold and by nothing
// else: the caller bounds how many run at once.
//
// # How it is driven
//
// One Refill per partition, under the shard's lock. Serials are shared, so that no late reply meets another
// refill.
//
//	r := antientropy.NewRefill(cfg, partition, others, booted+deadlineMax, &serial)
//	pulls = r.Tick(now, may, bytes, pulls[:0]) // send each Message to its Node
//	err = r.Page(from, m.ID, &m, inward)       // for every pull-reply, and then Tick
//	if r.Done() {
//		store.Recovered(partition, r.Mark(), keep, ghosts(r.Ghosts())) // keep asks r.Keep
//	}
//
// # Invariants
//
//  1. No page is asked for before notBefore, and at most one of a node is under way, however often asked for.
//  2. A page counts once, only from the node it was asked of, only for what was asked last; one that
//     breaks off, or holds what cannot be judged yet, is asked for again.
//  3. A refill is done when every other owner has told its last page since any that it then waited for has restarted, and
//     every version that one holds has come whole from it, or from another that holds the same.
//  4. A version is kept if as many other owners of its key as half of all of these, and of those in this replica's
//     datacenter, would have voted for it: those that hold
//     the key, whose ghost of it is no newer, or whose mark lies no higher, and whose own recovery floor,
//     where they have one, it reaches.
//  5. Mark is at least every mark told, and every version that was told and could not be stored.
//  6. Equal pages in any order of nodes give equal verdicts, marks and ghosts.
package antientropy
