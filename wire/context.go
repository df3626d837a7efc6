package wire

import (
	"encoding/binary"
	"errors"

	"github.com/shoalcache/shoal/vclock"
)

// The bytes of a context, as a client keeps it from a get to a set without looking into it:
//
//	version 1 │ floor 8 │ of each actor: node 8, boot 8, stamp 8 │ check 8
//
// The check is a hash of all before it and of the cluster and key that it is for. It keeps mistakes out, a context of
// another key or one that was cut, and no forger who knows this page: he may as well overwrite the key.
const (
	// ContextActors is how many actors a context may have.
	ContextActors = 64

	contextVersion = 1
	contextMax     = 1 + 8 + ContextActors*24 + 8
)

// ErrContext is returned for a context that was not given for this key of this cluster, or not as it is.
var ErrContext = errors.New("wire: not a context of this key")

// AppendContext appends the bytes of c for a key of a cluster, which salt stands for: the hash of both. It may have
// at most 64 actors.
func AppendContext(dst []byte, c *vclock.Context, salt uint64, hash func([]byte) uint64) []byte {
	start := len(dst)
	dst = append(dst, contextVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.Floor))
	for _, d := range c.Seen {
		dst = binary.BigEndian.AppendUint64(dst, d.Actor.Node)
		dst = binary.BigEndian.AppendUint64(dst, d.Actor.Boot)
		dst = binary.BigEndian.AppendUint64(dst, uint64(d.Stamp))
	}
	return binary.BigEndian.AppendUint64(dst, hash(dst[start:])^salt)
}

// ParseContext reads what AppendContext wrote, with the same salt and hash; all else is ErrContext.
func ParseContext(b []byte, salt uint64, hash func([]byte) uint64) (c vclock.Context, err error) {
	end := len(b) - 8
	if end < 9 || (end-9)%24 != 0 || end-9 > ContextActors*24 || b[0] != contextVersion {
		return c, ErrContext
	}
	if binary.BigEndian.Uint64(b[end:]) != hash(b[:end])^salt {
		return c, ErrContext
	}
	c.Floor = vclock.Stamp(binary.BigEndian.Uint64(b[1:]))
	for at := 9; at < end; at += 24 {
		d := vclock.Dot{
			Actor: vclock.Actor{Node: binary.BigEndian.Uint64(b[at:]), Boot: binary.BigEndian.Uint64(b[at+8:])},
			Stamp: vclock.Stamp(binary.BigEndian.Uint64(b[at+16:])),
		}
		if n := len(c.Seen); d.Stamp <= c.Floor || n > 0 && c.Seen[n-1].Actor.Compare(d.Actor) >= 0 {
			return vclock.Context{}, ErrContext
		}
		c.Seen = append(c.Seen, d)
	}
	return c, nil
}
