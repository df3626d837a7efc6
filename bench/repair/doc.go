// Command repair measures how nodes that missed something get it back, with three processes on this machine, and checks that they do:
//
//	make bench-repair
//	make bench-repair ARGS="-minutes 5 ttl"
//	go run ./bench/repair -shoal bin/shoal -keys 1000000 exchange hints refill ttl
//
// exchange: one node stands still while 1 % of the keys are written anew, 0.5 % deleted, and 0.5 % expire; no hints are kept. How long it
// takes until it knows all of it, what that costs on the wire beside what differs, and what comparing costs once nothing does.
//
// hints: the same with hints: they bring it, and exchanges then have nothing to do.
//
// refill: one node is killed under load and comes back without its memory. How long it recovers, and how long requests take meanwhile
// beside before; every read is checked against what was acknowledged before it began.
//
// ttl: keys that live 1 to 60 seconds, memory for about half of them, and exchanges all the time: nothing may be told for nothing.
//
// A false repair is a record told to an owner that knew, or had forgotten, a version as late.
package main
