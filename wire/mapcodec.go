package wire

import "github.com/shoalcache/shoal/ring"

// The bytes of a cluster map are one array, without a length in front: they travel as the Body of a
// message, as the Value of a response, through gossip, and lie on disk.
//
//	cluster_id, cluster, partitions, nodes, namespaces
//	node:       id, boot, name, client_addr, peer_addr, gossip_addr, datacenter, rack, weight, state, version, resp_addr
//	namespace:  name, replicas, read, write, version; and unless all of these are 0: mode, ttl_ms, epoch, dropped
//
// It is written by hand like the hot frames, though it is rare: the MessagePack library refuses an array with a
// field more than it knows, which would split a cluster in the middle of an upgrade, and cuts numbers that
// are too large for their field instead of refusing them.
const (
	mapFields       = 5
	nodeFields      = 12
	nodeFieldsLeast = 11 // as earlier versions wrote them, without resp_addr
	namespaceFields = 9

	namespaceFieldsLeast = 5
)

// EncodeMap returns the bytes of m.
func EncodeMap(m *ring.Map) []byte {
	dst := make([]byte, 0, 64+128*len(m.Nodes)+32*len(m.Namespaces))
	dst = appendArray(dst, mapFields)
	dst = appendUint(dst, m.ClusterID)
	dst = appendString(dst, m.Cluster)
	dst = appendUint(dst, uint64(m.Partitions))
	dst = appendArray(dst, len(m.Nodes))
	for i := range m.Nodes {
		dst = appendNode(dst, &m.Nodes[i])
	}
	dst = appendArray(dst, len(m.Namespaces))
	for i := range m.Namespaces {
		dst = appendNamespace(dst, &m.Namespaces[i])
	}
	return dst
}

func appendNode(dst []byte, n *ring.Node) []byte {
	dst = appendArray(dst, nodeFields)
	dst = appendUint(dst, n.ID)
	dst = appendUint(dst, n.Boot)
	dst = appendString(dst, n.Name)
	dst = appendString(dst, n.ClientAddr)
	dst = appendString(dst, n.PeerAddr)
	dst = appendString(dst, n.GossipAddr)
	dst = appendString(dst, n.Datacenter)
	dst = appendString(dst, n.Rack)
	dst = appendUint(dst, uint64(n.Weight))
	dst = appendUint(dst, uint64(n.State))
	dst = appendUint(dst, n.Version)
	return appendString(dst, n.RespAddr)
}

func appendNamespace(dst []byte, ns *ring.Namespace) []byte {
	fields := namespaceFields
	if ns.Mode == 0 && ns.TTL == 0 && ns.Epoch == 0 && !ns.Dropped {
		fields = namespaceFieldsLeast
	}
	dst = appendArray(dst, fields)
	dst = appendString(dst, ns.Name)
	dst = appendUint(dst, uint64(ns.Replicas))
	dst = appendUint(dst, uint64(ns.Read))
	dst = appendUint(dst, uint64(ns.Write))
	dst = appendUint(dst, ns.Version)
	if fields == namespaceFieldsLeast {
		return dst
	}
	dst = appendUint(dst, uint64(ns.Mode))
	dst = appendInt(dst, ns.TTL)
	dst = appendUint(dst, uint64(ns.Epoch))
	return appendUint(dst, bit(ns.Dropped, 0))
}

// DecodeMap reads a map that shares no memory with b and has passed Validate. Bytes that are none are a
// *FormatError or a *LimitError, a map that cannot be is an error of package ring.
func DecodeMap(b []byte) (*ring.Map, error) {
	var m ring.Map
	r := reader{b: b}
	extra := r.fields(mapFields)
	m.ClusterID = r.uint()
	m.Cluster = r.string("cluster name", ring.NameMax)
	m.Partitions = r.uint32()
	for range r.list("nodes of a map", ring.NodesMax+ring.RemovedMax) {
		if r.err != nil {
			break
		}
		m.Nodes = append(m.Nodes, r.node())
	}
	for range r.list("namespaces of a map", ring.NamespacesMax) {
		if r.err != nil {
			break
		}
		m.Namespaces = append(m.Namespaces, r.namespace())
	}
	r.skip(extra)
	if err := r.done(); err != nil {
		return nil, err
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return &m, nil
}

func (r *reader) node() (n ring.Node) {
	extra := r.fields(nodeFieldsLeast)
	n.ID = r.uint()
	n.Boot = r.uint()
	n.Name = r.string("node name", ring.NameMax)
	n.ClientAddr = r.string("client address", ring.AddressMax)
	n.PeerAddr = r.string("peer address", ring.AddressMax)
	n.GossipAddr = r.string("gossip address", ring.AddressMax)
	n.Datacenter = r.string("datacenter", ring.NameMax)
	n.Rack = r.string("rack", ring.NameMax)
	n.Weight = r.uint32()
	n.State = ring.State(r.uint8())
	n.Version = r.uint()
	if extra > 0 {
		n.RespAddr = r.string("RESP address", ring.AddressMax)
		extra--
	}
	r.skip(extra)
	return n
}

func (r *reader) namespace() (ns ring.Namespace) {
	extra := r.fields(namespaceFieldsLeast)
	ns.Name = r.string("namespace", ring.NameMax)
	ns.Replicas = r.uint8()
	ns.Read = r.uint8()
	ns.Write = r.uint8()
	ns.Version = r.uint()
	if more := namespaceFields - namespaceFieldsLeast; extra >= more {
		ns.Mode = ring.Mode(r.uint8())
		ns.TTL = r.int()
		ns.Epoch = r.uint32()
		ns.Dropped = r.small(1) == 1
		extra -= more
	}
	r.skip(extra)
	return ns
}
