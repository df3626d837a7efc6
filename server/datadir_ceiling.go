package server

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
	file *os.File     // nil: kept in memory only
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

func (c *ceiling) open(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return damaged(path, "it is missing")
	}
	if err != nil {
		return unwritable(err)
	}
	c.file = f
	return c.load()
}

// load reads both slots.
func (c *ceiling) load() error {
	if c.file == nil {
		return nil
	}
	valid := false
	for slot := range int64(2) {
		var b [slotSize]byte
		if _, err := c.file.ReadAt(b[:], slot*blockSize); err != nil && !errors.Is(err, io.EOF) {
			return unwritable(err)
		}
		if string(b[:8]) != ceilingMagic || binary.BigEndian.Uint32(b[20:]) != crc32.Checksum(b[:20], castagnoli) {
			continue
		}
		if v := binary.BigEndian.Uint32(b[8:]); v > ceilingVersion {
			return newer(c.file.Name(), uint64(v))
		}
		if s := vclock.Stamp(binary.BigEndian.Uint64(b[12:])); !valid || s >= c.last {
			valid, c.last, c.slot = true, s, 1-slot
		}
	}
	if !valid {
		return damaged(c.file.Name(), "neither of its slots can be read, and the ceiling may be higher than any guess")
	}
	return nil
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
	if err := c.inPlace(); err != nil {
		return err
	}
	c.last, c.slot = s, 1-c.slot
	return nil
}

// inPlace checks that the file is still where the next start will look for it: one that was removed or
// moved takes writes without an error.
func (c *ceiling) inPlace() error {
	there, err := os.Stat(c.file.Name())
	if err == nil {
		var mine os.FileInfo
		if mine, err = c.file.Stat(); err == nil && os.SameFile(there, mine) {
			return nil
		}
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is not the file that was opened: restart the node; it comes back as a new one", errDataDirGone, c.file.Name())
	}
	return unwritable(err)
}

func (c *ceiling) close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}
