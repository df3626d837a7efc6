// Package shoaltest runs a cluster in the process of a test: real nodes on free ports of this machine, with everything
// that real ones do, in a fraction of a second.
//
//	func TestOrders(t *testing.T) {
//		c := shoaltest.NewCluster(t, 3)
//		orders := NewOrders(c.Client())
//		…
//		c.Kill(1) // as a crash would
//		…         // two of three are a quorum: nobody notices
//		if err := c.Restart(1); err != nil { … }
//		if err := c.WaitRecovered(ctx); err != nil { … }
//	}
//
// NewCluster takes everything down at the end of the test, and shows the nodes' logs only if it failed. Start is for
// what has no testing.TB: a TestMain whose tests share a cluster, an example, a demonstration.
//
// Part cuts the network between nodes, and Heal mends it: what both sides do meanwhile, and what is left of it, is a test of a
// few lines (ExampleCluster_Part).
//
// CheckKV says whether a program's own stand-in for a client does what client.KV promises.
//
// The periods of the nodes are those of server.Quick: a node that was killed serves at most two seconds after Restart
// begins and has recovered about two seconds later. A cluster takes requests as soon as it has started; its nodes
// count as recovering for the first two seconds, though there is nothing to recover. A test that kills nodes and
// counts on what was written before calls WaitRecovered first: until then what they promise is I1 and I2 of
// docs/CONSISTENCY.md under their condition, where a node that has just joined counts as one that lost its memory.
package shoaltest
