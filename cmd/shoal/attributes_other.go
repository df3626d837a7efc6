//go:build !linux

package main

import "syscall"

// childAttributes are none where the system cannot tie a child to its parent: Ctrl-C then reaches both.
func childAttributes() *syscall.SysProcAttr { return nil }
