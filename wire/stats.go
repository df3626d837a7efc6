package wire

// NodeStats is the document that answers OpStats: one node about itself, now. Names carry their unit, in
// MessagePack and in JSON alike, and are kept once given.
type NodeStats struct {
	Node                 uint64  `msgpack:"node" json:"node,string"` // as a string in JSON, whose numbers end at 2^53
	Boot                 uint64  `msgpack:"boot" json:"boot,string"`
	Name                 string  `msgpack:"name" json:"name"`
	Version              string  `msgpack:"version" json:"version"`
	ClientAddr           string  `msgpack:"client_addr" json:"client_addr"`
	Datacenter           string  `msgpack:"datacenter" json:"datacenter"`
	Rack                 string  `msgpack:"rack" json:"rack"`
	State                string  `msgpack:"state" json:"state"` // starting, recovering, active, leaving, or readonly: its disk takes no stamp ceiling, and it no writes
	MapHash              uint64  `msgpack:"map_hash" json:"map_hash,string"`
	Nodes                int     `msgpack:"nodes" json:"nodes"`       // in its map, removed ones aside
	NodesUp              int     `msgpack:"nodes_up" json:"nodes_up"` // of these, as it sees it; itself is one
	UptimeMillis         int64   `msgpack:"uptime_ms" json:"uptime_ms"`
	MemoryLimit          int64   `msgpack:"memory_limit_bytes" json:"memory_limit_bytes"`     // that records, ghosts and index may take: most of --memory
	MemoryUsed           int64   `msgpack:"memory_used_bytes" json:"memory_used_bytes"`       // of that
	Policy               string  `msgpack:"policy" json:"policy"`                             // by which it makes room: adaptive, s3fifo, lru, lfu, or none, which refuses writes
	OutOfMemory          int64   `msgpack:"failed_out_of_memory" json:"failed_out_of_memory"` // writes that it had no room for, since it evicts nothing
	Keys                 int64   `msgpack:"keys" json:"keys"`
	Share                float64 `msgpack:"share" json:"share"` // of its datacenter's data, 0 to 1
	OpsPerSecond         float64 `msgpack:"ops_per_second" json:"ops_per_second"`
	P50Micros            int64   `msgpack:"p50_us" json:"p50_us"`
	P99Micros            int64   `msgpack:"p99_us" json:"p99_us"`
	HintsOwed            int64   `msgpack:"hints_owed" json:"hints_owed"`
	HandsOver            bool    `msgpack:"hands_over" json:"hands_over"`                 // it lets others keep what it owes to nodes that are down
	Conflicts            int64   `msgpack:"conflicts" json:"conflicts"`                   // versions it met that had not seen each other: one was kept, or both as siblings
	SiblingsCollapsed    int64   `msgpack:"siblings_collapsed" json:"siblings_collapsed"` // that gave way to newer ones, being more than a key may have
	PartitionsOwned      int64   `msgpack:"partitions_owned" json:"partitions_owned"`
	PartitionsRecovering int64   `msgpack:"partitions_recovering" json:"partitions_recovering"`
	RecoveryPartitions   int64   `msgpack:"partitions_forgotten" json:"partitions_forgotten"` // that a restart, or a change of owners, made it forget, the last time
	RecoveryBytes        int64   `msgpack:"recovery_bytes" json:"recovery_bytes"`             // that came for these
	RecoveryTookMillis   int64   `msgpack:"recovery_took_ms" json:"recovery_took_ms"`         // until now, or until all had recovered
	RecoveryLeftMillis   int64   `msgpack:"recovery_left_ms" json:"recovery_left_ms"`         // if it goes on like that; 0: it is over, or cannot be told
	Goroutines           int     `msgpack:"goroutines" json:"goroutines"`
	Mallocs              uint64  `msgpack:"mallocs" json:"mallocs"` // objects allocated by its process, ever

	// Hints are what it owes, or has delivered, to each node; of many those that it owes most.
	Hints []HintDebt `msgpack:"hints" json:"hints"`

	// Comparisons are with the nodes that this one asks; of two nodes the one of the lesser id does.
	Comparisons []Comparison `msgpack:"comparisons" json:"comparisons"`

	// Packages are the counts of each package, by the package's name and then the count's.
	Packages map[string]map[string]any `msgpack:"packages" json:"packages"`
}

// HintDebt is what a node has to do with the writes that another one missed.
type HintDebt struct {
	Node         uint64 `msgpack:"node" json:"node,string"`
	Name         string `msgpack:"name" json:"name"`
	Owed         int64  `msgpack:"hints_owed" json:"hints_owed"`           // in memory, on disk or not
	MemoryBytes  int64  `msgpack:"memory_bytes" json:"memory_bytes"`       // that these take
	DiskBytes    int64  `msgpack:"disk_bytes" json:"disk_bytes"`           // files, delivered hints in them included
	UnreadBytes  int64  `msgpack:"unread_bytes" json:"unread_bytes"`       // of these: what is on disk alone
	OldestMillis int64  `msgpack:"oldest_ms" json:"oldest_ms"`             // how long ago the oldest in memory was written
	Delivered    int64  `msgpack:"hints_delivered" json:"hints_delivered"` // since it started, as are:
	Dropped      int64  `msgpack:"hints_dropped" json:"hints_dropped"`
	Expired      int64  `msgpack:"hints_expired" json:"hints_expired"`
	HandedOver   int64  `msgpack:"hints_handed_over" json:"hints_handed_over"` // to others, that keep them in its place
	Taken        int64  `msgpack:"hints_taken" json:"hints_taken"`             // from others, in theirs
}
