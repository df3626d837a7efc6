package wire

// Repair is the document that OpRepair carries: what the node is to exchange with the other owners at once, and not when its turn
// comes. It answers with a RepairState; asked again without Begin it only does that.
type Repair struct {
	Begin     bool    `msgpack:"begin"`
	Partition *uint32 `msgpack:"partition"` // nil: all that the node owns
}

// RepairState is the document that answers OpRepair: how far the node is with what it was told to repair. Of two owners one asks the
// other, so that a repair is through when all nodes are. The counts are of all exchanges since the node started.
type RepairState struct {
	Node          uint64   `msgpack:"node" json:"node,string"`
	Pending       int64    `msgpack:"pending" json:"pending"`       // exchanges, of one shard with one node each, that are not over yet
	Stalled       int64    `msgpack:"stalled" json:"stalled"`       // of these, with nodes that are down
	Waiting       []string `msgpack:"waiting" json:"waiting"`       // which are these; there may be none that is waited for
	Compared      int64    `msgpack:"compared" json:"compared"`     // partitions
	Differing     int64    `msgpack:"differing" json:"differing"`   // of these, in which something differed
	Given         int64    `msgpack:"given" json:"given"`           // records and ghosts told to others
	Merged        int64    `msgpack:"merged" json:"merged"`         // and told to this node, which said something new
	False         int64    `msgpack:"false" json:"false_repairs"`   // records told to this node that it knew, or had forgotten, as late
	SentBytes     int64    `msgpack:"sent_bytes" json:"sent_bytes"` // to those it asked
	ReceivedBytes int64    `msgpack:"received_bytes" json:"received_bytes"`
	Failed        int64    `msgpack:"failed" json:"failed"` // exchanges, for want of answers

	Comparisons []Comparison `msgpack:"comparisons" json:"comparisons"` // as in NodeStats; asked of one partition, of that alone
}

// Comparison is what a node found when it last compared what it shares with another one, which it asks: of the partitions all,
// unless one is spoken of. What differed was exchanged.
type Comparison struct {
	Node      string `msgpack:"node" json:"node"`     // its name
	AgoMillis int64  `msgpack:"ago_ms" json:"ago_ms"` // -1: never yet
	Compared  int64  `msgpack:"compared" json:"compared"`
	Differing int64  `msgpack:"differing" json:"differing"`

	Partitions []uint32 `msgpack:"partitions" json:"differing_partitions"` // of those that differed, at most 16
}
