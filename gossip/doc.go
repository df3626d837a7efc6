// Package gossip tells who is alive, and carries the cluster map's bytes between nodes. It adapts
// hashicorp/memberlist (SWIM: Das et al., 2002; Lifeguard: Dadgar et al., 2018) and is the only package
// that knows it.
//
// # What it decides
//
// Nothing about placement, and nothing about the map, whose bytes are opaque here. It decides which boot of
// a node counts (the highest), which nodes may be met at all (those of one cluster), and when a node of the
// map that is not seen is looked for again.
//
// # What it promises and what it does not
//
// A view of who is alive, eventually the same everywhere, wrong in both directions for a while: data never
// moves because of it. Without a key it is not secure: whoever reaches the port can declare nodes dead. With or
// without one, bytes from the port are bounded and checked before memberlist reads them.
//
// # How it is driven
//
//	g, err := gossip.Start(gossip.Config{
//		Self: vclock.Actor{Node: id, Boot: boot}, Cluster: "shop", BindAddr: "10.0.0.1:7946",
//		Meta: gossip.Meta{Name: "a1", ClusterID: cluster}, Timings: gossip.DefaultTimings(),
//		State: maps.Bytes, OnState: maps.Merge, OnChange: links.Follow, Known: maps.Contacts,
//	})
//	err = g.Join(ctx, []string{"10.0.0.2:7946"}) // what the other node had to say has been handed over
//	g.SetCluster(id)                             // once the joined cluster's map is stored
//	g.Broadcast()                                // whenever the map has changed
//	err = g.Leave(ctx)
//	g.Close()
//
// OnState and OnChange come from one goroutine, one at a time; State and Known from any.
//
// # Invariants
//
//  1. Per node id the highest boot ever seen counts; whatever is said of a lower one later is ignored.
//  2. A node of a cluster meets only nodes of that cluster, and nodes that have none yet; a node that has
//     none joins one cluster, and then counts as that cluster's.
//  3. A suspected node is alive; only its death or its leaving takes it out of the view.
//  4. No callback into this package blocks memberlist: what arrives is copied, queued within bounds, merged per sender.
//  5. After Close neither OnState nor OnChange nor Known is called, and no socket or goroutine of this
//     package is left; memberlist's own run out within a few probe periods.
package gossip
