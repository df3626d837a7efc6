// Package server runs a node: the shell that gives a replica.Node time, bytes, locks and a disk. It decides
// nothing about keys. It owns
//
//   - sockets: the client, Redis, peer and admin listeners, connections of native clients (conn.go, pipe.go,
//     frames.go) and of Redis' (resp*.go, which drive package resp), and one link to every other node
//     (link.go), dialled from this side and written only; gossip has its own;
//   - locks: one per shard and one for who is there, the map and the links' state (node.go, members.go). None is held
//     while a socket or the disk is waited for, but the second while a changed map is saved;
//   - the clock (clock.go): the wall is read once and runs on the monotonic clock;
//   - the data directory, by package datadir: who the node is, the last map, and the stamp ceiling, raised ahead of
//     the clock off the request path (ceiling.go).
//
// The goroutines: one reads each client connection and each incoming link, and carries out what it reads
// (outlet.go): lock the shard, step, unlock, then send. Each outgoing link has one that dials and one that notices
// its end; each pipe one that writes what a full socket did not take. One each for ticks, beats, the ceiling,
// every listener, and the end. None is started for a request; those of the program that the node is part of are
// carried out by its own goroutines (embedded.go).
//
// Start brings a node up in an order that lets nobody in too early: data directory, addresses, its place in the
// cluster, the wait until the clock has passed what an earlier boot promised, gossip and peers, clients last
// (start.go). Shutdown drains; what breaks for good ends the node, and Err says why.
package server
