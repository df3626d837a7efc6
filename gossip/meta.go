package gossip

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/memberlist"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/shoalcache/shoal/vclock"
)

// Meta is what every node learns of a node with the news that it is alive. Encoded it takes at most 512
// bytes, as the MessagePack array [cluster id, name, client, peer, datacenter, rack]; later versions append.
type Meta struct {
	ClusterID  uint64 // 0: the node has not joined a cluster yet
	Name       string // for people
	ClientAddr string // host:port for clients
	PeerAddr   string // host:port for links between nodes
	Datacenter string
	Rack       string
}

// BytesError is returned for bytes from the network that are not what they should be.
type BytesError struct {
	What string // packet, stream, meta, state, name
	Why  string
}

// Error is one line.
func (e *BytesError) Error() string { return "gossip: bad " + e.What + ": " + e.Why }

const metaFields = 6

// strings lists the text fields in the order they travel.
func (m *Meta) strings() [metaFields - 1]*string {
	return [...]*string{&m.Name, &m.ClientAddr, &m.PeerAddr, &m.Datacenter, &m.Rack}
}

func (m Meta) encode() ([]byte, error) {
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	_ = e.EncodeArrayLen(metaFields) // a buffer takes all
	_ = e.EncodeUint(m.ClusterID)
	for _, s := range m.strings() {
		_ = e.EncodeString(*s)
	}
	if b.Len() > memberlist.MetaMaxSize {
		return nil, fmt.Errorf("gossip: name, addresses, datacenter and rack take %d bytes of %d: shorten them", b.Len(), memberlist.MetaMaxSize)
	}
	return b.Bytes(), nil
}

func decodeMeta(b []byte) (Meta, error) {
	var m Meta
	if len(b) > memberlist.MetaMaxSize {
		return m, &BytesError{"meta", fmt.Sprintf("%d bytes, at most %d", len(b), memberlist.MetaMaxSize)}
	}
	r := bytes.NewReader(b)
	d := msgpack.NewDecoder(r)
	n, err := d.DecodeArrayLen()
	if err != nil || n < metaFields {
		return m, &BytesError{"meta", "not an array of 6"}
	}
	if m.ClusterID, err = d.DecodeUint64(); err != nil {
		return m, &BytesError{"meta", "no cluster id"}
	}
	for _, s := range m.strings() {
		n, err := d.DecodeBytesLen()
		if err != nil || n < 0 || n > r.Len() { // the library would allocate what the length claims
			return Meta{}, &BytesError{"meta", "not a text, or cut short"}
		}
		text := b[len(b)-r.Len():][:n]
		*s = string(text)
		if _, err := r.Seek(int64(n), 1); err != nil {
			return Meta{}, &BytesError{"meta", err.Error()}
		}
	}
	return m, nil
}

// parseName reads a gossip name as vclock.Actor prints it, "%016x#%x" of node id and boot.
func parseName(s string) (vclock.Actor, error) {
	node, boot, ok := strings.Cut(s, "#")
	n, err1 := strconv.ParseUint(node, 16, 64)
	b, err2 := strconv.ParseUint(boot, 16, 64)
	a := vclock.Actor{Node: n, Boot: b}
	if !ok || err1 != nil || err2 != nil || a.String() != s { // one name per actor
		return vclock.Actor{}, &BytesError{"name", fmt.Sprintf("%.40q is not node#boot in hexadecimal", s)}
	}
	return a, nil
}

// state is one node's encoded map on its way: version, node, boot, cluster id in fixed width, then the map.
type state struct {
	from    vclock.Actor
	cluster uint64
	body    []byte
}

const (
	stateVersion = 1
	stateHead    = 1 + 3*8
)

func (s state) encode() []byte {
	b := make([]byte, 0, stateHead+len(s.body))
	b = append(b, stateVersion)
	b = binary.BigEndian.AppendUint64(b, s.from.Node)
	b = binary.BigEndian.AppendUint64(b, s.from.Boot)
	b = binary.BigEndian.AppendUint64(b, s.cluster)
	return append(b, s.body...)
}

// decodeState aliases b in its body.
func decodeState(b []byte) (state, error) {
	if len(b) < stateHead {
		return state{}, &BytesError{"state", "cut short"}
	}
	if len(b) > stateHead+stateMax {
		return state{}, &BytesError{"state", fmt.Sprintf("%d bytes, at most %d", len(b), stateMax)}
	}
	if b[0] != stateVersion {
		return state{}, &BytesError{"state", fmt.Sprintf("version %d, this node speaks %d", b[0], stateVersion)}
	}
	u := func(i int) uint64 { return binary.BigEndian.Uint64(b[1+8*i:]) }
	return state{vclock.Actor{Node: u(0), Boot: u(1)}, u(2), b[stateHead:]}, nil
}
