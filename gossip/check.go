package gossip

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// What memberlist is let to read. Its own limits would take 110 MiB for the claim of a million nodes and 40 MiB
// for a packet that says it is compressed; no node of ours says either.
const (
	packetSent = 1400    // bytes; what this node puts into a packet
	packetMax  = 2048    // bytes; what it takes, alive news of the largest kind included
	stateMax   = 1 << 20 // bytes; an encoded map, some thousand nodes
	streamMax  = 4 << 20 // bytes; state and news of every node
)

// The message types of memberlist's protocol (its net.go) that have to be told apart here.
const (
	typePing     = 0
	typePushPull = 6
	typeCompound = 7
	typeUser     = 8
	typeCompress = 9
	typeEncrypt  = 10
	typeNack     = 11
	typeChecksum = 12
	typeError    = 13
	typeLabel    = 244
)

// labelError is what a stranger gets to read: another cluster lives here.
type labelError struct{ theirs, ours string }

// labelText begins what it reads, by which Join knows it again: only text comes back.
const labelText = "it belongs to cluster "

func (e *labelError) Error() string {
	return fmt.Sprintf(labelText+"%.255q, not %.255q", e.ours, e.theirs)
}

// rules are what bytes are checked against before memberlist reads them. With a key the rest is encrypted and
// memberlist authenticates it, so only lengths are checked.
type rules struct {
	label string
	keyed bool
}

// packet checks one datagram: label, then perhaps a checksum, then a message or a flat compound of messages.
func (r rules) packet(b []byte) error {
	bad := func(why string) error { return &BytesError{"packet", why} }
	if len(b) > packetMax {
		return bad(fmt.Sprintf("%d bytes, at most %d", len(b), packetMax))
	}
	if len(b) < 2 || b[0] != typeLabel || len(b) < 2+int(b[1]) {
		return bad("no label")
	}
	if label := string(b[2 : 2+b[1]]); label != r.label {
		return &labelError{label, r.label}
	}
	if b = b[2+b[1]:]; r.keyed {
		return nil
	}
	if len(b) > 5 && b[0] == typeChecksum {
		b = b[5:]
	}
	if len(b) == 0 || b[0] != typeCompound {
		return plain(b)
	}
	if len(b) < 2 || len(b) < 2+2*int(b[1]) {
		return bad("compound cut short")
	}
	lengths, parts := b[2:2+2*int(b[1])], b[2+2*int(b[1]):]
	for ; len(lengths) > 0; lengths = lengths[2:] {
		n := int(binary.BigEndian.Uint16(lengths))
		if n > len(parts) {
			return bad("compound cut short")
		}
		if err := plain(parts[:n]); err != nil {
			return err
		}
		parts = parts[n:]
	}
	return nil
}

// plain checks that a message holds no others: nesting is what makes reading a packet costly.
func plain(b []byte) error {
	if len(b) == 0 {
		return &BytesError{"packet", "empty message"}
	}
	switch t := b[0]; {
	case t < typePushPull, t == typeNack:
		return nil
	default:
		return &BytesError{"packet", fmt.Sprintf("message type %d is not sent in packets", t)}
	}
}

// stream checks the beginning of an incoming stream, up to the lengths by which memberlist allocates.
func (r rules) stream(b *bufio.Reader) error {
	bad := func(why string) error { return &BytesError{"stream", why} }
	var head [2]byte
	if _, err := io.ReadFull(b, head[:]); err != nil {
		return bad("cut short")
	}
	if head[0] != typeLabel {
		return bad("no label")
	}
	label := make([]byte, head[1])
	if _, err := io.ReadFull(b, label); err != nil {
		return bad("cut short")
	}
	if string(label) != r.label {
		return &labelError{string(label), r.label}
	}
	t, err := b.ReadByte()
	if err != nil {
		return bad("cut short")
	}
	switch {
	case r.keyed && t == typeEncrypt:
		var size [4]byte
		if _, err := io.ReadFull(b, size[:]); err != nil {
			return bad("cut short")
		}
		if n := binary.BigEndian.Uint32(size[:]); n > streamMax {
			return bad(fmt.Sprintf("%d bytes, at most %d", n, streamMax))
		}
		return nil
	case r.keyed:
		return bad("not encrypted: give that node this cluster's key")
	case t == typeEncrypt:
		return bad("encrypted: this node has no key")
	case t == typePing:
		return nil
	case t == typePushPull, t == typeUser:
		return header(b)
	default:
		return bad(fmt.Sprintf("message type %d does not open a stream", t))
	}
}

// header checks the small map that opens an exchange or a user message: nodes and bytes that follow.
func header(b *bufio.Reader) error {
	bad := func(why string) error { return &BytesError{"stream", why} }
	d := msgpack.NewDecoder(b)
	n, err := d.DecodeMapLen()
	if err != nil || n < 0 || n > 4 {
		return bad("no header")
	}
	for range n {
		size, err := d.DecodeBytesLen()
		if err != nil || size < 0 || size > 16 {
			return bad("no field name")
		}
		var name [16]byte
		if err := d.ReadFull(name[:size]); err != nil {
			return bad("cut short")
		}
		if c, err := d.PeekCode(); err == nil && (c == msgpcode.True || c == msgpcode.False) {
			_, _ = d.DecodeBool()
			continue
		}
		v, err := d.DecodeInt64()
		if err != nil {
			return bad("no number")
		}
		most := int64(stateHead + stateMax)
		if string(name[:size]) == "Nodes" {
			most = 2 * nodesMax // the dead are listed for a while
		}
		if v < 0 || v > most {
			return bad(fmt.Sprintf("claims %s = %d, at most %d", name[:size], v, most))
		}
	}
	return nil
}
