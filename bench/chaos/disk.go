package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// This file owns the disks of nodes: in namespaces a file system in memory for each, else a directory.

const diskSize = "64m" // of each node

func (w *world) disk(i int) string { return filepath.Join(w.dir, fmt.Sprint("n", i+1)) }

func (w *world) mount(i int) error {
	if err := os.Mkdir(w.disk(i), 0o755); err != nil {
		return err
	}
	return sh("mount -t tmpfs -o size=" + diskSize + " tmpfs " + w.disk(i))
}

// unmount takes the disk of a node away; what is on it stays in the files of the run if that is wanted.
func (w *world) unmount(i int, keep bool) {
	if w.over != bySpaces {
		return
	}
	_ = w.empty(i)
	if keep {
		_ = exec.Command("cp", "-r", w.disk(i), w.disk(i)+".kept").Run()
	}
	_ = sh("umount "+w.disk(i), "rmdir "+w.disk(i))
}

// fill leaves no room on the disk of a node, until empty.
func (w *world) fill(i int) error {
	f, err := os.Create(w.ballast(i))
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size >= 1; size /= 16 { // the last bytes, too
		block := make([]byte, size)
		for err = nil; err == nil; {
			_, err = f.Write(block)
		}
	}
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return err
}

func (w *world) empty(i int) error {
	if err := os.Remove(w.ballast(i)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// protect makes the disk of a node that does not run read-only, until release. It is the mount that is, and not the file system, whose
// options no user may give again.
func (w *world) protect(i int) error { return sh("mount -o remount,bind,ro " + w.disk(i)) }
func (w *world) release(i int) error { return sh("mount -o remount,bind,rw " + w.disk(i)) }

func (w *world) ballast(i int) string { return filepath.Join(w.disk(i), "ballast") }
