package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/shoalcache/shoal/internal/ports"
)

// This file owns the network where nodes can have none of their own: one loopback address for each node, which it listens on and sends
// from, and one that the others know it by, where the driver stands.
//
//	n1 listens on 127.77.1.1, is known as 127.77.2.1
//
//	  n1 ── from 127.77.1.1 ──▶ 127.77.2.2, the driver ──▶ 127.77.1.2 ── n2
//
// So the driver knows of every connection and packet who sends it to whom. What a cut loses of a connection is held back and comes
// later, as when a kernel sends it again; nothing is closed or refused meanwhile. Only that somebody answers a dial is not lost: it
// comes about and stays silent.

// outside is who is no node: the driver's own clients.
const outside = -1

const (
	listens, known = "127.77.1.", "127.77.2." // the first three numbers of both addresses of a node
	streamsMax     = 2048                     // sockets at a time, two for each connection through the driver
	queueMax       = 500 * time.Millisecond   // that a packet waits on a slow link, or else is lost
)

// proxy is that network. Links of a node are named by from and to.
type proxy struct {
	nodes   int
	ports   [3]string // for clients, nodes and gossip: the same at every node
	packets []*net.UDPConn

	mu      sync.Mutex
	lost    map[[2]int]bool
	changed chan struct{} // closed when lost changes
	paces   []pace
	open    map[*net.TCPConn]bool
	listen  []net.Listener

	done chan struct{}
	runs sync.WaitGroup
}

// pace is how fast a node sends.
type pace struct {
	rate int // bytes in a second; 0: as fast as it can
	free time.Time
}

// newProxy stands before so many nodes.
func newProxy(nodes int) (*proxy, error) {
	p := &proxy{
		nodes: nodes, lost: map[[2]int]bool{}, changed: make(chan struct{}), paces: make([]pace, nodes), open: map[*net.TCPConn]bool{},
		done: make(chan struct{}),
	}
	free, err := ports.Free(len(p.ports))
	for i := range free {
		_, p.ports[i], _ = net.SplitHostPort(free[i])
	}
	for i := 0; i < nodes && err == nil; i++ {
		err = p.stand(i)
	}
	if err != nil {
		p.end()
		return nil, fmt.Errorf("a loopback address for each node: %w", err)
	}
	for i, c := range p.packets {
		p.runs.Go(func() { p.carry(i, c) })
	}
	return p, nil
}

// stand takes the addresses that node i is known by.
func (p *proxy) stand(i int) error {
	for _, port := range p.ports {
		l, err := net.Listen("tcp", net.JoinHostPort(host(known, i), port))
		if err != nil {
			return err
		}
		p.listen = append(p.listen, l)
		p.runs.Go(func() { p.accept(l, i, port) })
	}
	c, err := net.ListenPacket("udp", net.JoinHostPort(host(known, i), p.ports[2]))
	if err == nil {
		p.packets = append(p.packets, c.(*net.UDPConn))
	}
	return err
}

func host(net string, i int) string { return net + strconv.Itoa(i+1) }

func (p *proxy) addrs(i int) addrs {
	at := func(net string, k int) string { return host(net, i) + ":" + p.ports[k] }
	return addrs{client: at(listens, 0), peer: at(listens, 1), gossip: at(listens, 2), host: host(known, i), dial: at(known, 0), join: at(known, 2)}
}

func (p *proxy) command(_ int, program string, args ...string) *exec.Cmd {
	return exec.Command(program, args...)
}

func (p *proxy) cut(from, to int) error { return p.change(func() { p.lost[[2]int{from, to}] = true }) }

func (p *proxy) join(from, to int) error {
	return p.change(func() { delete(p.lost, [2]int{from, to}) })
}

func (p *proxy) change(do func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

func (p *proxy) slow(i, kbit int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paces[i] = pace{rate: kbit * 1000 / 8}
	return nil
}

func (p *proxy) fast(i int) error { return p.slow(i, 0) }

// end closes all, and returns when nothing of it runs.
func (p *proxy) end() {
	close(p.done)
	p.mu.Lock()
	for c := range p.open {
		_ = c.Close()
	}
	p.open = nil
	p.mu.Unlock()
	for _, l := range p.listen {
		_ = l.Close()
	}
	for _, c := range p.packets {
		_ = c.Close()
	}
	p.runs.Wait()
}

// sender is which node an address is one of.
func (p *proxy) sender(addr netip.Addr) int {
	for i := range p.nodes {
		if addr.Unmap().String() == host(listens, i) {
			return i
		}
	}
	return outside
}

// reaches reports whether what one sends arrives at the other, and what is closed when that may have changed.
func (p *proxy) reaches(from, to int) (bool, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.lost[[2]int{from, to}], p.changed
}

// pass waits until what one sends arrives at the other; false when all is over.
func (p *proxy) pass(from, to int) bool {
	for {
		ok, changed := p.reaches(from, to)
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-p.done:
			return false
		}
	}
}

// queued is how long n bytes of a sender wait for those before them; false if that is longer than most, and they are none of the queue.
func (p *proxy) queued(from, n int, most time.Duration) (wait time.Duration, ok bool) {
	if from == outside {
		return 0, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.paces[from]
	if s.rate == 0 {
		return 0, true
	}
	now := time.Now()
	if s.free.Before(now) {
		s.free = now
	}
	free := s.free.Add(time.Duration(n) * time.Second / time.Duration(s.rate))
	if wait = free.Sub(now); wait > most {
		return 0, false
	}
	s.free = free
	return wait, true
}

// carry hands packets to a node, until the socket they come by is closed.
func (p *proxy) carry(to int, c *net.UDPConn) {
	target := netip.MustParseAddrPort(net.JoinHostPort(host(listens, to), p.ports[2]))
	buf := make([]byte, 64<<10)
	for {
		n, at, err := c.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		from := p.sender(at.Addr())
		if err != nil || from == outside {
			continue
		}
		if ok, _ := p.reaches(from, to); !ok {
			continue
		}
		wait, ok := p.queued(from, n, queueMax)
		switch by := p.packets[from]; { // it is seen to come from where its sender is known
		case !ok:
		case wait == 0:
			_, _ = by.WriteToUDPAddrPort(buf[:n], target)
		default:
			late := append([]byte(nil), buf[:n]...)
			time.AfterFunc(wait, func() { _, _ = by.WriteToUDPAddrPort(late, target) })
		}
	}
}
