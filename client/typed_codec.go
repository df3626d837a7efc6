package client

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/shoalcache/shoal/wire"
)

// Codec turns values into bytes and back. Its methods are called from many goroutines.
type Codec interface {
	// Name tells its values from those of other codecs. A codec without a name gets nothing in front of its bytes: every
	// program can read them, and no type is checked.
	Name() string
	// Marshal returns the bytes of the value that v points to.
	Marshal(v any) ([]byte, error)
	// Unmarshal reads b into what v points to, and keeps nothing of b unless the value is bytes itself.
	Unmarshal(b []byte, v any) error
}

var (
	// MsgPack is MessagePack as github.com/vmihailenco/msgpack writes it: struct fields by name, or by their msgpack tag.
	MsgPack Codec = msgpackCodec{}
	// JSON is encoding/json.
	JSON Codec = jsonCodec{}
	// Raw stores []byte and string as they are, with nothing in front: for values that are no Go types, and for other
	// programs to read. It has no name, so no type is checked.
	Raw Codec = rawCodec{}
)

type msgpackCodec struct{}

func (msgpackCodec) Name() string { return "msgpack" }

func (msgpackCodec) Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	enc.Reset(&buf)
	enc.UseCompactInts(true)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// msgpackDepth is how deep values may nest; the library goes on without end.
const msgpackDepth = 256

func (msgpackCodec) Unmarshal(b []byte, v any) error {
	if err := wire.Check(b, msgpackDepth, len(b)); err != nil { // the library believes what headers claim
		return err
	}
	return msgpack.Unmarshal(b, v)
}

type jsonCodec struct{}

func (jsonCodec) Name() string                    { return "json" }
func (jsonCodec) Marshal(v any) ([]byte, error)   { return json.Marshal(v) }
func (jsonCodec) Unmarshal(b []byte, v any) error { return json.Unmarshal(b, v) }

type rawCodec struct{}

func (rawCodec) Name() string { return "" }

func (rawCodec) Marshal(v any) ([]byte, error) {
	switch v := v.(type) {
	case *[]byte:
		return *v, nil
	case *string:
		return []byte(*v), nil
	}
	return nil, errNotRaw(v)
}

func (rawCodec) Unmarshal(b []byte, v any) error {
	switch v := v.(type) {
	case *[]byte:
		*v = b
		return nil
	case *string:
		*v = string(b)
		return nil
	}
	return errNotRaw(v)
}

func errNotRaw(v any) error {
	return fmt.Errorf("client: raw values are []byte and string, not %T: use another codec", v)
}
