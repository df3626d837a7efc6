package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/wire"
)

// How the files of a data directory are read and replaced, and the envelope of the cluster map. Two rules:
// a size is checked before anything is read, and a file is replaced whole or not at all.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readFile reads a regular file of at most limit bytes; anything else at path is damage.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unwritable(err)
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, damaged(path, fmt.Sprintf("it should be a file of at most %d bytes", limit))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unwritable(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit))
	return b, unwritable(err)
}

// replaceFile puts b in place of the file of that name. After a crash at any point the old bytes or the
// new ones are there; when it returns, the new ones will be.
func replaceFile(dir, name string, b []byte) error {
	temp := filepath.Join(dir, name+".tmp")
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp, filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(temp) // the disk may be full
		return err
	}
	return syncDir(dir)
}

// makeDirs makes a directory and those above it, each of them on disk before what lies in it.
func makeDirs(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a directory", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(path)
	if err := makeDirs(above); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(above)
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

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

func readMap(path string) (*ring.Map, error) {
	b, err := readFile(path, mapFileLimit)
	if errors.Is(err, errDataDirCorrupt) {
		return nil, fmt.Errorf("%w: %s is no file of at most %d bytes", errMapCorrupt, path, mapFileLimit)
	}
	if err != nil {
		return nil, err
	}
	return openMap(path, b)
}

// openMap undoes sealMap; path is for errors.
func openMap(path string, b []byte) (*ring.Map, error) {
	if len(b) < mapHeader || string(b[:len(mapMagic)]) != mapMagic || binary.BigEndian.Uint32(b[len(mapMagic)+4:]) != mapSum(b) {
		return nil, fmt.Errorf("%w: the check sum of %s does not fit", errMapCorrupt, path)
	}
	if v := binary.BigEndian.Uint32(b[len(mapMagic):]); v > mapVersion {
		return nil, newer(path, uint64(v))
	}
	m, err := wire.DecodeMap(b[mapHeader:])
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errMapCorrupt, path, err)
	}
	return m, nil
}

// unwritable says what to do about an error of the file system; nil stays nil.
func unwritable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w: use --data-dir with a directory this user may write, on a disk with room", errDataDirNotWritable, err)
}

func damaged(path, how string) error {
	return fmt.Errorf("%w: %s: %s: restore it, or remove the directory %s to come back as a new node, empty, and remove the old one from the cluster",
		errDataDirCorrupt, path, how, filepath.Dir(path))
}

func newer(path string, version uint64) error {
	return fmt.Errorf("%w: %s is of version %d: start the release that wrote it, or a later one", errDataDirNewer, path, version)
}
