//go:build !linux

package main

import "errors"

// enter has no namespaces to enter.
func enter() error { return errors.New("namespaces: they need Linux") }
