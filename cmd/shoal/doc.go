// Command shoal is the one binary of Shoal: a node, a cluster on this machine, and the tools to look at one.
//
//	shoal server                     one node
//	shoal dev                        three of them, here
//	shoal set KEY VALUE --ttl 1m     and get, del, exists, mget, mset, ttl, expire, persist
//	shoal scan                       the keys
//	shoal export FILE                all of it, and import
//	shoal status                     every node of a cluster
//	shoal ring                       how the data is spread
//	shoal where KEY                  who holds a key
//	shoal bench                      load, and how it was answered
//	shoal sim                        simulated clusters, and whether they keep the promises
//	shoal ctx                        clusters by name
//	shoal cheat                      a page of examples
//
// Flags may stand anywhere; what follows "--" is never a flag. A node's flags may come from a variable (SHOAL_ and the
// flag's name in capitals) where they are not given, then from the file named by --config; then the default counts. The
// other commands find their cluster by --server or --context, the variables of these names, or the context in use.
// Results go to standard output, everything else to standard error; exit.go has the table of exit codes.
package main
