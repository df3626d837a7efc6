package datadir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"syscall"

	"github.com/shoalcache/shoal/vclock"
)

// ceiling owns the file of the stamp ceiling: two slots, each in a block of its own, since a write cut short may
// spoil its whole block. What was promised is in both, so that the file outlives a flip of either: a ceiling that
// came back lower would let the node vote below what it acknowledged. A save is two writes of 44 bytes in place,
// each with its sync, without a rename: it comes twice a second.
//
//	block 0: magic "SHOALCEI" │ version, 4 bytes │ stamp, 8 │ CRC-32C of these, 4 │ node, 8 │ boot, 8 │ CRC-32C of these, 4 │ unused
//	block 1: the same
//
// Node and boot say whose promise it is: a file of another node, or of an earlier boot than the rest of the directory,
// is then known for what it is. The greater valid slot counts; they differ after a save that was cut short, and in files
// of releases that wrote them in turn. Version 1 ends with the first CRC, which stays where it is in every version.
type ceiling struct {
	disk Disk
	path string
	file File    // nil: kept in memory only
	by   owner   // of what is saved from now on
	last promise // what is on disk
	both bool    // this process has put last in both slots
	slot int64   // where the next save begins: the other one holds last, or more
	torn bool    // one of the slots could not be read when the file was opened
}

// owner is a node in one of its boots; the zero owner is not known, or is whoever has the directory.
type owner struct{ node, boot uint64 }

// promise is what a slot holds.
type promise struct {
	stamp vclock.Stamp
	by    owner
}

// later orders what is found in two slots; where a start has saved what it found, the stamps are equal.
func (p promise) later(q promise) bool {
	return p.stamp > q.stamp || p.stamp == q.stamp && p.by.boot > q.by.boot
}

const (
	ceilingMagic   = "SHOALCEI"
	ceilingVersion = 2
	slotSize       = 44   // bytes
	firstSize      = 24   // bytes of a slot of version 1
	blockSize      = 4096 // bytes, what a disk writes at once or a multiple of it
)

func appendSlot(dst []byte, p promise) []byte {
	slot := append(make([]byte, 0, slotSize), ceilingMagic...)
	slot = binary.BigEndian.AppendUint32(slot, ceilingVersion)
	slot = binary.BigEndian.AppendUint64(slot, uint64(p.stamp))
	slot = appendSum(slot)
	slot = binary.BigEndian.AppendUint64(slot, p.by.node)
	slot = binary.BigEndian.AppendUint64(slot, p.by.boot)
	return append(dst, appendSum(slot)...)
}

func appendSum(b []byte) []byte {
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// summed reports whether b ends with the check sum of what is before it.
func summed(b []byte) bool {
	end := len(b) - 4
	return binary.BigEndian.Uint32(b[end:]) == crc32.Checksum(b[:end], castagnoli)
}

// emptyCeiling is the file of a node that has promised nothing.
func emptyCeiling() []byte {
	b := make([]byte, 2*blockSize)
	appendSlot(b[:0], promise{})
	appendSlot(b[blockSize:blockSize], promise{})
	return b
}

func (c *ceiling) open(disk Disk, path string) error {
	f, err := disk.Open(path, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		return damaged(path, "it is missing, or a link to what is")
	}
	if errors.Is(err, syscall.EISDIR) || errors.Is(err, fs.ErrInvalid) {
		return damaged(path, "it should be a file")
	}
	if err != nil {
		return unwritable(err)
	}
	c.disk, c.path, c.file = disk, path, f
	if c.last, c.slot, err = c.load(f); err != nil {
		return err
	}
	_, whole, err := c.readSlot(f, c.slot)
	if err != nil {
		return err
	}
	c.torn = !whole
	// A process that was killed may have left what is seen here and not on disk. The first save is about to
	// overwrite the other slot.
	return unwritable(f.Sync())
}

// load finds the latest promise in a file, and the slot that does not hold it.
func (c *ceiling) load(f File) (last promise, other int64, err error) {
	valid := false
	for slot := range int64(2) {
		p, ok, err := c.readSlot(f, slot)
		if err != nil {
			return promise{}, 0, err
		}
		if ok && (!valid || !last.later(p)) {
			valid, last, other = true, p, 1-slot
		}
	}
	if !valid {
		return promise{}, 0, damaged(c.path, "neither of its slots can be read, and the ceiling may be higher than any guess")
	}
	return last, other, nil
}

// readSlot reads one slot; ok says whether it is valid.
func (c *ceiling) readSlot(f File, slot int64) (p promise, ok bool, err error) {
	var b [slotSize]byte
	if _, err := f.ReadAt(b[:], slot*blockSize); err != nil && !errors.Is(err, io.EOF) {
		return promise{}, false, unwritable(err)
	}
	if string(b[:8]) != ceilingMagic || !summed(b[:firstSize]) {
		return promise{}, false, nil
	}
	p.stamp = vclock.Stamp(binary.BigEndian.Uint64(b[12:]))
	switch version := binary.BigEndian.Uint32(b[8:]); {
	case version > ceilingVersion:
		return promise{}, false, newer(c.path, uint64(version))
	case version == 1:
		return p, true, nil
	}
	p.by = owner{node: binary.BigEndian.Uint64(b[24:]), boot: binary.BigEndian.Uint64(b[32:])}
	return p, summed(b[:]) && p.by.boot < math.MaxUint64, nil
}

// owned says whose promises are saved from now on, whatever has been before.
func (c *ceiling) owned(by owner) { c.by, c.both = by, false }

// save puts s, or what is greater already, in both slots, and first in the one that does not count: it is on disk
// there before the other is begun. After an error the slot in doubt is the first of the next save, so that at every
// moment the other one is on disk, valid, and holds what was promised.
func (c *ceiling) save(s vclock.Stamp) error {
	if s <= c.last.stamp && c.both {
		return nil
	}
	p := promise{stamp: max(s, c.last.stamp), by: c.by}
	if c.file == nil {
		c.last = p
		return nil
	}
	c.both = false
	for range 2 {
		if _, err := c.file.WriteAt(appendSlot(nil, p), c.slot*blockSize); err != nil {
			return unwritable(err)
		}
		if err := c.file.Sync(); err != nil {
			return unwritable(err)
		}
		c.slot = 1 - c.slot
	}
	if err := c.inPlace(p); err != nil {
		return err
	}
	c.last, c.both = p, true
	return nil
}

// inPlace checks that the next start will find what was saved: a file that was removed or moved takes writes
// without an error.
func (c *ceiling) inPlace(p promise) error {
	f, err := c.disk.Open(c.path, os.O_RDONLY)
	if err == nil {
		defer f.Close()
		var found promise
		if found, _, err = c.load(f); err == nil && found == p {
			return nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return unwritable(err)
	}
	if errors.Is(err, ErrNotWritable) {
		return err
	}
	return fmt.Errorf("%w: %s is not the file that was opened: restart the node with --join: it comes back into its place, empty, and the others refill it", ErrGone, c.path)
}

func (c *ceiling) close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}
