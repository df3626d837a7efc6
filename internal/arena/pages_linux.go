package arena

import "golang.org/x/sys/unix"

const available = true

// reserve maps addresses without memory. A huge page would be two megabytes for the first byte that is touched.
func reserve(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err == nil {
		_ = unix.Madvise(b, unix.MADV_NOHUGEPAGE) // fails only where the kernel has none
	}
	return b, err
}

// release returns pages; they are there again, empty, when they are touched.
func release(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }

func unmap(b []byte) { _ = unix.Munmap(b) }
