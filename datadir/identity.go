package datadir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"strconv"
)

// Identity is who a node is, as its directory says.
type Identity struct {
	ClusterID uint64 // 0: not known yet
	Cluster   string
	NodeID    uint64
	Name      string
	Boot      uint64 // of this start; greater than that of every start before
}

// nodeFile is node.json. Numbers of 64 bits are in hexadecimal, which every JSON reader keeps whole.
type nodeFile struct {
	Format    int    `json:"format"`
	NodeID    hex64  `json:"node_id"`
	Name      string `json:"name"`
	Boot      hex64  `json:"boot"`
	ClusterID hex64  `json:"cluster_id"`
	Cluster   string `json:"cluster"`
	Check     hex64  `json:"check"` // of the others: a changed digit would make another node of it
}

const (
	nodeFormat   = 1
	nodeFileSize = 16 << 10 // bytes; far above what names of any allowed length need
)

func (n nodeFile) check() hex64 {
	n.Check = 0
	b, _ := json.Marshal(n) // strings and numbers always encode
	return hex64(crc32.Checksum(b, castagnoli))
}

// laterCheck is the check of every later format: of all bytes of the file, with zeros for the digits of the check. So
// a release that knows none of its fields can tell it from a damaged file.
func laterCheck(b []byte) hex64 {
	zeroed := bytes.Clone(b)
	if _, digits, found := bytes.Cut(zeroed, []byte(`"check": "`)); found {
		copy(digits, "0000000000000000")
	}
	return hex64(crc32.Checksum(zeroed, castagnoli))
}

func loadIdentity(disk Disk, path string) (Identity, error) {
	b, err := readFile(disk, path, nodeFileSize)
	if err != nil {
		return Identity{}, err
	}
	return decodeIdentity(path, b)
}

func encodeIdentity(id Identity) ([]byte, error) {
	n := nodeFile{
		Format: nodeFormat, NodeID: hex64(id.NodeID), Name: id.Name, Boot: hex64(id.Boot),
		ClusterID: hex64(id.ClusterID), Cluster: id.Cluster,
	}
	n.Check = n.check()
	b, err := json.MarshalIndent(n, "", "  ")
	return append(b, '\n'), err
}

func decodeIdentity(path string, b []byte) (Identity, error) {
	var n nodeFile
	if err := json.Unmarshal(b, &n); err != nil {
		return Identity{}, damaged(path, err.Error())
	}
	if n.Format > nodeFormat {
		if n.Check != laterCheck(b) { // what says so is a flipped bit
			return Identity{}, damaged(path, "its check sum does not fit")
		}
		return Identity{}, newer(path, uint64(n.Format))
	}
	if n.Format < 1 || n.NodeID == 0 || n.Boot == 0 || n.Boot == math.MaxUint64 || n.Check != n.check() {
		return Identity{}, damaged(path, "its check sum does not fit")
	}
	return Identity{ClusterID: uint64(n.ClusterID), Cluster: n.Cluster, NodeID: uint64(n.NodeID), Name: n.Name, Boot: uint64(n.Boot)}, nil
}

// hex64 is a number that JSON shows as 16 hexadecimal digits.
type hex64 uint64

// MarshalText writes 16 digits.
func (h hex64) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(h)), nil }

// UnmarshalText reads up to 16 digits.
func (h *hex64) UnmarshalText(b []byte) error {
	v, err := strconv.ParseUint(string(b), 16, 64)
	*h = hex64(v)
	return err
}
