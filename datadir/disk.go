package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Disk is what a data directory asks of a file system. Its errors are those of package os: of what is missing
// fs.ErrNotExist, of what is there already fs.ErrExist.
type Disk interface {
	// Open opens a file, with the flags of os.OpenFile. A directory is opened to be synced, which puts on disk
	// what was made, renamed and removed in it. What is neither is refused with fs.ErrInvalid.
	Open(path string, flag int) (File, error)
	// Mkdir makes a directory; the one above it must be there.
	Mkdir(path string) error
	// Rename gives a file another name; what had that name before is gone. At no time is it under neither.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(path string) error
	// List returns the names in a directory, in order.
	List(path string) ([]string, error)
	// Lock makes a file, unless it is there, and holds it until it is closed or the process ends, however it
	// does. It returns ErrInUse while another holds it.
	Lock(path string) (io.Closer, error)
}

// File is an open file or directory of a Disk.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size is the length of a file in bytes; of a directory there is none, but fs.ErrInvalid.
	Size() (int64, error)
	// Sync returns once all that was written before is on disk.
	Sync() error
}

// exists reports whether something is at path. What cannot be looked at is there.
func exists(disk Disk, path string) bool {
	f, err := disk.Open(path, os.O_RDONLY)
	if err == nil {
		_ = f.Close() // nothing was written
	}
	return !errors.Is(err, fs.ErrNotExist)
}

// readFile reads a file of at most limit bytes; anything else at path is damage.
func readFile(disk Disk, path string, limit int64) ([]byte, error) {
	f, err := disk.Open(path, os.O_RDONLY)
	size := int64(0)
	if err == nil {
		defer f.Close()
		size, err = f.Size()
	}
	if errors.Is(err, fs.ErrInvalid) || size > limit {
		return nil, damaged(path, fmt.Sprintf("it should be a file of at most %d bytes", limit))
	}
	if err != nil {
		return nil, unwritable(err)
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, unwritable(err)
	}
	return b[:n], nil
}

// replaceFile puts b in place of the file of that name. After a crash at any point the old bytes or the
// new ones are there; when it returns, the new ones will be.
func replaceFile(disk Disk, dir, name string, b []byte) error {
	temp := filepath.Join(dir, name+".tmp")
	f, err := disk.Open(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = disk.Rename(temp, filepath.Join(dir, name))
	}
	if err != nil {
		_ = disk.Remove(temp) // the disk may be full
		return err
	}
	return syncDir(disk, dir)
}

// makeDirs makes a directory and those above it, each of them on disk before what lies in it.
func makeDirs(disk Disk, path string) error {
	above := filepath.Dir(path)
	err := disk.Mkdir(path)
	if errors.Is(err, fs.ErrNotExist) && above != path {
		if err := makeDirs(disk, above); err != nil {
			return err
		}
		err = disk.Mkdir(path)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(disk, above)
}

// syncAbove puts on disk that a directory is there, and those above it. What the user may not open, or the file system
// cannot sync, is passed over: whoever made that, it was no start of a node.
func syncAbove(disk Disk, path string) error {
	for above := filepath.Dir(path); above != path; path, above = above, filepath.Dir(above) {
		err := syncDir(disk, above)
		if err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return nil
}

func syncDir(disk Disk, path string) error {
	d, err := disk.Open(path, os.O_RDONLY)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
