// Package resp is the protocol of Redis, without a socket: bytes in, commands and their plans out, answers in,
// replies out in the order that clients rely on.
//
// # What it decides
//
// Where a command ends (parser.go), whether there is such a command (command.go), what it asks of which keys
// (plan.go), in which words a reply says what the cluster answered (answer.go, reply.go), and when: replies
// leave in the order of the commands, and a command waits while an older one of its connection is under way
// on the same key and one of the two writes (line.go).
//
// # What it promises and what it does not
//
// It speaks RESP2 and RESP3 as Redis 7 does, for the commands of its table; nothing is accepted and then not
// done. A client that pipelines sees its own effects as if one command ran after the other. Commands that read
// and then write (DEL, GETDEL, PERSIST, SET with GET or KEEPTTL) are not atomic, nor are those of several keys.
// It decides nothing about votes, owners or memory, and what it echoes of a client's bytes it bounds.
//
// # How it is driven
//
//	args, taken, err := parser.Next(buf)           // taken 0: read more
//	command, err := resp.Lookup(args)
//	plan, err := resp.NewPlan(command, args, wall)
//	n := line.Single(version, plan.Shape)
//	line.Enter(n, 0, hash, writes)                 // false: wait for answers, then again
//	// send the request with the id resp.Ticket(n, 0); when its answer comes:
//	out = line.Answer(out, id, &response, wall)    // replies that may leave now
//
// # Invariants
//
//  1. Nothing is kept for a length that was announced: positions are, as arguments come.
//  2. Bytes cut in one piece and byte by byte give the same commands.
//  3. A reply leaves after those of all older commands, exactly once.
//  4. Of a key under way there are readers or one writer, never both.
package resp
