// Command chaos holds real processes to the promises that the simulator holds the core to: a cluster of bin/shoal, load through
// the client library, faults drawn from a seed, and a history that is judged when they are over.
//
//	make chaos MINUTES=30 SEED=1
//	go run ./bench/chaos -show -seed 7     # what seed 7 would do, without doing it
//	go run ./bench/chaos -runs 1 -seed 7 -network proxy -o json
//
// A seed decides the cluster, the faults and when they are due, and what each worker asks for. It does not decide how
// processes are scheduled, so that a run of the same seed is alike and not the same.
//
// The driver starts itself again in namespaces of its own (world_linux.go): networks, mounts and processes are gone
// with it, however it ends. Where that is not allowed the nodes talk through the driver (proxy.go), and faults of disks are left out,
// or, where a machine has one loopback address alone, without it, and those of the network are left out, too.
package main
