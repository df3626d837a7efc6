package wire

import (
	"fmt"

	"github.com/shoalcache/shoal/vclock"
)

// Kind is what one node says to another.
type Kind uint8

// The messages between nodes. Numbers are part of the protocol and never reused.
const (
	KindFetch         Kind = 1  // what do you hold of Key? With Check: and is it what Digest names?
	KindFetchReply    Kind = 2  // Set (zero: nothing), Floor, Gone, Digest, Outcome
	KindStore         Kind = 3  // merge Set into Key
	KindStoreReply    Kind = 4  // Outcome, Known; answers Store, Retime and Owe
	KindRetime        Kind = 5  // merge Set.Deadline into Key, if it holds Set.Dot
	KindOwe           Kind = 6  // keep Set as a hint for Target, an owner that is away, as an acknowledgement or in the place of who asks
	KindForward       Kind = 7  // Body is a Request that an owner should coordinate
	KindForwardReply  Kind = 8  // Body is its Response
	KindPull          Kind = 9  // send the next page of Partition from Cursor, or what is known of the keys whose hashes are in Body, at most Limit bytes
	KindPullReply     Kind = 10 // Body is a page (see Page); Floor is the partition's mark, Known.Stamp the sender's floor while it recovers; Cursor 0 when done, or how many hashes it has got to
	KindMap           Kind = 11 // Body is the sender's cluster map; what follows on the link was sent under it
	KindBeat          Kind = 12 // Wall is the sender's clock, Floor the stamp ceiling it has on disk
	KindExchange      Kind = 13 // Step of an exchange on Partition: From, To, Leaves, Cursor, Limit, Body as that has them
	KindExchangeReply Kind = 14 // Outcome, and of the same step From, To, Cursor, Limit, Body
)

var kindNames = [...]string{
	"kind(0)", "fetch", "fetch-reply", "store", "store-reply", "retime", "owe", "forward", "forward-reply",
	"pull", "pull-reply", "map", "beat", "exchange", "exchange-reply",
}

// String names the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Pass is why a record is stored: it decides what a replica may do with it.
type Pass uint8

// Foreground writes are answered when they lose, so that their coordinator stamps again; the others are
// simply refused: nothing is stored at or below a floor.
const (
	PassForeground Pass = 0
	PassRepair     Pass = 1
	PassHint       Pass = 2
)

// Outcome is what a node made of a message that changes something, and why a node did not count.
type Outcome uint8

// The first group counts as done, the second does not. Numbers are part of the protocol.
const (
	OutcomeOK         Outcome = 0  // stored, or already known; a fetch that was served
	OutcomeGone       Outcome = 1  // retime of a version this replica has forgotten: nothing left to expire
	OutcomeHinted     Outcome = 2  // kept as a hint
	OutcomeSame       Outcome = 3  // a fetch that checks: what it names is held
	OutcomeSuperseded Outcome = 16 // a greater version is held: Known
	OutcomeBehind     Outcome = 17 // at or below the floor: Known.Stamp
	OutcomeMissing    Outcome = 18 // retime of a version this replica never had
	OutcomeNotOwner   Outcome = 19 // not an owner under the answering node's map
	OutcomeNotReady   Outcome = 20 // its clock has not passed its ceiling, or it is draining
	OutcomeLate       Outcome = 21 // past the request's deadline
	OutcomeAhead      Outcome = 22 // a stamp beyond the skew bound or the answerer's ceiling
	OutcomeFull       Outcome = 23 // no room: memory, of a store that evicts nothing, or hints
	OutcomeTooLarge   Outcome = 24
	OutcomeDown       Outcome = 25 // not alive or not connected
	OutcomeSilent     Outcome = 26 // did not answer in time
	OutcomeSkewed     Outcome = 27 // its clock is too far off to coordinate a write
)

var outcomeNames = map[Outcome]string{
	OutcomeOK: "ok", OutcomeGone: "gone", OutcomeHinted: "hinted", OutcomeSame: "same", OutcomeSuperseded: "superseded",
	OutcomeBehind: "behind", OutcomeMissing: "missing", OutcomeNotOwner: "not-owner", OutcomeNotReady: "not-ready",
	OutcomeLate: "late", OutcomeAhead: "ahead", OutcomeFull: "full", OutcomeTooLarge: "too-large",
	OutcomeDown: "down", OutcomeSilent: "silent", OutcomeSkewed: "skewed",
}

// String names the outcome, as errors show it.
func (o Outcome) String() string {
	if s, ok := outcomeNames[o]; ok {
		return s
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// Message is one message between nodes. One struct serves every kind, so that a link decodes into the
// same memory again and again; slices alias the frame. A kind uses only the fields its comment names,
// and ID, which the asker chooses and the answer echoes.
type Message struct {
	Kind      Kind
	ID        uint64
	Outcome   Outcome
	Pass      Pass // Store
	Key       []byte
	Set       vclock.Set
	Known     vclock.Dot      // StoreReply: the greatest version known, or the floor (no actor); PullReply: the sender's floor while it recovers (no actor)
	Floor     vclock.Stamp    // FetchReply: floor; Store: nothing at or below it is missing in Set; PullReply: mark; Beat: ceiling
	Gone      vclock.Deadline // FetchReply: the deadline register of a version that is no longer held
	Check     bool            // Fetch: nobody waits for the version, so it need not come if it is what Digest names, and was not used
	Digest    uint32          // FetchReply: which that was: vclock.Set.Ghost of it and Gone. Fetch that checks: what the asker has; 0: nothing, or several versions
	Expires   int64           // Store, Retime, Owe, Forward: request deadline, milliseconds since 1970; 0: none, which of an Owe says that who asks hands over what it owes
	Target    uint64          // Owe: the node owed
	Partition uint32          // Pull, PullReply, Exchange, ExchangeReply
	Cursor    uint64          // the same: where the next page begins
	Limit     uint32          // Pull, Exchange: bytes of the page at most; ExchangeReply: of StepCompare, how many shards the sender has
	Step      Step            // Exchange, ExchangeReply
	From, To  vclock.Stamp    // Exchange, ExchangeReply: a span of stamps, To not in it
	Leaves    uint32          // Exchange: how many that span is told in, a power of two
	Brief     bool            // Pull: of records no more than which versions they are
	Boot      uint64          // PullReply: the sender's, to which the cursor belongs
	Force     bool            // Forward: coordinate it with a clock too far off, too: those of all owners are
	Wall      int64           // Beat
	Body      []byte          // Forward, ForwardReply: a frame without its length; Pull: hashes, or none (see Wants); PullReply: a page; Exchange, ExchangeReply: see Step; Map: as EncodeMap wrote it
}
