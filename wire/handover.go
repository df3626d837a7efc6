package wire

// HandOver is the document that OpHandOver carries: whether the node is to let others keep what it owes to nodes that are down, now
// and from now on. It answers with a HandOverState; with neither it only does that. A restart ends it.
type HandOver struct {
	Begin bool `msgpack:"begin"`
	End   bool `msgpack:"end"`
}

// HandOverState is the document that answers OpHandOver: what the node owes, and what became of what it owed, since it started.
type HandOverState struct {
	Node        uint64   `msgpack:"node" json:"node,string"`
	HandsOver   bool     `msgpack:"hands_over" json:"hands_over"`
	Takers      []string `msgpack:"takers" json:"takers"`             // names of the nodes that are up, and not known to leave
	Owed        int64    `msgpack:"hints_owed" json:"hints_owed"`     // in memory, on disk or not
	MemoryBytes int64    `msgpack:"memory_bytes" json:"memory_bytes"` // that these take
	UnreadBytes int64    `msgpack:"unread_bytes" json:"unread_bytes"` // of what is on disk alone
	Failing     bool     `msgpack:"failing" json:"failing"`           // its disk does: there may be more
	HandedOver  int64    `msgpack:"hints_handed_over" json:"hints_handed_over"`
	NotTaken    int64    `msgpack:"hints_not_taken" json:"hints_not_taken"` // times that a node did not keep one
	Delivered   int64    `msgpack:"hints_delivered" json:"hints_delivered"` // to nodes that are back
	Refused     int64    `msgpack:"hints_refused" json:"hints_refused"`     // by these: they have forgotten what is later
	Expired     int64    `msgpack:"hints_expired" json:"hints_expired"`
	Dropped     int64    `msgpack:"hints_dropped" json:"hints_dropped"` // for want of room, or nobody is owed them any more
	Taken       int64    `msgpack:"hints_taken" json:"hints_taken"`     // from others, in their place
}
