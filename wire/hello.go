package wire

import "github.com/shoalcache/shoal/ring"

// ProtocolVersion is the version spoken; a Hello of another version is answered with an Error.
const ProtocolVersion = 1

// HelloMax is the largest Hello in bytes: until a connection has said who it is, cut its frames with this
// as Limits.Frame.
const HelloMax = 8 << 10

// Role is who opens a connection.
type Role uint8

// A client speaks Requests, a node Messages.
const (
	RoleClient Role = 1
	RoleNode   Role = 2
)

// Hello opens every connection, in both directions, before any other frame. The version stands first and
// will in every version to come, so that both ends can say why they do not understand each other.
//
//	[version, role, cluster_id, cluster, node, boot, name, map_hash, wall_ms, error]
type Hello struct {
	Version   uint16 // of the protocol; see ProtocolVersion
	Role      Role
	ClusterID uint64 // 0: not known yet (a client, or a node that is joining)
	Cluster   string // the cluster's name
	Node      uint64 // 0 for a client
	Boot      uint64
	Name      string
	MapHash   uint64
	Wall      int64  // milliseconds since 1970
	Error     string // a refusal: the connection closes after it
}

const helloFields = 10

// AppendHello appends h as a whole frame, its length included, and returns the longer slice. An Error too
// long to travel is cut.
func AppendHello(dst []byte, h *Hello) []byte {
	start := len(dst)
	dst = append(openFrame(dst), fixArray|helloFields)
	dst = appendUint(dst, uint64(h.Version))
	dst = appendUint(dst, uint64(h.Role))
	dst = appendUint(dst, h.ClusterID)
	dst = appendString(dst, h.Cluster)
	dst = appendUint(dst, h.Node)
	dst = appendUint(dst, h.Boot)
	dst = appendString(dst, h.Name)
	dst = appendUint(dst, h.MapHash)
	dst = appendInt(dst, h.Wall)
	dst = appendString(dst, h.Error[:min(len(h.Error), textMax)])
	return closeFrame(dst, start)
}

// DecodeHello reads a frame, as NextFrame cut it, into h, every field of which it sets. After an error
// (*FormatError, *LimitError) h.Version is set if it could be read.
func DecodeHello(frame []byte, h *Hello) error {
	*h = Hello{}
	r := reader{b: frame}
	n := r.array()
	h.Version = uint16(r.small(1<<16 - 1))
	extra := n - helloFields
	if extra < 0 {
		r.fail("too few fields")
	}
	h.Role = Role(r.uint8())
	h.ClusterID = r.uint()
	h.Cluster = r.string("cluster name", ring.NameMax)
	h.Node = r.uint()
	h.Boot = r.uint()
	h.Name = r.string("node name", ring.NameMax)
	h.MapHash = r.uint()
	h.Wall = r.int()
	h.Error = r.string("error text", textMax)
	r.skip(extra)
	return r.done()
}
