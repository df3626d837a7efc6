package wire

import "fmt"

// Op is what a client asks for.
type Op uint8

// The client operations. Numbers are part of the protocol and never reused.
const (
	OpGet    Op = 1
	OpSet    Op = 2
	OpDelete Op = 3
	OpTouch  Op = 4 // sets or clears the deadline
	OpMGet   Op = 5
	OpPing   Op = 6
	OpMap    Op = 7  // the cluster map, as EncodeMap writes it
	OpWhere  Op = 8  // placement of one key: a Where document
	OpStats  Op = 9  // the node's Stats document
	OpHead   Op = 10 // OpGet without the value
	OpScan   Op = 11 // some of the cluster's keys, and where to go on

	OpNamespace Op = 12 // makes, changes, flushes or drops a namespace: a NamespaceChange document

	OpIncr   Op = 13 // adds to a counter
	OpAppend Op = 14 // adds to the end of a value

	OpRepair   Op = 15 // lets the node exchange with other owners, and tells how far that is: a Repair document
	OpHandOver Op = 16 // lets the node hand what it owes over to others, and tells how far that is: a HandOver document
)

var opNames = map[Op]string{
	OpGet: "get", OpSet: "set", OpDelete: "delete", OpTouch: "touch", OpMGet: "mget",
	OpPing: "ping", OpMap: "map", OpWhere: "where", OpStats: "stats", OpHead: "head", OpScan: "scan", OpNamespace: "namespace",
	OpIncr: "incr", OpAppend: "append", OpRepair: "repair", OpHandOver: "hand-over",
}

// String names the operation, as errors show it.
func (o Op) String() string {
	if s, ok := opNames[o]; ok {
		return s
	}
	return fmt.Sprintf("op(%d)", uint8(o))
}

// Writes reports whether the operation changes a key, so that an owner must coordinate it.
func (o Op) Writes() bool {
	return o == OpSet || o == OpDelete || o == OpTouch || o == OpIncr || o == OpAppend
}

// Condition is what has to be so for a set or delete to happen. It is judged on the votes of a read by one of the key's
// owners; where a partition of the cluster lets two of them judge, both may find it so.
type Condition uint8

// The conditions. Numbers are part of the protocol.
const (
	Always  Condition = 0
	Absent  Condition = 1 // there is no value; one that all have forgotten is not there
	Present Condition = 2 // there is a value
	Version Condition = 3 // the value has the stamp Request.Than; 0: there is none
)

// Changes reports whether the operation changes anything at all, so that one without an answer may have happened.
func (o Op) Changes() bool { return o.Writes() || o == OpNamespace }

// Request is one client call. One struct serves every operation, so that a connection decodes into the
// same memory again and again; slices alias the frame.
//
//	[op, id, level, r, w, flags, timeout_ms, key, value, ttl_ms, keys, namespace, context, condition, than, by, session, serial, boot]
type Request struct {
	Op      Op
	ID      uint64   // chosen by the client, echoed in the response
	Level   Level    // LevelDefault: the namespace's
	R, W    uint8    // with LevelExplicit only
	Sloppy  bool     // hinted writes at fallbacks count towards W
	Timeout uint32   // milliseconds; 0: the node's default
	Key     []byte   // OpScan: a ScanCursor, empty to begin
	Value   []byte   // OpSet, OpAppend; OpIncr: where one begins that is not there, in digits; OpScan: what the keys begin with; OpNamespace, OpRepair, OpHandOver: the document
	TTL     int64    // milliseconds, relative: OpSet, OpTouch; 0 means no deadline, negative is refused
	Keys    [][]byte // OpMGet

	Namespace string // of the key or keys; empty: the default one

	Previous bool // OpSet, OpDelete: answer with the value that was there
	Siblings bool // OpGet: answer with all siblings, and a context

	Context   []byte    // OpSet, OpDelete: what the client had seen, as a get has told it; see Context
	Condition Condition // OpSet, OpDelete
	Than      uint64    // with Version
	By        int64     // OpIncr: what to add

	// By these a request that is sent again, since no answer came, is told from another.
	Session uint64 // of the client, drawn at random; 0: the request is not told apart
	Serial  uint64 // of the request in its session
	Boot    uint64 // sent again: the boot of the node that it was sent to before, and is sent to again; else 0
}

// Status is how a client call ended.
type Status uint8

// Statuses. From StatusBadRequest on they are failures: Response.Err says more, and AsError makes it an error.
const (
	StatusOK         Status = 0
	StatusNotFound   Status = 1
	StatusNotMet     Status = 2  // the condition was not met, nothing was done; no failure
	StatusBadRequest Status = 16 // nothing was done
	StatusTooLarge   Status = 17 // nothing was done
	StatusQuorum     Status = 18 // too few replicas answered; a write is indeterminate
	StatusTimeout    Status = 19 // a write is indeterminate
	StatusOverloaded Status = 20 // nothing was done
	StatusNotReady   Status = 21 // nothing was done; the node is starting or stopping
	StatusInternal   Status = 22

	StatusNoNamespace Status = 23 // nothing was done

	StatusNotNumber Status = 24 // nothing was done; the value is not an integer of 64 bits
	StatusRange     Status = 25 // nothing was done; the sum would not be within 64 bits
	StatusContext   Status = 26 // nothing was done; the context is not one that this cluster gave for this key
	StatusUnsure    Status = 27 // sent again, and it is not known any more whether it was carried out; it was not now

	StatusOutOfMemory Status = 28 // owners are full, and evict nothing; a write is indeterminate
)

// Undone reports whether nothing was done, so that the request may be sent again as it is.
func (s Status) Undone() bool {
	switch s {
	case StatusBadRequest, StatusTooLarge, StatusOverloaded, StatusNotReady, StatusNoNamespace, StatusNotNumber, StatusRange, StatusContext:
		return true
	}
	return false
}

// Response answers one Request; slices alias the frame or the memory the answering machine lends.
//
//	[status, id, stamp, value, deadline_ms, flags, hinted, items, error, context]
type Response struct {
	Status    Status
	ID        uint64
	Stamp     uint64 // of the version read or written; 0 where there is none
	Value     []byte // OpIncr: the counter, in digits; OpAppend: how long the value is now; OpScan: the ScanCursor to go on with, empty at the end
	Deadline  int64  // milliseconds since 1970; 0: none
	Forgotten bool   // a miss that owners answered, but could not vote for
	Hinted    uint8  // fallbacks that counted towards W
	Items     []Item
	Err       *Error // with failures only
	Context   []byte // OpGet with Siblings: what whoever got this answer has seen
}

// Item is one key's part of a response: to OpMGet, in the order of the keys asked; to OpScan, where the key itself
// is the Value; to OpGet one of the siblings, the latest first.
type Item struct {
	Status    Status
	Stamp     uint64
	Value     []byte
	Deadline  int64
	Forgotten bool
}

// Error is a failure as it travels: [op, want, got, [[node, reason], …], text].
type Error struct {
	Op     Op
	Want   uint8
	Got    uint8
	Failed []Failure
	Text   string // what failed and what to do, one line
}

// Failure is why one node did not count.
type Failure struct {
	Node   uint64
	Reason Outcome
}
