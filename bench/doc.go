// Package bench drives a cluster with generated requests and measures what comes back.
//
//	report, err := bench.Run(ctx, bench.Config{Addrs: []string{"127.0.0.1:7400"}, Depth: 16, Requests: 1_000_000})
//
// The load is a closed loop: every connection writes Depth requests at once, waits until all of them are answered, and
// writes the next. That is what redis-benchmark does with -c and -P, so the figures of both can be set side by side.
// Requests are bytes of the native protocol, put straight into the socket: what is measured is the cluster and as
// little as possible of its client library. A closed loop asks less while the cluster is slow, so its latencies are
// those at full load and say nothing about the waiting that an open system would see.
//
// An answer that names no request of its batch, or one that was answered already, ends the run: a figure from a
// connection that mixes up its replies is worth nothing.
package bench
