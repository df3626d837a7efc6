package datadir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"github.com/shoalcache/shoal/vclock"
)

// ceiling owns the file of the stamp ceiling: two slots written in turn, each in a block of its own, so
// that a write cut short, which may spoil its whole block, never touches the slot that counts until then.
// A save is one write of 24 bytes in place and one sync, without a rename: it comes twice a second.
//
//	block 0: magic "SHOALCEI" │ version, 4 bytes │ stamp, 8 │ CRC-32C of these, 4 │ unused
//	block 1: the same
//
// The greater valid slot counts. The CRC stays where it is in every version.
type ceiling struct {
	disk Disk
	path string
	file File         // nil: kept in memory only
	last vclock.Stamp // what is on disk
	slot int64        // where the next save goes, never the slot that holds last
}

const (
	ceilingMagic   = "SHOALCEI"
	ceilingVersion = 1
	slotSize       = 24   // bytes
	blockSize      = 4096 // bytes, what a disk writes at once or a multiple of it
)

func appendSlot(dst []byte, s vclock.Stamp) []byte {
	dst = append(dst, ceilingMagic...)
	dst = binary.BigEndian.AppendUint32(dst, ceilingVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(s))
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}

// emptyCeiling is the file of a node that has promised nothing.
func emptyCeiling() []byte {
	b := make([]byte, 2*blockSize)
	appendSlot(b[:0], 0)
	appendSlot(b[blockSize:blockSize], 0)
	return b
}

func (c *ceiling) open(disk Disk, path string) error {
	f, err := disk.Open(path, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		return damaged(path, "it is missing")
	}
	if err != nil {
		return unwritable(err)
	}
	c.disk, c.path, c.file = disk, path, f
	c.last, c.slot, err = c.load(f)
	return err
}

// load finds the greatest stamp in a file, and the slot that does not hold it.
func (c *ceiling) load(f File) (last vclock.Stamp, other int64, err error) {
	valid := false
	for slot := range int64(2) {
		var b [slotSize]byte
		if _, err := f.ReadAt(b[:], slot*blockSize); err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, unwritable(err)
		}
		if string(b[:8]) != ceilingMagic || binary.BigEndian.Uint32(b[20:]) != crc32.Checksum(b[:20], castagnoli) {
			continue
		}
		if v := binary.BigEndian.Uint32(b[8:]); v > ceilingVersion {
			return 0, 0, newer(c.path, uint64(v))
		}
		if s := vclock.Stamp(binary.BigEndian.Uint64(b[12:])); !valid || s >= last {
			valid, last, other = true, s, 1-slot
		}
	}
	if !valid {
		return 0, 0, damaged(c.path, "neither of its slots can be read, and the ceiling may be higher than any guess")
	}
	return last, other, nil
}

func (c *ceiling) save(s vclock.Stamp) error {
	if s <= c.last {
		return nil
	}
	if c.file == nil {
		c.last = s
		return nil
	}
	if _, err := c.file.WriteAt(appendSlot(make([]byte, 0, slotSize), s), c.slot*blockSize); err != nil {
		return unwritable(err)
	}
	if err := c.file.Sync(); err != nil {
		return unwritable(err)
	}
	if err := c.inPlace(s); err != nil {
		return err
	}
	c.last, c.slot = s, 1-c.slot
	return nil
}

// inPlace checks that the next start will find what was saved: a file that was removed or moved takes writes
// without an error.
func (c *ceiling) inPlace(s vclock.Stamp) error {
	f, err := c.disk.Open(c.path, os.O_RDONLY)
	if err == nil {
		defer f.Close()
		var found vclock.Stamp
		if found, _, err = c.load(f); err == nil && found == s {
			return nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return unwritable(err)
	}
	if errors.Is(err, ErrNotWritable) {
		return err
	}
	return fmt.Errorf("%w: %s is not the file that was opened: restart the node; it comes back as a new one", ErrGone, c.path)
}

func (c *ceiling) close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}
