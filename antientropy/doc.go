// Package antientropy brings owners of a partition to know the same: a Refill pulls back what one of them lost
// with its memory, or newly owns, and an Exchange finds what either of two missed.
//
// # What it decides
//
// Of a Refill: whom to ask for which page and when, when enough was told, and then which versions may be
// vouched for, which ghosts and which mark are taken over:
//
//	          notBefore            every other owner has told all
//	waiting ────────────▶ pulling ───────────────────────────────▶ Done: Keep, Mark, Ghosts
//	                      └─────┘ a page: record, ghost, record, …, cursor; a restart of an owner: all from the start
//
// One of the owners tells records whole, the others only which versions they hold, and whole what nobody has told like that.
//
// Of an Exchange: which partitions differ, in which window and in which keys (walk.go has the picture), and what
// each side takes of the other. Who asks has an Exchange; who is asked only a Side, which remembers nothing.
//
// # What it promises and what it does not
//
// A replica that kept what Keep allows, and took over Mark and Ghosts, answers every key as one that has
// forgotten nothing that a majority acknowledged before it lost its memory: what it lacks lies at or below
// a floor (docs/CONSISTENCY.md). That holds while fewer owners than a write needs lost theirs.
//
// Two owners that exchanged, and were written nothing meanwhile, know the same between the greater of their marks
// and the cut, what has settled (docs/REPAIR.md); one without room knows of a version that it has none.
//
// An owner that stays away holds a refill up, and ends an exchange. Pages are trusted as far as in.Install trusts
// their entries, sums as far as they are equal: a node that lies can end one wrongly. A refill remembers some 50
// bytes for every key and ghost of each source: the caller bounds how many run at once. An exchange
// remembers a bounded part of what differs in Walks partitions.
//
// # How it is driven
//
// Both under the shard's lock, with serials that are shared, so that no late reply meets another one.
//
//	r := antientropy.NewRefill(cfg, partition, others, booted+deadlineMax, &serial)
//	pulls = r.Tick(now, may, bytes, pulls[:0]) // send each Message to its Node
//	asked, err = r.Page(from, m.ID, &m, inward) // for every pull-reply, and then Tick
//	store.Recovered(partition, r.Mark(), keep, ghosts(r.Ghosts())) // once it is Done; keep asks r.Keep
//
//	x := antientropy.NewExchange(cfg, &side, peer, partitions, &serial)
//	pulls = x.Tick(now, cut, pulls[:0])                     // until it is Done
//	pulls, err = x.Reply(now, cut, m.ID, &m, pulls[:0])     // for every exchange-reply
//	body, err = side.Answer(now, from, &m, &reply, body[:0]) // for every exchange
//
// # Invariants
//
//  1. No page is asked for before notBefore, and at most one of a node is under way, however often asked for.
//  2. A page counts once, only from the node it was asked of, only for what was asked last; one that
//     breaks off, or holds what cannot be judged yet, is asked for again.
//  3. A refill is done when every other owner has told its last page since any that it then waited for has restarted, and
//     every version that one holds has come whole from it, or from another that holds the same.
//  4. A version is kept if as many other owners of its key as half of all of these, and of those in this replica's
//     datacenter, would have voted for it: those that hold the key, whose ghost of it is no newer, or whose
//     mark lies no higher, and whose own recovery floor, where they have one, it reaches.
//  5. Mark is at least every mark told, and every version that was told and could not be stored.
//  6. Equal pages in any order of nodes give equal verdicts, marks and ghosts.
//  7. An exchange stores nothing below what this replica has forgotten, and replaces nothing by what is older.
package antientropy
