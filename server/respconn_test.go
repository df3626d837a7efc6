package server

import (
	"net"
	"testing"
	"time"
)

// unreadConn is the connection of a Redis client that has read none of the replies that wait: more than may before
// another command is taken.
func unreadConn(t *testing.T, n *Node) (c *respConn, far net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	c = &respConn{n: n}
	c.news.L = &c.mu
	c.pipe = newPipe(near, 8<<20, time.Minute, func(error) {})
	ended := make(chan struct{})
	go func() {
		c.pipe.run()
		close(ended)
	}()
	t.Cleanup(func() {
		c.cut()
		_ = far.Close()
		<-ended
	})
	c.pipe.push(make([]byte, connBytesSoft+1))
	return c, far
}

// within fails a test whose f does not return.
func within[T any](t *testing.T, what string, f func() T) T {
	t.Helper()
	result := make(chan T, 1)
	go func() { result <- f() }()
	select {
	case r := <-result:
		return r
	case <-time.After(time.Minute):
		t.Fatalf("still waiting after a minute: %s", what)
		panic("unreachable")
	}
}

func (c *respConn) lockedRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room()
}

func TestNobodyWaitsForRoomOnAClosedConnectionWhateverItLeftUnread(t *testing.T) { // I16
	n := start(t, Quick(testConfig(t, "n1")))
	for what, end := range map[string]func(*respConn){"its pipe broke": (*respConn).cut, "it was closed first": (*respConn).close} {
		c, _ := unreadConn(t, n)
		end(c)
		if within(t, what, c.lockedRoom) {
			t.Errorf("%s: there is room", what)
		}
	}
}
