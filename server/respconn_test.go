package server

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/server/resp"
	"github.com/shoalcache/shoal/wire"
)

// unreadConn is the connection of a Redis client that has read none of the replies that wait: more than may before
// another command is taken.
func unreadConn(t *testing.T, n *Node) (c *respConn, far net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	c = &respConn{n: n, soft: connBytesSoft}
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

// A client takes its time to read, and then its next command is carried out. Its lifetime begins then.
func TestCommandThatWaitedForItsClientIsCarriedOutAtTheTimeOfItsExecution(t *testing.T) {
	const lifetime = 3_600_000
	cfg := Quick(testConfig(t, "n1"))
	withResp(&cfg)
	n := start(t, cfg)
	native := func(t *testing.T) *rawConn { return dialHello(t, n.Addr()) }
	big := wire.Request{Op: wire.OpSet, ID: 1, Key: []byte("big"), Value: make([]byte, 1<<20)}
	if r := native(t).ask(&big); r.Status != wire.StatusOK {
		t.Fatal(r)
	}
	const gets = 40 // more than the sockets and the node take before somebody reads
	for door, begin := range map[string]func(t *testing.T) (end func()){
		"native": func(t *testing.T) (end func()) {
			var b []byte
			for i := range uint64(gets) {
				b = wire.AppendRequest(b, &wire.Request{Op: wire.OpGet, ID: i + 1, Key: []byte("big")})
			}
			c := native(t)
			c.send(wire.AppendRequest(b, &wire.Request{Op: wire.OpSet, ID: gets + 1, Key: []byte("native"), TTL: lifetime}))
			return func() {
				for range gets + 1 {
					c.response()
				}
			}
		},
		"redis": func(t *testing.T) (end func()) {
			c := dialResp(t, n.RespAddr())
			c.send(append([]byte(strings.Repeat("GET big\r\n", gets)), fmt.Sprintf("SET redis v PX %d\r\n", lifetime)...))
			return func() {
				for range gets + 1 {
					c.reply()
				}
			}
		},
	} {
		t.Run(door, func(t *testing.T) {
			end := begin(t)
			eventually(t, "the node waits for its client", func() bool {
				n.callersMu.RLock()
				defer n.callersMu.RUnlock()
				for _, c := range n.callers {
					switch c := c.(type) {
					case *conn:
						if c.pipe.held() > connBytesSoft {
							return true
						}
					case *respConn:
						if c.pipe.held() > connBytesSoft {
							return true
						}
					}
				}
				return false
			})
			waited := n.clock.now().Wall + 20
			eventually(t, "time passes", func() bool { return n.clock.now().Wall > waited })
			end()
			r := native(t).ask(&wire.Request{Op: wire.OpHead, ID: 1, Key: []byte(door)})
			if r.Status != wire.StatusOK || r.Deadline < waited+lifetime {
				t.Errorf("status %d: it ends %d ms before its time", r.Status, waited+lifetime-r.Deadline)
			}
		})
	}
}

// What comes back is not always what was to be expected. Too much of it is an error, and no end of a client that reads.
func TestValuesLargerThanThoughtAreLeftOutAndCutNobodyOff(t *testing.T) { // I16
	n := start(t, Quick(testConfig(t, "n1")))
	c, _ := unreadConn(t, n)
	const size = 512 << 10
	var frames []byte
	c.mu.Lock()
	asked := n.cfg.tuning.connBytes/size + 10
	for i := range asked {
		number := c.line.Single(resp.RESP2, resp.ShapeValue)
		c.line.Enter(number, 0, uint64(i), false)
		frames = wire.AppendResponse(frames, &wire.Response{ID: resp.Ticket(number, 0), Value: make([]byte, size)})
	}
	c.mu.Unlock()
	for range asked { // one after the other, as they come
		frame, rest, err := wire.NextFrame(frames, &n.cfg.Limits)
		if err != nil || frame == nil {
			t.Fatal(err)
		}
		c.answer(frames[:len(frames)-len(rest)], 1)
		frames = rest
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if held := c.pipe.held(); c.closed || held == 0 || held > n.cfg.tuning.connBytes {
		t.Errorf("closed: %t, %d bytes wait of at most %d", c.closed, held, n.cfg.tuning.connBytes)
	}
	if c.line.Len() != 0 {
		t.Errorf("%d commands have no reply", c.line.Len())
	}
}

func TestRoomIsFoundLaterThanItWasLookedFor(t *testing.T) {
	c, far := unreadConn(t, start(t, Quick(testConfig(t, "n1"))))
	looks, read := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		<-looks
		c.mu.Lock() // once it waits
		held := c.pipe.held()
		c.mu.Unlock()
		if held <= connBytesSoft {
			t.Errorf("%d bytes wait: there was room all along", held)
		}
		b := make([]byte, 1<<20)
		for n := 0; n <= connBytesSoft; {
			k, err := far.Read(b)
			if err != nil {
				return
			}
			n += k
		}
	}()
	if !within(t, "room", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		close(looks)
		return c.room()
	}) {
		t.Error("there is none")
	}
	<-read
	if c.now.Mono == 0 {
		t.Error("the command that was waiting is carried out in the past")
	}
}

// A node alone can have another beside it by the time the request is carried out, and hand it on as it came.
func TestWriteCanBeHandedOnHoweverFewNodesThereWere(t *testing.T) {
	n := start(t, Quick(testConfig(t, "n1")))
	c := &respConn{n: n}
	c.now = n.clock.now()
	c.ask(1, &resp.Plan{}, wire.OpSet, []byte("key"), []byte("value"), 1000)
	var r wire.Request
	if len(c.frame) < wire.FrameHeader {
		t.Fatal("there is no request to hand on")
	}
	if err := wire.DecodeRequest(c.frame[wire.FrameHeader:], &r, &n.cfg.Limits); err != nil || string(r.Key) != "key" || string(r.Value) != "value" || r.TTL != 1000 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A client that writes all of a value before it reads, as redis-cli does, is told what is wrong with it, however much it has to send.
func TestAClientThatSendsTooLargeAValueReadsWhyItIsRefused(t *testing.T) {
	t.Parallel()
	cfg := Quick(testConfig(t, "n1"))
	withResp(&cfg)
	n := start(t, cfg)
	c := dialResp(t, n.RespAddr())
	c.send(pipelined([]string{"SET", "k", "before"}))
	c.send(fmt.Appendf(nil, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", 40<<20))
	for range 40 {
		c.send(make([]byte, 1<<20))
	}
	if got := c.reply(); got != "+OK\r\n" {
		t.Errorf("what came before it is answered by %q", got)
	}
	if got := c.reply(); got != "-ERR Protocol error: invalid bulk length\r\n" {
		t.Errorf("it is answered by %q", got)
	}
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		t.Errorf("then come %q, %v", rest, err)
	}
	_ = c.Close()
	eventually(t, "the node has forgotten it", func() bool { return count(n, "server", "clients") == 0 })
}
