package wire

// NamespaceChange is the document that OpNamespace carries. What is left out stays as it is, or at creation is as in the
// default namespace.
type NamespaceChange struct {
	Action   string `msgpack:"action"` // one of those below
	Name     string `msgpack:"name"`
	Mode     string `msgpack:"mode"` // create: lww, or siblings; empty: lww
	Replicas uint8  `msgpack:"replicas"`
	Read     string `msgpack:"read"`   // the name of a Level
	Write    string `msgpack:"write"`  // likewise
	TTL      *int64 `msgpack:"ttl_ms"` // 0: none
}

// The actions of a NamespaceChange.
const (
	NamespaceCreate = "create" // that it is there with the same settings is fine
	NamespaceSet    = "set"    // its levels and its TTL
	NamespaceFlush  = "flush"  // no key that it has can be read ever again
	NamespaceDrop   = "drop"   // likewise, and no key can be written until it is created again
)
