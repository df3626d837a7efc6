// Command path sets the request path beside Redis, on this machine and in one run: redis-benchmark on a redis-server
// without persistence, one node of Shoal, and three nodes at quorum, all through one of them. Shoal is loaded by shoal
// bench, or with -door resp by redis-benchmark, through the door for Redis clients.
//
//	make bench-path
//	go run ./bench/path -shoal bin/shoal -door resp -rounds 5 -depths 1,16,64
//
// Every round starts each of the three afresh, fills it, and measures every depth for sets and for gets; what it starts
// it stops again. Absolute figures move from machine to machine and from minute to minute, so the table has the medians
// and the ratios of each round, with the least and the greatest of them.
//
// Servers and generator share the machine, so the ratios hold what the generators cost, too: redis-benchmark, which is
// C, and shoal bench take about the same for a request. The columns of processor time leave both out.
package main
