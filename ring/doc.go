// Package ring decides placement: which slot a key has, which partition a slot is part of, and which nodes
// own a partition, all from one value, the cluster map.
//
// # What it decides
//
// Key, slot, partition, list:
//
//	key ─CRC16─► slot (16,384) ─► partition (P) ─► owners │ fallbacks
//
//	        0 ─ p0 ── p1 ── p2 ── p3 ── … ─► 2^64-1, and around
//	              a  B  c   a  C   b  A            virtual nodes: 256 for a standard node
//	                 └───────────────► p1 walks clockwise: B, c, a (one of each rack)
//
// Each datacenter has a ring of its own. A walk goes clockwise from the partition; in this order of
// importance it takes distinct nodes, distinct racks, nodes below their load bound, and the nearest
// (Dynamo §4.2, §6.2; bounded loads after Mirrokni, Thorup and Zadimoghaddam, 2016).
//
// It also decides what two maps make together, what moves between two tables, and under which inner key a key of a
// namespace is stored.
//
// # What it promises and what it does not
//
// Loads stay within 1.05 of the mean by weight, or within one partition, where racks and weights leave that
// choice; where they do not, the Report says so. A node that joins moves little more than its share: 1.00 to
// 1.06 times on the mean up to 30 nodes, 1.10 at 100. Who is alive is not known here and never changes an
// owner. State is taken as it stands: that a change of owners goes in steps is for others to keep.
//
// # How it is driven
//
//	m, changed, err := ring.Merge(mine, theirs)
//	table, err := ring.Compile(m, xxhash.Sum64)
//	for _, place := range table.Owners(table.Partition(ring.Slot(key))) {
//		send(table.Nodes()[place.Node].PeerAddr)
//	}
//	for _, move := range ring.Moves(before, table) { … }
//
// # Invariants
//
//  1. Compile is a pure function of the map and the hash, the same on every processor.
//  2. In each datacenter a partition has min(N, nodes that own) owners, all distinct.
//  3. Owners of a partition are spread over racks as evenly as the racks' sizes allow.
//  4. No node is above its bound while another of its rack is below and does not own the partition.
//  5. Merge is commutative, associative and idempotent, and removed is final for an id.
//  6. Maps of two clusters never merge.
//  7. No two keys of any namespaces and epochs have one inner key, and an epoch never falls.
package ring
