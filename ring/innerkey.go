package ring

import "encoding/binary"

// An inner key is a key as nodes store it and send it to each other. It keeps the keys of namespaces and of epochs apart,
// so that whatever lies below a request knows nothing of either:
//
//	key                         of the default namespace while it was never flushed, unless it begins with 0x00
//	0x00 │ id, 8 bytes │ key    of any other, and of one that begins with 0x00
//
// The common key costs nothing, not even a copy. A key has one inner key in each namespace, and no two have the same:
// one without the prefix does not begin with 0x00.

// InnerPrefix is how many bytes an inner key may have more than the key.
const InnerPrefix = 1 + 8

// PlainKey reports whether key, not empty, is its own inner key in the namespace of that id.
func PlainKey(id uint64, key []byte) bool { return id == 0 && key[0] != 0 }

// AppendInnerKey appends the inner key of key, not empty, in the namespace of that id (see Namespace.ID).
func AppendInnerKey(dst []byte, id uint64, key []byte) []byte {
	if !PlainKey(id, key) {
		dst = binary.BigEndian.AppendUint64(append(dst, 0), id)
	}
	return append(dst, key...)
}

// SplitInnerKey returns the id and the key that inner was made of; key aliases inner. Bytes that no key has as its inner
// key are taken for a key of id 0, which nobody can ask for.
func SplitInnerKey(inner []byte) (id uint64, key []byte) {
	if len(inner) <= InnerPrefix || inner[0] != 0 {
		return 0, inner
	}
	return binary.BigEndian.Uint64(inner[1:]), inner[InnerPrefix:]
}
