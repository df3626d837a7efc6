package main

import (
	"runtime/debug"
	"testing"

	"github.com/shoalcache/shoal/server"
)

func TestTheHeapIsHeldToTheMemoryAskedForOrToTheDefault(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	for memory, most := range map[int64]int64{0: server.DefaultMemory, 256 << 20: 256 << 20} {
		limitHeap(memory)
		if got := debug.SetMemoryLimit(-1); got >= most || got < most*9/10 {
			t.Errorf("memory %d: the heap may take %d", memory, got)
		}
		debug.SetMemoryLimit(before)
	}
}
