// Command shoal is the one binary of Shoal: a node, a cluster on this machine, and the tools to look at one.
//
//	shoal server                     one node
//	shoal dev                        three of them, here
//	shoal set KEY VALUE --ttl 1m     and get, del
//	shoal status                     every node of a cluster
//	shoal where KEY                  who holds a key
//	shoal version
//
// Flags may stand anywhere; what follows "--" is never a flag. Where a flag is not given its variable counts
// (SHOAL_ and the flag's name in capitals), then, for a node, the file named by --config, then the default. Results
// go to standard output, everything else to standard error; exit.go has the table of exit codes.
package main
