package main

import "syscall"

// childAttributes make a group of its own of every child, so that Ctrl-C reaches it through its parent, in order; and end it
// with the parent, even if that is killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
