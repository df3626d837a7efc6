// Package replica is one node without clock, lock or socket: the machines, the store, the hints and the
// refills of its shards, wired together. It is what the server drives, and the random schedules of its tests.
//
// # What it decides
//
// Little of its own. Which shard a message or a key belongs to; whether this node coordinates a request,
// hands it to an owner, or refuses it; whether a message may reach the store at all (its sender's placement,
// its deadline, its stamps); what a change of the map means for what is under way; which partitions are
// refilled next. How votes are counted, what is kept, owed or vouched for is decided in the packages below.
//
//	frames in ─▶ Route ─▶ Shard.Receive ─┬─▶ coordinator  one machine per request
//	keys in ─▶ Locate ─▶ Shard.Request ──┤─▶ storage      what is held, ghosts, floors
//	time ───────────────▶ Shard.Tick ────┤─▶ hints        what is owed
//	map, up, down ─▶ Shard.SetView ──────┘─▶ antientropy  what is being refilled
//	                                     ▼
//	                                   Outbox: frames for nodes and for clients, the ceiling wanted
//
// # What it promises and what it does not
//
// A call is complete on return: what it wants sent lies in the Outbox as bytes, and aliases nothing. Requests
// under way are bounded in number and bytes per shard, and every one is answered once, at the latest by the
// Tick after its deadline. Messages may be lost, doubled or late in either direction; stale replies find nothing.
//
// What SetCeiling was given must be on disk: it is what lets a later boot know what this one may have promised.
// Links must keep order, end when either node's boot does, and put a map ahead of what was sent under it.
//
// # How it is driven
//
// A lock per shard around the calls of that Shard, and one around those of Node; Route, Locate, Key and View's methods
// only read. One Outbox per batch:
//
//	node, err := replica.New(cfg, m, now)
//	key, i := node.Locate(view, &request)
//	node.Shards()[i].Request(now, key, client, &request, frame, &out)
//	key, i, ok := node.Route(view, &message, &request)
//	node.Shards()[i].Receive(now, from, under, key, &message, &request, &out)
//	pacer.Tick(now, latencies)                              // of node.Pacer(), every few milliseconds, and then
//	for _, s := range node.Shards() { pacer.Deal(s); s.Tick(now, &out) }
//	changed, err := node.Merge(theirs)                      // then SetView(now, node.View(), &out) on every shard
//
// # Invariants
//
//  1. Partition p, and all that is known of its keys, is in shard p modulo shards, and nowhere else.
//  2. No stamp above the ceiling, or beyond the skew bound, is issued or stored.
//  3. Who does not own a partition stores nothing of it and answers no read of it; who has come to own it, or
//     lost its memory, votes for nothing at or below its floor until the partition has recovered.
//  4. A request that was started is answered exactly once, and a reply reaches only the request it is for.
//  5. What leaves a shard was bytes before anything it aliased could change.
//  6. Equal calls give equal outboxes: no order comes from a map.
package replica
