package wire

import (
	"bytes"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// Documents are what people and tools ask for: the Value of the response to OpWhere and OpStats. They are
// MessagePack maps with names, which a reader in any language can print, and to which a later version adds
// without breaking an earlier one. Speed does not matter here, so the library reads and writes them; the
// guard before it (Check) is what makes that safe, for the library believes what headers claim.
const (
	documentDepth    = 16
	documentElements = 1 << 14
)

// Where is the document that answers OpWhere: where a key lives.
type Where struct {
	Slot      uint16 `msgpack:"slot"`
	Partition uint32 `msgpack:"partition"`
	Owners    []Seat `msgpack:"owners"`    // in the order of the preference list
	Fallbacks []Seat `msgpack:"fallbacks"` // the next ones, which take hints
}

// Seat is one node on a key's preference list.
type Seat struct {
	Node       uint64 `msgpack:"node"`
	Name       string `msgpack:"name"`
	Addr       string `msgpack:"addr"` // where clients reach it, host:port
	Datacenter string `msgpack:"datacenter"`
	Rack       string `msgpack:"rack"`
	Alive      bool   `msgpack:"alive"` // as the answering node sees it
}

// EncodeDocument returns the bytes of a document: a struct, or a map with string keys. Maps inside must have
// values of type string, bool or any, the ones that are written in the order of their keys.
func EncodeDocument(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := msgpack.NewEncoder(&buf)
	enc.SetSortMapKeys(true)
	enc.UseCompactInts(true)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("wire: writing a %T document: %w", v, err)
	}
	return buf.Bytes(), nil
}

// DecodeDocument reads a document into v, a pointer; names that v does not have are passed over. Bytes whose
// headers lie or that nest deeper than 16 are a *FormatError, more than 16,384 values a *LimitError.
func DecodeDocument(b []byte, v any) error {
	if err := Check(b, documentDepth, documentElements); err != nil {
		return err
	}
	if err := msgpack.NewDecoder(bytes.NewReader(b)).Decode(v); err != nil {
		return fmt.Errorf("wire: reading a %T document: %w", v, err)
	}
	return nil
}
