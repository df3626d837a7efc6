package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside is set for the driver that was started in namespaces of its own: to the process id of who started it, since its own is 1.
const inside = "CHAOS_INSIDE"

// driver is the process id by which others know this run.
func driver() int {
	if pid, err := strconv.Atoi(os.Getenv(inside)); err == nil {
		return pid
	}
	return os.Getpid()
}

// attributes let a node end with the driver where it has no namespace to end with.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// limits is that a process can be kept from writing files, by refuse.
const limits = true

// refuse lets a process write no files, or lets it again: it is told that they are too large, as a disk says that it takes nothing.
// This does not need a disk of its own, nor that nothing is open, as making one read-only does.
func refuse(pid int, nothing bool) error {
	var was unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &was); err != nil {
		return err
	}
	now := unix.Rlimit{Cur: was.Max, Max: was.Max}
	if nothing {
		now.Cur = 0
	}
	return unix.Prlimit(pid, unix.RLIMIT_FSIZE, &now, nil)
}

// enter starts this program again in networks, mounts and processes of its own, and ends with it. It returns in that
// program, or with the reason where there is none.
func enter() error {
	if os.Getenv(inside) != "" {
		return makeBridge()
	}
	sweep()
	for _, program := range []string{"ip", "tc", "mount"} {
		if _, err := exec.LookPath(program); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	again := exec.Command(self, os.Args[1:]...)
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.Env = append(os.Environ(), inside+"="+strconv.Itoa(os.Getpid()))
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		again.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		again.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		again.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	runtime.LockOSThread() // the kernel ties the child's life to this thread's
	if err := again.Start(); err != nil {
		signal.Stop(signals)
		runtime.UnlockOSThread()
		return fmt.Errorf("namespaces: %w", err)
	}
	go func() {
		for s := range signals {
			_ = again.Process.Signal(s)
		}
	}()
	var failed *exec.ExitError
	if err := again.Wait(); err != nil && !errors.As(err, &failed) {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	if code := again.ProcessState.ExitCode(); code >= 0 {
		os.Exit(code)
	}
	os.Exit(1) // by a signal
	return nil
}
