package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// hostile is a node that says hello as it should, and then these bytes to every request; closes says whether it hangs up
// after them.
func hostile(t testing.TB, say func(q *wire.Request) []byte, closes bool) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		tasks.Wait()
	})
	tasks.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			tasks.Go(func() {
				defer nc.Close()
				limits := wire.DefaultLimits()
				greeted, in, filled := false, make([]byte, 1<<16), 0
				for {
					n, err := nc.Read(in[filled:])
					if err != nil {
						return
					}
					filled += n
					frame, rest, _ := wire.NextFrame(in[:filled], &limits)
					if frame == nil {
						continue
					}
					var q wire.Request
					if !greeted {
						greeted = true
						nc.Write(wire.AppendHello(nil, &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode, ClusterID: 7}))
					} else if wire.DecodeRequest(frame, &q, &limits) == nil {
						nc.Write(say(&q))
						if closes {
							return
						}
					}
					filled = copy(in, rest)
				}
			})
		}
	})
	return l.Addr().String()
}

func TestWhatANodeMustNotSayEndsTheCallWithAnError(t *testing.T) {
	answer := func(q *wire.Request) []byte {
		return wire.AppendResponse(nil, &wire.Response{ID: q.ID, Value: []byte("v")})
	}
	frame := func(body ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	for name, k := range map[string]struct {
		say    func(q *wire.Request) []byte
		closes bool
		want   string
	}{
		"garbage":           {func(*wire.Request) []byte { return []byte("HTTP/1.1 200 OK\r\n\r\n") }, false, "the node sent what it must not"},
		"a frame of 4 GiB":  {func(*wire.Request) []byte { return []byte{255, 255, 255, 255} }, false, "more than the limit"},
		"a frame of 0":      {func(*wire.Request) []byte { return make([]byte, 4) }, false, "a frame of no bytes"},
		"not an array":      {func(*wire.Request) []byte { return frame(0xc3) }, false, "the node sent what it must not"},
		"a short array":     {func(*wire.Request) []byte { return frame(0x91, 0) }, false, "the node sent what it must not"},
		"a lying length":    {func(*wire.Request) []byte { return frame(0x99, 0, 1, 0, 0xc6, 127, 255, 255, 255) }, false, "the node sent what it must not"},
		"another call's id": {func(q *wire.Request) []byte { q.ID += 7; return answer(q) }, false, "a call that nobody made"},
		"id 0":              {func(q *wire.Request) []byte { q.ID = 0; return answer(q) }, false, "a call that nobody made"},
		"half an answer":    {func(q *wire.Request) []byte { return answer(q)[:9] }, true, "EOF"},
		"nothing":           {func(*wire.Request) []byte { return nil }, true, "EOF"},
		"its hello again": {func(*wire.Request) []byte {
			return wire.AppendHello(nil, &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode})
		}, false, "the node sent what it must not"},
	} {
		c, err := Dial(t.Context(), []string{hostile(t, k.say, k.closes)}, WithoutRouting(), WithRetries(0))
		if err != nil {
			t.Fatal(err)
		}
		_, get := c.Get(t.Context(), "k")
		set := c.Set(t.Context(), "k", nil)
		var lost *InterruptedError
		if !errors.As(get, &lost) || Indeterminate(get) || !strings.Contains(get.Error(), k.want) && !strings.Contains(get.Error(), "reset") {
			t.Errorf("%s: get: %v", name, get)
		}
		if !errors.As(set, &lost) || !Indeterminate(set) {
			t.Errorf("%s: set: %v", name, set)
		}
		c.Close()
	}
}

func TestAnAnswerGivenTwiceCountsOnce(t *testing.T) {
	addr := hostile(t, func(q *wire.Request) []byte {
		p := wire.AppendResponse(nil, &wire.Response{ID: q.ID, Value: bytes.Clone(q.Key)})
		return append(p, p...)
	}, false)
	c, err := Dial(t.Context(), []string{addr}, WithoutRouting())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, key := range []string{"a", "b", "c"} {
		if v, err := c.Get(t.Context(), key); err != nil || string(v) != key {
			t.Errorf("asked for %s, got %q, %v", key, v, err)
		}
	}
}

func TestHalfAnAnswerIsWaitedForAndNoLonger(t *testing.T) {
	addr := hostile(t, func(q *wire.Request) []byte {
		if q.Op == wire.OpPing {
			return nil // the rest of the first answer is still to come
		}
		return wire.AppendResponse(nil, &wire.Response{ID: q.ID, Value: []byte("v")})[:9]
	}, false)
	c, err := Dial(t.Context(), []string{addr}, WithoutRouting())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var timeout *TimeoutError
	if _, err := c.Get(t.Context(), "k", WithTimeout(5*time.Millisecond)); !errors.As(err, &timeout) {
		t.Error(err)
	}
}

// FuzzNode lets a node say anything, before and after its hello: the call ends, with an answer or an error of this package.
func FuzzNode(f *testing.F) {
	hello := wire.AppendHello(nil, &wire.Hello{Version: wire.ProtocolVersion, Role: wire.RoleNode, ClusterID: 7})
	answer := wire.AppendResponse(nil, &wire.Response{ID: 1, Value: []byte("v"), Items: []wire.Item{{Value: []byte("w")}}})
	failure := wire.AppendResponse(nil, &wire.Response{ID: 1, Status: wire.StatusQuorum, Err: &wire.Error{Op: wire.OpGet, Text: "no"}})
	f.Add([]byte{}, []byte{})
	f.Add(hello, answer)
	f.Add(hello, failure)
	f.Add(hello, append(bytes.Clone(answer), failure...))
	f.Add(hello[:7], answer)
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"), []byte{})
	limits := wire.Limits{Frame: wire.HelloMax}
	f.Fuzz(func(t *testing.T, greeting, rest []byte) {
		c := &Client{options: defaultOptions(), links: map[string]*link{}, news: make(chan struct{})}
		c.retries, c.hedges = newBudget(0, 0), newBudget(0, 0)
		c.life, c.end = t.Context(), func() {}
		c.verbs = verbs{backend: c, defaults: c.options.calls, limits: c.options.limits}
		l := newLink(c, "fuzz", true)
		c.seeds = []*link{l}
		c.routes.Store(&routes{links: c.seeds})
		ours, theirs := net.Pipe()
		var node sync.WaitGroup
		node.Go(func() { // takes what comes until it has said everything, and hangs up
			defer theirs.Close()
			in := make([]byte, 4096)
			for _, say := range [][]byte{greeting, rest} {
				if _, err := theirs.Read(in); err != nil {
					return
				}
				if _, err := theirs.Write(say); err != nil {
					return
				}
				if hello, _, _ := wire.NextFrame(greeting, &limits); hello == nil {
					return // the client waits for more
				}
			}
		})
		defer node.Wait()
		defer ours.Close()
		h, early, err := c.greet(ours)
		if err != nil {
			return
		}
		cn := newConn(ours, l, h)
		node.Go(func() { cn.read(early) })
		node.Go(cn.write)
		k := c.call(wire.OpGet, "k", nil)
		k.limit = sinceEpoch() + time.Minute
		k.node = l
		err = cn.start(t.Context(), k, &k.flights[0], sinceEpoch())
		if err == nil {
			err = c.await(t.Context(), k)
		}
		var lost *lostError
		if err != nil && !errors.As(err, &lost) && !strings.HasPrefix(err.Error(), "wire: ") {
			t.Errorf("neither lost nor a node's failure: %v", err)
		}
		cn.fail(errors.New("over"))
	})
}
