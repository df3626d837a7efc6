// Package storage is the bounded in-memory engine of one shard: what a replica holds, what it remembers
// of what it no longer holds, and the floor with which it answers for the rest.
//
// # What it decides
//
// Which version of a key is kept (the greater dot, merged by [vclock.Merge]), what is refused because
// this replica may have forgotten something newer, what is evicted (by Config.Policy: as a rule what was asked for once gives way to what was asked for again), and when
// an expired version stops being one. Each hash of a partition has at most one entry, and an entry is
// either a record (key, value, version) or a ghost (stamp, digest and deadline):
//
//	          Put, Refill                       GhostBytesMax reached
//	nothing ───────────────▶ record ◀──────▶ ghost ───────────────▶ nothing, mark raised
//	                           evicted, expired │ the very version returns, or a newer one
//
// # What it promises and what it does not
//
// A miss is always allowed, a stale answer never: whatever left memory is covered by a ghost, or by the
// partition's mark once the ghost is dropped too (docs/CONSISTENCY.md). Two keys of one 64-bit hash in
// one partition share an entry: only one of them is held, and its stamp is the floor of the other. That
// costs a false miss about once in 10^19 pairs, and never a stale hit. Nothing is durable. All that entries
// and their index take comes from Config.Memory, and BytesMax bounds it; by default that is the Go heap, whose
// head room comes on top.
//
// Entries lie in logs of segments (log.go), as bytes (record.go), and an index of small pages says where (index.go);
// docs/STORAGE.md has pictures. Nothing in a segment holds a pointer, so that the collector has nothing to look at.
//
// # How it is driven
//
// One Store per shard, under the shard's lock. The caller computes a [Key] once per request and stamps
// the wall time; the slices of an answer live until the next call on the store.
//
//	store, err := storage.New(storage.Config{BytesMax: 1 << 30, Partitions: 4096, Shards: 1, Hash: xxhash.Sum64})
//	result := store.Put(key, &set, wall)
//	held, floor := store.Get(key, wall)
//
// # Invariants
//
//  1. Once a version stamped s was stored, the key is held at s or later, or its floor is at least s, until Drop, or until
//     someone vouches that what was forgotten was never acknowledged.
//  2. Nothing is stored at or below the floor of its key, but the very version that its ghost names, and several versions that are
//     vouched for or keep that floor (7); a
//     recovering partition's own floor does not stop Refill.
//  3. After every call all segments and blocks together take at most BytesMax, and ghosts at most GhostBytesMax of it.
//  4. A walk meets every hash that is known from its first page to its last once, as a record or a ghost,
//     whatever changes in between; what is dropped meanwhile lies at or below the mark read after it.
//  5. Stores that merged the same versions and forgot none hold the same bytes, in whatever order they came.
//  6. Get does not allocate, nor does Put but for what is large for a segment, and while the store grows.
//  7. A record of several versions that came while something of its key may have been forgotten is told with that floor, until
//     someone who knows that nothing is missing has vouched for it.
//  8. Equal calls give equal answers: no order comes from a map.
package storage
