package datadir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The map's envelope: magic, version, CRC-32C of these two and the body, body. The first three stay where they
// are in every version.
const (
	mapMagic     = "SHOALMAP"
	mapVersion   = 1
	mapHeader    = len(mapMagic) + 4 + 4
	mapFileLimit = 16 << 20 // bytes; a map with as many nodes as may be, removed ones too, takes 10 MB
)

func sealMap(m *ring.Map) []byte {
	b := binary.BigEndian.AppendUint32([]byte(mapMagic), mapVersion)
	b = append(binary.BigEndian.AppendUint32(b, 0), wire.EncodeMap(m)...)
	binary.BigEndian.PutUint32(b[len(mapMagic)+4:], mapSum(b))
	return b
}

func mapSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:len(mapMagic)+4], castagnoli), castagnoli, b[mapHeader:])
}

func readMap(disk Disk, path string) (*ring.Map, error) {
	b, err := readFile(disk, path, mapFileLimit)
	if errors.Is(err, ErrDamaged) {
		return nil, fmt.Errorf("%w: %s is no file of at most %d bytes", ErrMapLost, path, mapFileLimit)
	}
	if err != nil {
		return nil, err
	}
	return openMap(path, b)
}

// openMap undoes sealMap; path is for errors.
func openMap(path string, b []byte) (*ring.Map, error) {
	if len(b) < mapHeader || string(b[:len(mapMagic)]) != mapMagic || binary.BigEndian.Uint32(b[len(mapMagic)+4:]) != mapSum(b) {
		return nil, fmt.Errorf("%w: the check sum of %s does not fit", ErrMapLost, path)
	}
	if v := binary.BigEndian.Uint32(b[len(mapMagic):]); v > mapVersion {
		return nil, newer(path, uint64(v))
	}
	m, err := wire.DecodeMap(b[mapHeader:])
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMapLost, path, err)
	}
	return m, nil
}
