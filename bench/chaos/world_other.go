//go:build !linux

package main

import (
	"errors"
	"os"
	"syscall"
)

// enter has no namespaces to enter.
func enter() error { return errors.New("namespaces: they need Linux") }

// driver is the process id by which others know this run.
func driver() int { return os.Getpid() }

// attributes are none.
func attributes() *syscall.SysProcAttr { return nil }

// limits is false: refuse is not to be had.
const limits = false

func refuse(int, bool) error { return errors.ErrUnsupported }
