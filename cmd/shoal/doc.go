// Command shoal is the one binary of Shoal: a node, a cluster on this machine, and the tools to look at one.
//
//	shoal server                     one node
//	shoal dev                        three of them, here
//	shoal set KEY VALUE --ttl 1m     and get, del
//	shoal status                     every node of a cluster
//	shoal where KEY                  who holds a key
//	shoal bench                      load, and how it was answered
//	shoal version
//
// Flags may stand anywhere; what follows "--" is never a flag. A node's flags, and --server of the others, may come
// from a variable (SHOAL_ and the flag's name in capitals) where they are not given, then, for a node, from the file
// named by --config; then the default counts. Results go to standard output, everything else to standard error; exit.go
// has the table of exit codes.
package main
