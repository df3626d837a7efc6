// Package bench drives a cluster with generated requests, or with a recorded trace, and measures what comes back.
//
//	report, err := bench.Run(ctx, bench.Config{Addrs: []string{"127.0.0.1:7400"}, Depth: 16, Requests: 1_000_000})
//
// Requests are bytes of the native protocol, put straight into the socket: what is measured is the cluster and as
// little as possible of its client library.
//
// # Closed and open loops
//
// Without a rate the loop is closed. Every connection writes Depth requests at once, waits until all of them are
// answered, and writes the next: what redis-benchmark does with -c and -P, so that the figures of both can be set side
// by side. (With Sliding the next request follows each answer.) A closed loop asks less while the cluster is slow, so its
// latencies are those at full load and say nothing about the waiting that an open system would see.
//
// With a Rate it is open: requests are due at times fixed beforehand, evenly or as a Poisson process, whatever the
// cluster does, and a latency counts from the time the request was due. A cluster that stops for a second is charged
// with every request that was due in it, sent or not.
//
// A generator that lacks processor time looks like a slow cluster. So it keeps account of itself: how late its own
// goroutines sent what was due while nothing of the cluster's held them up (time in a write counts as the cluster's), how
// long they waited for a thread and its threads for a processor, and how much processor time they took (Generator).
// Warnings say when figures are the generator's rather than the cluster's.
//
// What it can drive: against a responder in its own process that does next to nothing, on two cores that both sides
// share, 50 connections reached 40,000 requests a second at depth 1, 500,000 at 16 and 2 million at 64. A request took
// 14, 1.1 and 0.45 µs of processor time there, both sides and the kernel together (BenchmarkCeiling); drawing it, encoding
// it and taking its answer is 0.12 µs of that, without an allocation (BenchmarkBatch).
//
// # Verify
//
// With Verify each value carries its key, the number of its write and a checksum, and a table knows of each key what a
// read may find (history.go). Stale is a value whose write was acknowledged before another write began that was
// acknowledged before the read did. That is the promise I2 of docs/CONSISTENCY.md, no more: writes under way at once, a
// write that failed without saying whether it happened, and misses raise no alarm. At most four writes of a key are under
// way at once; another takes a key nearby, so that the most popular keys get somewhat fewer writes than was asked for.
//
// # Replay
//
// Replay looks up the keys of a trace, in its order, and sets what it missed (replay.go).
//
// An answer that names no request under way ends a run: a figure from a connection that mixes up its replies is worth
// nothing.
//
// # Hit ratios
//
// HitRatio puts a trace through the storage engine without a cluster, at several sizes (hitratio.go, fitted.go), and through exact
// caches of as many entries (policies.go): what a change of the engine's policy is worth.
package bench
