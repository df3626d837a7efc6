// Package datadir keeps what a node must not forget: who it is, the cluster map, and the stamp that it has promised
// nothing above. It owns the files of one directory, which one process has at a time:
//
//	lock        held for as long as the process lives
//	node.json   who the node is, and the boot id of the last start (identity.go)
//	map         the cluster map as last saved (map.go)
//	ceiling     the stamp ceiling and the boot that saved it, in two slots (ceiling.go)
//	hints/      writes owed to absent nodes, as package hints decides (hintlog.go)
//
// It reaches them through a Disk (disk.go) and nothing else: OS is the real one (os.go), and the simulator has one
// that tears, flips, fills, and forgets what it was told to keep.
//
// The rules:
//
//   - A file is replaced whole or not at all: a new one is written beside it, synced and renamed over it, and then
//     the directory is synced. The ceiling, saved twice a second, is written in place instead, twice: the second
//     slot is begun when the first is on disk.
//   - What a method has returned without an error is on disk, whatever happens next.
//   - Sizes are checked before anything is read, and check sums before anything is believed.
//   - Nothing is guessed. Who the node is, or what it promised, where that cannot be read, is an error: a node that
//     guessed could give two writes one name, or vote below what it acknowledged. A map can be had from others, so
//     a damaged one is set aside, and one that is gone is not taken for that of a first start.
//   - Hints are the exception to all of this: files of them are appended to, nobody waits for the disk, and what it does
//     with them is no error but a number.
//
// Errors wrap one of those that errors.go lists, and say in one line what failed, where, and what to do.
package datadir
