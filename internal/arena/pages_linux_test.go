package arena

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// resident is how many bytes of the mapping that b lies in are in memory, as the kernel says; -1 where nothing is mapped.
func resident(t *testing.T, b *byte) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	inside := false
	for line := range strings.Lines(string(text)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			at := uintptr(unsafe.Pointer(b))
			inside = from <= at && at < to
		}
		if rest, ok := strings.CutPrefix(line, "Rss:"); ok && inside {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				t.Fatal(line)
			}
			return kib << 10
		}
	}
	return -1
}

func TestOnlyPagesInUseAreInMemory(t *testing.T) {
	const slot, n = 256 << 10, 64
	page := os.Getpagesize()
	a := newArena(t, Config{Limit: n * slot, Spare: slot, Slot: slot})
	var held [][]byte
	for range n {
		held = append(held, a.Take(slot))
	}
	first := &held[0][0]
	before := resident(t, first)
	held[n/2][0] = 1
	if got := resident(t, first) - before; got != page {
		t.Errorf("one byte was touched, and %d bytes came into memory", got)
	}
	for _, b := range held {
		for i := 0; i < len(b); i += page {
			b[i] = 1
		}
	}
	if got := resident(t, first) - before; got != n*slot {
		t.Errorf("%d bytes were touched, and %d came into memory", n*slot, got)
	}
	for _, b := range held[1:] {
		a.Give(b)
	}
	if got := resident(t, first) - before; got != slot {
		t.Errorf("all but %d bytes were given back, and %d are in memory", slot, got)
	}
	if b := a.Take(slot); &b[0] != &held[n-1][0] {
		t.Error("another slot than the one that was freed last is handed out")
	}
	a.Close()
	if got := resident(t, first); got >= n*slot {
		t.Errorf("it is closed, and %d bytes are in memory", got)
	}
}

// Where the system has no addresses for a stretch of which most is never used, as under ulimit -v, each request has a mapping of its own.
func TestWithoutAddressesForAStretchMappingsAreSingle(t *testing.T) {
	a := newArena(t, Config{Limit: 1 << 20, Spare: 1 << 20, Slot: 4 << 10})
	a.classes[classOf(100<<10)].refused = true
	b := a.Take(100 << 10)
	clear(b)
	if len(a.singles) != 1 || a.Used() != 100<<10 {
		t.Fatalf("%d mappings, %d bytes", len(a.singles), a.Used())
	}
	a.Give(b)
	if len(a.singles) != 0 || a.Used() != 0 {
		t.Fatalf("%d mappings, %d bytes are left", len(a.singles), a.Used())
	}
}
