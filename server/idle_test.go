package server

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// Large values that came and expired again leave nothing behind: neither in connections that now wait for the next
// request, nor in shards, whose buffers are used again.
func TestIdleNodeKeepsNothingOfTheLargeValuesItHandled(t *testing.T) { // I16
	cfg := Quick(testConfig(t, "n1"))
	cfg.Memory, cfg.Shards = 1<<30, 16
	n := start(t, cfg)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	const conns, size = 48, 2 << 20
	value := make([]byte, size)
	for i := range conns {
		c := dialHello(t, n.Addr())
		key := []byte(fmt.Sprint("k", i))
		if r := c.ask(&wire.Request{Op: wire.OpSet, ID: 1, Key: key, Value: value, TTL: 300}); r.Status != wire.StatusOK {
			t.Fatal(r)
		}
		if r := c.ask(&wire.Request{Op: wire.OpGet, ID: 2, Key: key}); r.Status != wire.StatusOK && r.Status != wire.StatusNotFound {
			t.Fatal(r)
		}
		// The test's end of the connection forgets, too: here the set is the last that this one says.
		if r := c.ask(&wire.Request{Op: wire.OpSet, ID: 3, Key: key, Value: value, TTL: 1}); r.Status != wire.StatusOK {
			t.Fatal(r)
		}
		c.reader.buf = nil
	}
	eventually(t, "all has expired", func() bool { return n.Stats().Keys == 0 })
	var kept int64
	end := time.Now().Add(10 * time.Second)
	for kept = heap() - before; kept > conns*size/4 && time.Now().Before(end); kept = heap() - before {
		runtime.Gosched()
	}
	if kept > conns*size/4 {
		t.Fatalf("of %d MiB that came and went, %d MiB are kept", conns*size>>20, kept>>20)
	}
}
