package sim

import (
	"io"
	"io/fs"
	"syscall"
)

// handle is a file that a process has open.
type handle struct {
	disk   *platter
	in     *inode
	name   string
	life   int // of the process; 0 once it is closed
	writes bool
	holds  bool // the lock
}

// begin lets an operation begin, unless the file is not open any more.
func (h *handle) begin() error {
	if err := h.disk.works(); err != nil || h.life != h.disk.life {
		return fs.ErrClosed
	}
	return nil
}

func (h *handle) failed(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: h.name, Err: err}
}

// ReadAt reads what is seen.
func (h *handle) ReadAt(b []byte, at int64) (int, error) {
	err := h.begin()
	switch {
	case err != nil:
	case h.in.names != nil:
		err = syscall.EISDIR
	case h.disk.badReads:
		err = syscall.EIO
	}
	if err != nil {
		return 0, h.failed("read", err)
	}
	n := copy(b, h.in.seen[min(at, int64(len(h.in.seen))):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes what is seen.
func (h *handle) WriteAt(b []byte, at int64) (int, error) {
	if err := h.begin(); err != nil {
		return 0, h.failed("write", err)
	}
	if !h.writes {
		return 0, h.failed("write", syscall.EBADF)
	}
	var err error
	if h.disk.full {
		b, err = b[:h.disk.rng.IntN(len(b)+1)], syscall.ENOSPC
	}
	h.in.write(b, int(at))
	return len(b), h.failed("write", err)
}

// Size is the length that is seen.
func (h *handle) Size() (int64, error) {
	err := h.begin()
	if err == nil && h.in.names != nil {
		err = fs.ErrInvalid
	}
	return int64(len(h.in.seen)), h.failed("stat", err)
}

// Sync stores what is seen.
func (h *handle) Sync() error {
	err := h.begin()
	if err == nil {
		err = h.disk.sync(h.in)
	}
	return h.failed("sync", err)
}

// Close lets go of the file.
func (h *handle) Close() error {
	err := h.begin()
	if err == nil && h.holds {
		h.in.holder = 0
	}
	h.life = 0
	return h.failed("close", err)
}
