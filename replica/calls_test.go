package replica

import (
	"runtime"
	"testing"

	"github.com/shoalcache/shoal/coordinator"
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
