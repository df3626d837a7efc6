//go:build !unix || aix

package arena

import "errors"

// available is false: all memory is the Go heap's.
const available = false

func reserve(int) ([]byte, error) { return nil, errors.ErrUnsupported }
func release([]byte)              {}
func unmap([]byte)                {}
