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

// ceiling owns the file of the stamp ceiling: two slots, each in a block of its own, since a write cut short may
// spoil its whole block. What was promised is in both, so that the file outlives a flip of either: a ceiling that
// came back lower would let the node vote below what it acknowledged. A save is two writes of 24 bytes in place,
// each with its sync, without a rename: it comes twice a second.
//
//	block 0: magic "SHOALCEI" │ version, 4 bytes │ stamp, 8 │ CRC-32C of these, 4 │ unused
//	block 1: the same
//
// The greater valid slot counts; they differ after a save that was cut short, and in files of releases that wrote them in
// turn. The CRC stays where it is in every version.
type ceiling struct {
	disk Disk
	path string
	file File         // nil: kept in memory only
	last vclock.Stamp // what is on disk
	both bool         // this process has put last in both slots
	slot int64        // where the next save begins: the other one holds last, or more
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
	if c.last, c.slot, err = c.load(f); err != nil {
		return err
	}
	// A process that was killed may have left what is seen here and not on disk. The first save is about to
	// overwrite the other slot.
	return unwritable(f.Sync())
}

// load finds the greatest stamp in a file, and the slot that does not hold it.
func (c *ceiling) load(f File) (last vclock.Stamp, other int64, err error) {
	valid := false
	for slot := range int64(2) {
		s, ok, err := c.readSlot(f, slot)
		if err != nil {
			return 0, 0, err
		}
		if ok && (!valid || s >= last) {
			valid, last, other = true, s, 1-slot
		}
	}
	if !valid {
		return 0, 0, damaged(c.path, "neither of its slots can be read, and the ceiling may be higher than any guess")
	}
	return last, other, nil
}

// readSlot reads one slot; ok says whether it is valid.
func (c *ceiling) readSlot(f File, slot int64) (s vclock.Stamp, ok bool, err error) {
	var b [slotSize]byte
	if _, err := f.ReadAt(b[:], slot*blockSize); err != nil && !errors.Is(err, io.EOF) {
		return 0, false, unwritable(err)
	}
	if string(b[:8]) != ceilingMagic || binary.BigEndian.Uint32(b[20:]) != crc32.Checksum(b[:20], castagnoli) {
		return 0, false, nil
	}
	if v := binary.BigEndian.Uint32(b[8:]); v > ceilingVersion {
		return 0, false, newer(c.path, uint64(v))
	}
	return vclock.Stamp(binary.BigEndian.Uint64(b[12:])), true, nil
}

// save puts s, or what is greater already, in both slots, and first in the one that does not count: it is on disk
// there before the other is begun. After an error the slot in doubt is the first of the next save, so that at every
// moment the other one is on disk, valid, and holds what was promised.
func (c *ceiling) save(s vclock.Stamp) error {
	if s <= c.last && c.both {
		return nil
	}
	s = max(s, c.last)
	if c.file == nil {
		c.last = s
		return nil
	}
	c.both = false
	for range 2 {
		if _, err := c.file.WriteAt(appendSlot(make([]byte, 0, slotSize), s), c.slot*blockSize); err != nil {
			return unwritable(err)
		}
		if err := c.file.Sync(); err != nil {
			return unwritable(err)
		}
		c.slot = 1 - c.slot
	}
	if err := c.inPlace(s); err != nil {
		return err
	}
	c.last, c.both = s, true
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
