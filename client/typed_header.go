package client

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// A value of Typed begins with what it is, as one MessagePack array of three, and goes on with what the codec wrote:
//
//	[type, version, codec] payload
//
// which costs four bytes and the two names. A codec without a name writes no header. In both cases the byte 0xc1, which
// begins no MessagePack value, no JSON and no text, sets apart what is not a value.
const (
	reserved = "\xc1shoal:"
	absent   = reserved + "none"   // a Loader was told that there is none
	escaped  = reserved + "value=" // a payload without header follows that begins like reserved
)

// appendHeader appends a tag as MessagePack.
func appendHeader(b []byte, t Tag) []byte {
	b = append(b, 0x93)
	b = appendText(b, t.Type)
	if t.Version < 0x80 {
		b = append(b, byte(t.Version))
	} else {
		b = binary.BigEndian.AppendUint32(append(b, 0xce), t.Version)
	}
	return appendText(b, t.Codec)
}

func appendText(b []byte, s string) []byte {
	s = s[:min(len(s), 0xffff)]
	if len(s) < 32 {
		b = append(b, 0xa0|byte(len(s)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 0xda), uint16(len(s)))
	}
	return append(b, s...)
}

// readHeader reads what appendHeader wrote; false if b begins otherwise.
func readHeader(b []byte) (t Tag, ok bool) {
	if len(b) == 0 || b[0] != 0x93 {
		return t, false
	}
	t.Type, b, ok = cutText(b[1:])
	switch {
	case ok && len(b) > 0 && b[0] < 0x80:
		t.Version, b = uint32(b[0]), b[1:]
	case ok && len(b) > 4 && b[0] == 0xce:
		t.Version, b = binary.BigEndian.Uint32(b[1:]), b[5:]
	default:
		return Tag{}, false
	}
	if t.Codec, _, ok = cutText(b); !ok {
		return Tag{}, false
	}
	return t, true
}

func cutText(b []byte) (s string, rest []byte, ok bool) {
	n, head := 0, 1
	switch {
	case len(b) > 0 && b[0]&0xe0 == 0xa0:
		n = int(b[0] & 0x1f)
	case len(b) > 2 && b[0] == 0xda:
		n, head = int(binary.BigEndian.Uint16(b[1:])), 3
	default:
		return "", nil, false
	}
	if len(b)-head < n {
		return "", nil, false
	}
	return string(b[head : head+n]), b[head+n:], true
}

func escape(payload []byte) []byte {
	if !bytes.HasPrefix(payload, []byte(reserved)) {
		return payload
	}
	return append([]byte(escaped), payload...)
}

// payload returns what the codec wrote of a stored value: ErrNotFound for an absence, *TypeError for another tag.
func (t *Typed[T]) payload(key string, b []byte) ([]byte, error) {
	if bytes.HasPrefix(b, []byte(reserved)) {
		switch {
		case string(b) == absent:
			return nil, errAbsent
		case t.tag.Codec == "" && bytes.HasPrefix(b, []byte(escaped)):
			return b[len(escaped):], nil
		}
		return nil, &TypeError{Key: key, Want: t.tag}
	}
	if t.tag.Codec == "" {
		return b, nil
	}
	if rest, ok := bytes.CutPrefix(b, t.header); ok {
		return rest, nil
	}
	got, _ := readHeader(b)
	return nil, &TypeError{Key: key, Want: t.tag, Got: got}
}

// errAbsent is an ErrNotFound that is remembered: nobody need look again.
var errAbsent = fmt.Errorf("%w: its source said so", ErrNotFound)

// TypeError is returned for a value that is not of the type, version and codec asked for. It is still there.
type TypeError struct {
	Key       string
	Want, Got Tag // Got is empty where the value was not written by a Typed
}

// Error says what the key holds and what was asked for.
func (e *TypeError) Error() string {
	got := "a value without a type"
	if e.Got != (Tag{}) {
		got = e.Got.String()
	}
	return fmt.Sprintf("client: key %s holds %s, not %s: use the type it was written with, or set it anew", quoted(e.Key), got, e.Want)
}

// CodecError is returned for a value that the codec cannot write, or for bytes that it cannot read.
type CodecError struct {
	Op  string // "read" or "write"
	Key string
	Tag Tag
	Err error // what the codec said
}

// Error says which value it was and what the codec said.
func (e *CodecError) Error() string {
	return fmt.Sprintf("client: key %s: cannot %s %s: %v", quoted(e.Key), e.Op, e.Tag, e.Err)
}

// Unwrap returns what the codec said.
func (e *CodecError) Unwrap() error { return e.Err }

// quoted shows a key in an error: whole if it is short, its beginning if not.
func quoted(key string) string {
	const most = 64
	if len(key) <= most {
		return fmt.Sprintf("%q", key)
	}
	return fmt.Sprintf("%q… (%d bytes)", strings.ToValidUTF8(key[:most], ""), len(key))
}
