package main

import (
	"runtime/debug"
	"testing"

	"github.com/shoalcache/shoal/server"
)

func TestTheHeapIsHeldToTheMemoryAskedForOrToTheDefault(t *testing.T) {
	before, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
	defer debug.SetMemoryLimit(before)
	defer debug.SetGCPercent(percent)
	for memory, total := range map[int64]int64{0: server.DefaultMemory, 256 << 20: 256 << 20} {
		limitHeap(server.Config{Memory: memory}, 2)
		left := 2 * (total - server.StorageOf(total, 4096))
		if got := debug.SetMemoryLimit(-1); got >= left || got < left/3 {
			t.Errorf("memory %d: the heap may take %d of the %d that storage leaves", memory, got, left)
		}
		debug.SetMemoryLimit(before)
	}
}
