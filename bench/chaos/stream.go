package main

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"time"
)

// This file owns the connections through the proxy. Each way is a goroutine of its own, which holds one piece at a time: who sends
// more than that finds its kernel's buffers full.

const (
	pieceMax  = 32 << 10 // bytes
	slowPiece = 1400     // on a slow link: what many connections share goes piece by piece
	dialMax   = 2 * time.Second
	lookMax   = time.Millisecond // whether who dialled is still there
)

// accept takes connections to node to until the listener is closed.
func (p *proxy) accept(l net.Listener, to int, port string) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && p.track(c.(*net.TCPConn)) {
			p.runs.Go(func() { p.serve(c.(*net.TCPConn), to, port) })
		}
	}
}

// track keeps a connection to close in the end; false closes it now.
func (p *proxy) track(c *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil || len(p.open) >= streamsMax {
		_ = c.Close()
		return false
	}
	p.open[c] = true
	return true
}

func (p *proxy) drop(c *net.TCPConn) {
	_ = c.Close()
	p.mu.Lock()
	delete(p.open, c)
	p.mu.Unlock()
}

// serve carries what both ends say, until both have ended.
func (p *proxy) serve(a *net.TCPConn, to int, port string) {
	defer p.drop(a)
	remote, _ := a.RemoteAddr().(*net.TCPAddr)
	from := p.sender(remote.AddrPort().Addr())
	early, ok := p.opens(a, from, to)
	if !ok {
		return
	}
	d := net.Dialer{Timeout: dialMax}
	if from != outside {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(host(known, from))}
	}
	c, err := d.Dial("tcp", net.JoinHostPort(host(listens, to), port))
	if err != nil { // nobody listens there
		reset(a)
		return
	}
	b := c.(*net.TCPConn)
	if !p.track(b) {
		return
	}
	defer p.drop(b)
	back := make(chan struct{})
	go func() {
		defer close(back)
		p.pump(b, a, to, from, nil)
	}()
	p.pump(a, b, from, to, early)
	<-back
}

// opens waits until both ends reach each other, and returns what was said meanwhile; false if who dialled has given up by then.
func (p *proxy) opens(a *net.TCPConn, from, to int) (early []byte, ok bool) {
	if !p.pass(from, to) || !p.pass(to, from) {
		return nil, false
	}
	early = make([]byte, pieceMax)
	_ = a.SetReadDeadline(time.Now().Add(lookMax))
	n, err := io.ReadFull(a, early)
	_ = a.SetReadDeadline(time.Time{})
	return early[:n], err == nil || errors.Is(err, os.ErrDeadlineExceeded)
}

// pump carries what src says to dst, and that it has ended; first what was said already.
func (p *proxy) pump(src, dst *net.TCPConn, from, to int, said []byte) {
	buf := make([]byte, pieceMax)
	n, err := copy(buf, said), error(nil)
	for {
		if n > 0 && !p.piece(src, dst, from, to, buf[:n]) {
			return
		}
		if err != nil {
			break
		}
		n, err = src.Read(buf[:p.size(from)])
	}
	switch {
	case !p.pass(from, to):
	case errors.Is(err, io.EOF):
		_ = dst.CloseWrite()
	default:
		reset(dst)
	}
}

// size is how much is read at once of a sender.
func (p *proxy) size(from int) int {
	if from != outside {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.paces[from].rate > 0 {
			return slowPiece
		}
	}
	return pieceMax
}

// piece carries some bytes when they may go; false when the connection has ended.
func (p *proxy) piece(src, dst *net.TCPConn, from, to int, b []byte) bool {
	wait, _ := p.queued(from, len(b), math.MaxInt64)
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-p.done:
			return false
		}
	}
	if !p.pass(from, to) {
		return false
	}
	if _, err := dst.Write(b); err != nil {
		if p.pass(to, from) { // it is dst's kernel that says so
			reset(src)
		}
		return false
	}
	return true
}

// reset ends a connection at once, as the kernel of a process does that is gone.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
