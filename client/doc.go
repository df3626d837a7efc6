// Package client is the Go client of a Shoal cluster, and KV, the interface to hand around in its place.
//
//	c, err := client.Dial(ctx, []string{"10.0.0.1:7400", "10.0.0.2:7400"})
//	if err != nil { … }
//	defer c.Close()
//
//	err = c.Set(ctx, "session:42", value, client.WithTTL(time.Minute))
//	value, err := c.Get(ctx, "session:42", client.WithLevel(client.LevelOne))
//	if errors.Is(err, client.ErrNotFound) { … }
//
// A Client is safe for any number of goroutines, which share one connection to each node: requests carry ids, what is
// queued while a write is under way goes out in the next one, and no timer is involved.
//
// # Where calls go
//
// The client fetches the cluster map and asks the owners of a key themselves, the near ones first (WithSite). It looks for
// a new map when a node shows that it has one, is lost or refuses, and every half minute. What it cannot reach it leaves
// alone for a while, and asks the next owner, or any node, meanwhile: a client that reaches only the addresses given to
// Dial works through them.
//
// # Failures
//
// Every call ends by itself, after WithTimeout (default 2 s) or when its context ends, whichever is first. Failures
// are typed: *QuorumError, *TimeoutError, *OverloadedError and so on from the cluster, *ConnectError where no node
// could be reached, *InterruptedError where a call lost its connection or its context. A write that failed may still
// have happened unless Indeterminate says no.
//
// A read that another attempt may answer is tried again, at another node where there is one; a write only where nothing of
// it was done, or if it is Idempotent. Attempts pause a little, at random, and are bounded for each call (WithRetries) and
// for the client, by a share of all its calls. *RetryError is then around the last failure. A get that is slower than
// most is sent to a second node as well, at most one of twenty.
//
// The client starts no goroutine before Dial, leaves none after Close, and logs nothing unless WithLogger is given.
//
// # Values of a type, and reading through
//
// A Typed is a view of a KV whose values are of a Go type, and tells those of another type or version apart. A Loader reads
// through it: what is not in the cache is loaded, once for all who ask at the same time, and kept. Both stand on KV, so
// they work on a node in the program's own process (server.Node.Client), too. Package shoaltest has clusters for tests.
package client
