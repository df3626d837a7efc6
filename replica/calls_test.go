package replica

import (
	"runtime"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/shoalcache/shoal/antientropy"
	"github.com/shoalcache/shoal/coordinator"
	"github.com/shoalcache/shoal/hints"
	"github.com/shoalcache/shoal/vclock"
)

// large is a machine that is done and holds much.
type large struct {
	coordinator.Get
	held []byte
}

func (l *large) Done() bool { return true }
func (l *large) Bytes() int { return len(l.held) }

func TestAMachineThatGrewTooLargeIsLetGoOf(t *testing.T) { // I16
	var c calls
	c.init(0, 1)
	gone := make(chan struct{})
	func() {
		m := &large{}
		runtime.AddCleanup(m, func(gone chan struct{}) { close(gone) }, gone)
		first := c.open(poolGet)
		first.machine = m
		c.settle(first) // small, it is kept for the next call
		if again := c.open(poolGet); again.machine != coordinator.Machine(m) {
			t.Fatal("it was not used again: the test tests nothing")
		} else {
			m.held = make([]byte, poolBytes+1)
			c.settle(again)
		}
	}()
	for range 10 {
		runtime.GC()
		select {
		case <-gone:
			return
		default:
		}
	}
	<-gone // the test's own time limit ends this
	runtime.KeepAlive(&c)
}

// Answers to what an earlier boot asked must find nothing in this one.
func TestNumbersBeginElsewhereInEveryBoot(t *testing.T) { // I18
	begin := func(boot uint64) (call, page uint64) {
		cfg := Config{
			Self: vclock.Actor{Node: 1, Boot: boot}, Shards: 1, BytesMax: 1 << 20, Hash: xxhash.Sum64,
			Hints: hints.DefaultConfig(), Refill: antientropy.DefaultConfig(), RefillsMax: 1,
		}
		s, err := newShard(&cfg, 0, 4)
		if err != nil {
			t.Fatal(err)
		}
		return s.calls.open(poolGet).id, s.refill.serial
	}
	call1, page1 := begin(1)
	call2, page2 := begin(2)
	if call1 == call2 || page1 == page2 {
		t.Errorf("calls %x and %x, pages %d and %d", call1, call2, page1, page2)
	}
	if page1 > ownMask>>1 || page2 > ownMask>>1 {
		t.Errorf("pages %x and %x leave no room to count", page1, page2)
	}
}
