package server

import (
	"math"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// pipe is the sending side of a connection. Whoever has frames appends them; what is appended while a
// write is under way goes out in the next. A push tries to write at once without blocking, so that the
// common answer costs no goroutine switch; only when the socket is full does the pipe's own goroutine take
// over and wait.
type pipe struct {
	conn    net.Conn
	gather  bool            // leave every write to the goroutine, which lets others append first
	raw     syscall.RawConn // nil where writes cannot be tried
	most    int             // bytes held; see push for what becomes of more
	ration  *ration         // of all pipes of its kind; nil: none
	counted int             // bytes of it that are this pipe's
	stall   time.Duration   // longest the other end may take to make room for pieceMax bytes
	broken  func(error)     // called at most once, from any goroutine, holding no lock; not after close
	mu      sync.Mutex
	cond    sync.Cond // something to write, or room, or closed
	pending []byte
	spare   []byte
	flying  int // bytes being written
	attempt attempt
	writing bool
	handed  bool // the goroutine must take over
	closed  bool
}

func newPipe(conn net.Conn, most int, stall time.Duration, broken func(error)) *pipe {
	p := &pipe{conn: conn, most: most, stall: stall, broken: broken}
	p.cond.L = &p.mu
	if s, ok := conn.(syscall.Conn); ok {
		p.raw, _ = s.SyscallConn()
	}
	p.attempt.run = p.attempt.write
	return p
}

// push queues frames; false when the pipe is closed or would hold more than it may. A client's pipe then
// breaks. A link's drops what does not fit: to break it would lose all that is queued for everybody, and
// what it drops is hedged or hinted.
func (p *pipe) push(frames []byte) bool { return p.add(frames, p.most) }

// force is push for what must not be dropped, and is small.
func (p *pipe) force(frames []byte) bool { return p.add(frames, math.MaxInt) }

func (p *pipe) add(frames []byte, most int) bool {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return false
	}
	if held := len(p.pending) + p.flying; held > 0 && held+len(frames) > most || most == p.most && p.crowded(held, len(frames)) {
		p.mu.Unlock()
		if !p.gather {
			p.fail(errFull)
		}
		return false
	}
	p.pending = append(p.pending, frames...)
	if p.writing || p.handed {
		p.count()
		p.mu.Unlock()
		return true
	}
	if p.raw == nil || p.gather {
		p.hand()
		p.count()
		p.mu.Unlock()
		return true
	}
	p.writing = true
	for len(p.pending) > 0 && !p.closed {
		out := p.take()
		p.mu.Unlock()
		n, err := p.try(out)
		p.mu.Lock()
		p.give(out)
		if err != nil {
			p.writing = false
			p.mu.Unlock()
			p.fail(err)
			return false
		}
		if n < len(out) && !p.closed { // the socket is full: what is left goes first, and the goroutine waits for room
			rest := append(make([]byte, 0, len(out)-n+len(p.pending)), out[n:]...)
			p.pending = append(rest, p.pending...)
			p.hand()
			break
		}
	}
	p.writing = false
	p.count()
	p.cond.Broadcast()
	p.mu.Unlock()
	return true
}

// count has what waits here counted with what waits in other pipes. What is written at once does not wait. Called with mu
// held.
func (p *pipe) count() {
	n := 0
	if p.handed && !p.closed {
		n = len(p.pending) + p.flying
	}
	p.ration.add(n - p.counted)
	p.counted = n
}

func (p *pipe) hand() {
	p.handed = true
	p.cond.Broadcast()
}

// take swaps the buffers; give takes the written one back.
func (p *pipe) take() []byte {
	out := p.pending
	p.pending, p.spare, p.flying = p.spare[:0], nil, len(out)
	return out
}

func (p *pipe) give(b []byte) {
	p.flying = 0
	kept := bufferKept
	if p.gather {
		kept = linkBufferKept
	}
	if cap(b) <= kept {
		p.spare = b[:0]
	}
}

const (
	bufferKept     = 64 << 10  // the largest buffer an idle client's connection keeps
	linkBufferKept = 1 << 20   // the same of a link, which fills more and is one of few
	pieceMax       = 256 << 10 // bytes that have to leave within the stall time, however many wait
)

// attempt is one write that does not block. It is part of the pipe, whose one writer it serves, so that a
// write allocates nothing.
type attempt struct {
	out []byte
	n   int
	err error
	run func(fd uintptr) bool
}

// try writes what the socket takes now.
func (p *pipe) try(b []byte) (n int, err error) {
	a := &p.attempt
	a.out, a.n, a.err = b, 0, nil
	err = p.raw.Write(a.run)
	if err == nil {
		err = a.err
	}
	a.out = nil
	return a.n, err
}

// write returns true: a socket without room is not waited for.
func (a *attempt) write(fd uintptr) bool {
	for a.n < len(a.out) {
		n, err := syscall.Write(int(fd), a.out[a.n:])
		switch {
		case n > 0:
			a.n += n
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return true
		default:
			a.err = err
			return true
		}
	}
	return true
}

// run is the pipe's goroutine: it writes what push could not, and ends when the pipe closes.
func (p *pipe) run() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for !p.closed && !(p.handed && !p.writing) {
			p.cond.Wait()
		}
		if p.closed {
			return
		}
		if p.gather { // one write for all that those ready to run have to say: 2 to 3 times the throughput
			p.mu.Unlock()
			runtime.Gosched()
			p.mu.Lock()
		}
		for len(p.pending) > 0 && !p.closed {
			out := p.take()
			p.mu.Unlock()
			err := p.write(out)
			p.mu.Lock()
			p.give(out)
			p.count()
			if err != nil {
				p.mu.Unlock()
				p.fail(err)
				p.mu.Lock()
				return
			}
			p.cond.Broadcast()
		}
		p.handed = false
		p.count()
	}
}

// write blocks until b is written.
func (p *pipe) write(b []byte) error {
	for len(b) > 0 {
		_ = p.conn.SetWriteDeadline(time.Now().Add(p.stall))
		n, err := p.conn.Write(b[:min(len(b), pieceMax)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	if p.gather { // every write sets its own
		return nil
	}
	return p.conn.SetWriteDeadline(time.Time{}) // once passed, it would fail the next push
}

// wait returns once no more than limit bytes are held, or the pipe is closed.
func (p *pipe) wait(limit int) {
	p.mu.Lock()
	for len(p.pending)+p.flying > limit && !p.closed {
		p.cond.Wait()
	}
	p.mu.Unlock()
}

// room reports whether n more bytes fit.
func (p *pipe) room(n int) bool {
	held := p.held()
	return held == 0 || held+n <= p.most && !p.crowded(held, n)
}

// crowded reports whether n more bytes are too many for all pipes together, where this one holds its part. What links say in
// few bytes, replies above all, never is.
func (p *pipe) crowded(held, n int) bool {
	return held > bufferKept && (!p.gather || n >= largeFrame) && p.ration.over(n)
}

// held is how many bytes wait.
func (p *pipe) held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pending) + p.flying
}

// fail closes the pipe and says why, unless it is closed already.
func (p *pipe) fail(err error) {
	if p.close() {
		p.broken(err)
	}
}

// close breaks the connection; nothing more is written, and nothing is held. It returns false when it was closed before.
func (p *pipe) close() bool {
	p.mu.Lock()
	closed := p.closed
	p.closed = true
	p.pending = nil
	p.count()
	p.cond.Broadcast()
	p.mu.Unlock()
	if closed {
		return false
	}
	_ = p.conn.Close()
	return true
}
