// Command chaos holds real processes to the promises that the simulator holds the core to: a cluster of bin/shoal, each node
// in a network of its own, load through the client library, faults drawn from a seed, and a history that is judged when
// they are over.
//
//	make chaos MINUTES=30 SEED=1
//	go run ./bench/chaos -show -seed 7     # what seed 7 would do, without doing it
//	go run ./bench/chaos -runs 1 -seed 7 -o json
//
// A seed decides the cluster, the faults and when they are due, and what each worker asks for. It does not decide how
// processes are scheduled, so that a run of the same seed is alike and not the same.
//
// The driver starts itself again in namespaces of its own (world_linux.go): networks, mounts and processes are gone
// with it, however it ends. Where that is not allowed the nodes listen on loopback addresses, and faults of the network and of
// the disk are left out, and counted as skipped.
package main
