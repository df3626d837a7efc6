package main

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// silence is for how long nothing must come where nothing should.
const silence = 50 * time.Millisecond

// stage is a proxy and what stands for nodes behind it.
type stage struct {
	*testing.T
	*proxy
}

// newStage starts one of two nodes that must leave nothing behind.
func newStage(t *testing.T) *stage {
	p, err := newProxy(2)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		p.end()
		goleak.VerifyNone(t)
	})
	return &stage{t, p}
}

func (s *stage) fatal(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// listen is what node i listens with for nodes.
func (s *stage) listen(i int) net.Listener {
	l, err := net.Listen("tcp", s.addrs(i).peer)
	s.fatal(err)
	s.Cleanup(func() { _ = l.Close() })
	return l
}

// dial is a connection from node from to where the other is known.
func (s *stage) dial(from, to int) *net.TCPConn {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host(listens, from))}}
	c, err := d.Dial("tcp", net.JoinHostPort(s.addrs(to).host, s.ports[1]))
	s.fatal(err)
	s.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// pair is a connection from node 0 to node 1, by both ends.
func (s *stage) pair() (a, b *net.TCPConn) {
	l := s.listen(1)
	a = s.dial(0, 1)
	c, err := l.Accept()
	s.fatal(err)
	s.Cleanup(func() { _ = c.Close() })
	return a, c.(*net.TCPConn)
}

func (s *stage) says(c net.Conn, what string) {
	s.Helper()
	_, err := c.Write([]byte(what))
	s.fatal(err)
}

func (s *stage) hears(c net.Conn, what string) {
	s.Helper()
	b := make([]byte, len(what))
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != what {
		s.Fatalf("%q came, %v: want %q", b, err, what)
	}
}

// hearsNothing wants neither bytes nor an end.
func (s *stage) hearsNothing(c net.Conn) {
	s.Helper()
	_ = c.SetReadDeadline(time.Now().Add(silence))
	if n, err := c.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
		s.Fatalf("%d bytes came, %v: want silence", n, err)
	}
}

func (s *stage) hearsTheEnd(c net.Conn) {
	s.Helper()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := c.Read(make([]byte, 9)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		s.Fatalf("%d bytes came, %v: want the end", n, err)
	}
}

func TestACutHoldsBackOneWayAndTheOtherGoesOn(t *testing.T) {
	s := newStage(t)
	a, b := s.pair()
	s.says(a, "one")
	s.hears(b, "one")
	if from := b.RemoteAddr().(*net.TCPAddr).IP.String(); from != host(known, 0) {
		t.Errorf("it comes from %s, want where its sender is known", from)
	}
	s.fatal(s.cut(0, 1))
	s.says(a, "two")
	s.hearsNothing(b)
	s.says(b, "back")
	s.hears(a, "back")
	s.fatal(s.proxy.join(0, 1))
	s.hears(b, "two")
}

func TestACutHidesThatTheOtherEndIsGone(t *testing.T) {
	for last, questions := range map[string]int{"": 3, "last words": 0} { // a reset may overtake what was said before
		t.Run(last, func(t *testing.T) {
			s := newStage(t)
			a, b := s.pair()
			s.fatal(s.cut(0, 1))
			s.says(a, last)
			s.fatal(a.Close())
			for range questions {
				s.hearsNothing(b)
				s.says(b, "are you there?") // the kernel of a refuses it, which is not heard either
			}
			s.hearsNothing(b)
			s.fatal(s.proxy.join(0, 1))
			s.hears(b, last)
			s.hearsTheEnd(b)
		})
	}
}

func TestWhoDialsThroughACutIsHeardWhenItIsOverUnlessItHasGivenUp(t *testing.T) {
	for name, way := range map[string][2]int{"the dial is lost": {0, 1}, "its answer is": {1, 0}} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			l := s.listen(1)
			s.fatal(s.cut(way[0], way[1]))
			given, kept := s.dial(0, 1), s.dial(0, 1)
			s.says(given, "given up")
			s.fatal(given.Close())
			s.says(kept, "kept")
			s.fatal(s.proxy.join(way[0], way[1]))
			c, err := l.Accept()
			s.fatal(err)
			s.hears(c, "kept")
			s.fatal(c.Close())
			s.hearsTheEnd(kept)
		})
	}
}

func TestNobodyListeningIsARefusal(t *testing.T) {
	s := newStage(t)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host(listens, 0))}}
	if c, err := d.Dial("tcp", net.JoinHostPort(s.addrs(1).host, s.ports[1])); err == nil { // else it was refused so soon that the dial fails
		defer c.Close()
		s.hearsTheEnd(c)
	}
}

func TestTheDriversOwnConnectionsAreNotCut(t *testing.T) {
	s := newStage(t)
	l := s.listen(1)
	s.fatal(errors.Join(s.cut(0, 1), s.cut(1, 0)))
	a, err := net.Dial("tcp", net.JoinHostPort(s.addrs(1).host, s.ports[1]))
	s.fatal(err)
	defer a.Close()
	b, err := l.Accept()
	s.fatal(err)
	defer b.Close()
	s.says(a, "question")
	s.hears(b, "question")
	s.says(b, "answer")
	s.hears(a, "answer")
}

func TestASlowLinkTakesItsTimeAndKeepsOrder(t *testing.T) {
	s := newStage(t)
	a, b := s.pair()
	s.fatal(s.slow(0, 200)) // 25,000 bytes in a second
	text := strings.Repeat("0123456789", 1000)
	began := time.Now()
	s.says(a, text)
	s.hears(b, text)
	if took := time.Since(began); took < 390*time.Millisecond {
		t.Errorf("10,000 bytes took %v, want 0.4 s", took)
	}
	s.fatal(s.fast(0))
	s.says(a, "more")
	s.hears(b, "more")
}

func TestAnEndEndsWhatIsHeldBack(t *testing.T) {
	s := newStage(t)
	a, _ := s.pair()
	s.fatal(errors.Join(s.cut(0, 1), s.slow(0, 1)))
	s.says(a, strings.Repeat("x", 1<<20)) // more than is ever carried
}

func TestPacketsAreLostInACutAndWhereTheQueueIsTooLong(t *testing.T) {
	s := newStage(t)
	var nodes [2]*net.UDPConn
	for i := range nodes {
		c, err := net.ListenPacket("udp", s.addrs(i).gossip)
		s.fatal(err)
		defer c.Close()
		nodes[i] = c.(*net.UDPConn)
	}
	to, err := net.ResolveUDPAddr("udp", s.addrs(1).join)
	s.fatal(err)
	send := func(what string) {
		_, err := nodes[0].WriteTo([]byte(what), to)
		s.fatal(err)
	}
	s.fatal(s.cut(0, 1))
	send("cut")
	s.hearsNothing(nodes[1])
	s.fatal(errors.Join(s.proxy.join(0, 1), s.slow(0, 1)))
	send(strings.Repeat("x", 1000)) // 8 s of this link
	s.hearsNothing(nodes[1])
	send("late") // 32 ms
	b := make([]byte, 2000)
	_ = nodes[1].SetReadDeadline(time.Now().Add(time.Minute))
	n, from, err := nodes[1].ReadFromUDP(b)
	if err != nil || string(b[:n]) != "late" || from.IP.String() != host(known, 0) {
		t.Fatalf("%q came from %v, %v: want what fits into the queue, from where its sender is known", b[:n], from, err)
	}
}
