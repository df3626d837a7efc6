package main

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// offHeap is a storage.Memory of anonymous mappings, which the collector neither walks nor counts. The zero offHeap is
// ready.
type offHeap struct {
	mu       sync.Mutex
	mappings [][]byte
	rest     []byte           // of the last mapping that is cut up
	given    map[int][][]byte // by size
}

// mappingBytes are mapped at a time, where not more is asked for at once.
const mappingBytes = 4 << 20

// Take returns so many bytes, of any content.
func (m *offHeap) Take(bytes int) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if free := m.given[bytes]; len(free) > 0 {
		b := free[len(free)-1]
		m.given[bytes] = free[:len(free)-1]
		return b
	}
	if bytes > mappingBytes/4 {
		return m.mapped(bytes)
	}
	if len(m.rest) < bytes {
		m.rest = m.mapped(mappingBytes)
	}
	b := m.rest[:bytes:bytes]
	m.rest = m.rest[bytes:]
	return b
}

// Give takes back what Take returned.
func (m *offHeap) Give(b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.given == nil {
		m.given = map[int][][]byte{}
	}
	m.given[len(b)] = append(m.given[len(b)], b)
}

func (m *offHeap) mapped(bytes int) []byte {
	b, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		panic(fmt.Sprintf("off the heap: %d bytes: %v: use fewer -entries, or a machine with more memory", bytes, err))
	}
	m.mappings = append(m.mappings, b)
	return b
}

// close gives all of it back to the system.
func (m *offHeap) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.mappings {
		_ = unix.Munmap(b)
	}
	m.mappings, m.rest, m.given = nil, nil, nil
}
