//go:build unix && !linux && !aix

package arena

import "golang.org/x/sys/unix"

const available = true

// reserve maps addresses without memory.
func reserve(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

// release lets the system have pages whenever it wants them, which is as much as it can be told here.
func release(b []byte) { _ = unix.Madvise(b, unix.MADV_FREE) }

func unmap(b []byte) { _ = unix.Munmap(b) }
