// Package wire is the one vocabulary that clients and nodes speak, and its bytes: frames in, structs out.
//
// # What it decides
//
// Which requests, responses and messages there are (Request, Response, Message, Hello), what every number
// in them means, and how they look as MessagePack: one array a frame, its length in front. What is said for
// every call is written and read by hand; what people ask for (documents) by a library behind a guard. It
// also decides how a failed response reads as a Go error.
//
// # What it promises and what it does not
//
// Bytes from outside give a value or a typed error (*FormatError, *LimitError, ErrUnknownOp, ErrUnknownKind),
// in time and memory that grow with the bytes that came and not with what they claim. A value that was
// written reads back as it was, and any MessagePack library reads and writes the same frames. It does not
// promise that what it reads is true or allowed: stamps, owners and deadlines are for others to judge.
// Sizes on the way out are the caller's to keep within Limits.
//
// # How it is driven
//
//	buf = wire.AppendRequest(buf, &request)         // one side: as many as there are, then one write
//
//	for {                                           // the other: after each read
//		frame, rest, err := wire.NextFrame(buf, &limits)
//		if err != nil { return err }            // the stream is lost: close
//		if frame == nil { break }               // read more
//		err = wire.DecodeRequest(frame, &request, &limits)
//		…                                       // on error the ID is set: answer it and go on
//		buf = rest
//	}
//
// What a decoder returns aliases the frame and is good until the buffer is used again. Structs are meant to
// be decoded into again and again: the decoder sets every field and keeps the memory of the lists.
//
// # Invariants
//
//  1. No decoder reads beyond its frame, panics, or allocates before it has checked a length against the
//     bytes left and the limits.
//  2. Decode after append is the identity, whatever the struct held before.
//  3. Equal values are equal bytes: numbers and lengths as short as they go, no map on any path that is hot.
//  4. An array may have up to 16 fields more than are known here, which are skipped; never fewer.
//  5. A context that was read is canonical: sorted by actor, one dot each, above its floor.
//  6. Appending and decoding allocate nothing once the memory they are given is large enough.
package wire
