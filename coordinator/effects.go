package coordinator

import (
	"time"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

// Config is what every machine of a node shares.
type Config struct {
	TimeoutDefault   time.Duration // of a request that names none; default 2 s
	TimeoutMax       time.Duration // longest a request may ask for; recovery waits this long, so raising it slows recovery; default 5 s
	LingerMax        time.Duration // how long an answered write waits for its last owners before it owes them hints, and a read for replies to repair by; default 500 ms
	TombstoneFor     time.Duration // a tombstone's own TTL, after which its ghost stands for it; default 1 h
	ContextActors    int           // actors a stamped context keeps; fewer is smaller, more tells concurrent from newer longer; default 8
	Limits           wire.Limits   // of what other nodes send
	Siblings         int           // versions that a write keeps beside its own, where a namespace keeps siblings: of more the oldest go; default 16
	SettledAfter     time.Duration // how long after a stamp no write at or below it is under way any more, on any clock that is believed; default 16 s
	Hash             func([]byte) uint64
	ReadRepairChance float64 // share of reads that, once answered, ask the owners of this datacenter they did not need, and repair them; 0: none, 1: all; more finds stale copies sooner, and loads every owner with every key; default 0.01
	RestampsMax      int     // times a write may be overtaken before it gives up; fewer fail hot keys, on which fifty writers lose one race in three; default 32
}

// DefaultConfig returns the defaults named at the fields.
func DefaultConfig() Config {
	return Config{
		TimeoutDefault: 2 * time.Second, TimeoutMax: 5 * time.Second, LingerMax: 500 * time.Millisecond,
		TombstoneFor: time.Hour, ContextActors: 8, Siblings: 16, SettledAfter: 16 * time.Second, RestampsMax: 32, ReadRepairChance: 0.01, Limits: wire.DefaultLimits(),
	}
}

// Env is what a machine may use during one call: the time, the clock that stamps, and where effects go.
type Env struct {
	Now      vclock.Now
	Self     vclock.Actor
	Clock    *vclock.Clock
	Fast     int64        // milliseconds by which stamps stay behind Now.Wall: a clock far ahead makes none that others refuse
	Ceiling  vclock.Stamp // no stamp above it may be issued
	Config   *Config
	Own      Holder
	Repaired *Repaired
	Eff      *Effects
}

// Holder is what a coordinator itself holds.
type Holder interface {
	// Holding is what this node knows of the key of a call, other writes of its own that are under way included, and its
	// floor. The set may alias the store: it is good until the next call.
	Holding(id uint64, key []byte) (vclock.Set, vclock.Stamp)
}

// stampMargin is how far below the ceiling a stamp must lie: lanes and ties may push it up by as much.
const stampMargin = vclock.Stamp(4096)

// stamp issues a stamp above the given one; false while the ceiling forbids it, and then asks for more.
func (e *Env) stamp(above vclock.Stamp) (vclock.Stamp, bool) {
	wall := e.Now.Wall - e.Fast
	least := max(vclock.StampAt(wall), above, e.Clock.Last())
	if e.Ceiling < stampMargin || least > e.Ceiling-stampMargin {
		e.Eff.CeilingWanted = max(e.Eff.CeilingWanted, least+stampMargin)
		return 0, false
	}
	return e.Clock.Next(wall, above), true
}

// Effects is what machines want done: the caller drains it after every call, before anything that the
// slices inside alias (the machine's memory, the reply's frame, the store) can change.
type Effects struct {
	Answers        []Answer
	Sends          []Send
	Hints          []Hint
	CeilingWanted  vclock.Stamp // a machine waits until the ceiling has reached this
	Hedges         int          // reads that asked one more owner than they had to
	Collapsed      int          // siblings that gave way to newer ones, being too many
	Conflicts      int          // writes that left siblings beside theirs
	Checks         int          // owners asked by chance, after the answer
	Repairs        int          // stale copies sent the newer version
	RepairsLate    int          // of these: found by replies that came after the answer
	RepairsChecked int          // of these: found by asking by chance
	Withheld       int          // repairs not sent, being the same again
	Restamps       int          // writes stamped again above what an owner knew
	Forgotten      int          // reads answered by enough owners and voted for by too few
}

// Reset empties e and keeps its memory and counts, but nothing that the slices alias: one of their elements may
// hold 16 MiB.
func (e *Effects) Reset() {
	clear(e.Answers)
	clear(e.Sends)
	clear(e.Hints)
	e.Answers, e.Sends, e.Hints, e.CeilingWanted = e.Answers[:0], e.Sends[:0], e.Hints[:0], 0
}

// Client names who waits for an answer: a connection of this node, or another node that forwarded.
type Client struct {
	Node uint64 // 0: a connection of this node
	Conn uint64 // which connection
	ID   uint64 // the client's own request id, or the forwarder's message id
	Part uint32 // which key of a multi-get, from 1; 0: the answer is whole
	Once uint64 // by which number the answer is remembered, should the request be sent again; 0: it is not
}

// Answer is a response for a client.
type Answer struct {
	Client   Client
	Response wire.Response
}

// Send is a message for a node, which may be this one.
type Send struct {
	To      uint64
	Message wire.Message
}

// Hint is a write owed to an owner that did not acknowledge it.
type Hint struct {
	Target uint64
	Key    []byte
	Set    vclock.Set
}

// Peer is one node of a key's list, as it looked when the request started.
type Peer struct {
	Node       uint64
	Name       string
	Datacenter uint8
	Owner      bool // false: a fallback, which may keep hints
	Up         bool // alive and connected
	Slow       bool // alive, but read from last
}

// Call is one request as it reaches a machine.
type Call struct {
	ID         uint64 // of the machine; every message carries it, every reply echoes it
	Client     Client
	Op         wire.Op
	Key        []byte // the machine copies what it keeps
	Value      []byte
	At         int64 // the key's new deadline, milliseconds since 1970; 0: none
	Quorum     Quorum
	Reads      Quorum         // of the read that comes first, where one does
	Siblings   bool           // the namespace keeps siblings
	Context    vclock.Context // what the client had seen; HasContext: it said so
	HasContext bool
	Previous   bool // answer with what was there
	Condition  wire.Condition
	Than       vclock.Stamp // with condition version
	By         int64        // OpIncr
	ValueMax   int          // bytes of what is worked out, with its context
	All        bool         // OpGet: answer with all siblings, and a context
	Salt       uint64       // of that context: the cluster's and the key's

	Known   *vclock.Set   // OpSet, OpDelete: what this node holds of the key; may alias the store
	Floor   vclock.Stamp  // with it: what this node may have forgotten of the key
	Body    []byte        // Forward: the request as it came, a frame's payload
	Peers   []Peer        // owners in the order of the list, then fallbacks; the machine copies what it keeps
	Until   time.Duration // monotonic time of the request's deadline
	Expires int64         // the same as a wall time of the clocks' median, by which every node judges it
	Hedge   time.Duration // a read asks one more owner when the first have been silent this long
	Spare   bool          // OpGet: there is room for asking by chance
}

// Machine is one request under way. Every method is complete on return; what it wants done is in Env.Eff.
type Machine interface {
	// Start begins with c; the machine may be done on return.
	Start(e *Env, c *Call)
	// Reply takes a node's reply; the frame it aliases may be reused afterwards.
	Reply(e *Env, from uint64, m *wire.Message)
	// Lost says that node is gone: replies due will not come, and it need not be asked any more.
	Lost(e *Env, node uint64)
	// Tick lets time pass: hedges, deadlines, and stamps that waited for the ceiling.
	Tick(e *Env)
	// Restart asks c.Peers instead, under c.Quorum: the key has other owners now. Other fields are not read.
	Restart(e *Env, c *Call)
	// Answered reports whether the client has its answer, so that finishing early costs at most hints.
	Answered() bool
	// Finish ends an answered machine at once, turning what it still waits for into hints.
	Finish(e *Env)
	// Done reports whether nothing is left to do, so that the machine may be reused.
	Done() bool
	// Bytes is the memory the machine holds for keys and values.
	Bytes() int
}
