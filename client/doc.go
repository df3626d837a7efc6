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
// A Client is safe for any number of goroutines, which share one connection to a node: requests carry ids, what is
// queued while a write is under way goes out in the next one, and no timer is involved. One node takes all calls
// while it answers; when its connection fails the next address does.
//
// # Failures
//
// Every call ends by itself, after WithTimeout (default 2 s) or when its context ends, whichever is first. Failures
// are typed: *QuorumError, *TimeoutError, *OverloadedError and so on from the cluster, *ConnectError where no node
// could be reached, *InterruptedError where a call lost its connection or its context. A write that failed may still
// have happened unless Indeterminate says no. A read is sent again to another node when its connection breaks; a
// write only when it certainly never left.
//
// The client starts no goroutine before Dial, leaves none after Close, and logs nothing.
package client
