package server

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// sockets returns both ends of a TCP connection that buffers little, so that writes are cut soon.
func sockets(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	_ = near.(*net.TCPConn).SetWriteBuffer(64 << 10)
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}

// onBoth runs a test over TCP, where a push tries to write, and over a connection where it cannot.
func onBoth(t *testing.T, f func(t *testing.T, near, far net.Conn)) {
	t.Run("tcp", func(t *testing.T) {
		near, far := sockets(t)
		f(t, near, far)
	})
	t.Run("memory", func(t *testing.T) {
		near, far := net.Pipe()
		t.Cleanup(func() { _, _ = near.Close(), far.Close() })
		f(t, near, far)
	})
}

// piped is a running pipe and what it says when it breaks.
type piped struct {
	*pipe
	why   chan error // why it broke; room for more than the one that is allowed
	ended chan struct{}
}

func run(t *testing.T, conn net.Conn, most int, stall time.Duration) *piped {
	p := &piped{why: make(chan error, 10), ended: make(chan struct{})}
	p.pipe = newPipe(conn, most, stall, func(err error) { p.why <- err })
	go func() {
		p.run()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.close()
		<-p.ended
	})
	return p
}

func TestPipeKeepsEveryPushersOrderAndLosesNothing(t *testing.T) {
	const pushers, each = 8, 400
	onBoth(t, func(t *testing.T, near, far net.Conn) {
		p := run(t, near, 1<<30, time.Minute)
		var wg sync.WaitGroup
		for who := range uint32(pushers) {
			wg.Go(func() {
				for i := range uint32(each) {
					f := make([]byte, 12+(i*37+who*911)%3000)
					binary.BigEndian.PutUint32(f, uint32(len(f)))
					binary.BigEndian.PutUint32(f[4:], who)
					binary.BigEndian.PutUint32(f[8:], i)
					if !p.push(f) {
						t.Error("a push was refused")
					}
				}
			})
		}
		var next [pushers]uint32
		for range pushers * each {
			var head [12]byte
			if _, err := io.ReadFull(far, head[:]); err != nil {
				t.Fatal(err)
			}
			size, who, i := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
			if who >= pushers || i != next[who] {
				t.Fatalf("frame %d of pusher %d came where %v were due", i, who, next)
			}
			next[who]++
			if _, err := io.CopyN(io.Discard, far, int64(size)-12); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
	})
}

func TestPipeWritesTheRestOfWhatTheSocketCouldNotTakeAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, near, far net.Conn) {
		p := run(t, near, 1<<30, time.Minute)
		const total = 8 << 20
		for sent := 0; sent < total; {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = byte((sent + i) % 251)
			}
			p.push(b)
			sent += len(b)
		}
		b := make([]byte, total)
		if _, err := io.ReadFull(far, b); err != nil {
			t.Fatal(err)
		}
		for i := range b {
			if b[i] != byte(i%251) {
				t.Fatalf("byte %d is not what was pushed", i)
			}
		}
		p.wait(0)
		if held := p.held(); held != 0 {
			t.Fatalf("%d bytes are held though all were read", held)
		}
	})
}

func TestPipeBreaksWhenTheOtherEndReadsNothingForTheStallTime(t *testing.T) {
	onBoth(t, func(t *testing.T, near, _ net.Conn) {
		p := run(t, near, 1<<30, 20*time.Millisecond)
		p.push(make([]byte, 16<<20))
		if err := <-p.why; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("broke for %v", err)
		}
		<-p.ended
		if p.push([]byte("more")) {
			t.Fatal("a broken pipe takes frames")
		}
	})
}

func TestPipeThatWaitedForRoomOnceGoesOnLongAfter(t *testing.T) {
	near, far := sockets(t)
	stall := 200 * time.Millisecond
	p := run(t, near, 1<<30, stall)
	began := time.Now()
	p.push(make([]byte, 1<<20))
	if _, err := io.CopyN(io.Discard, far, 1<<20); err != nil {
		t.Fatal(err)
	}
	p.wait(0)
	for time.Since(began) < 3*stall { // past any deadline that the first write set
		if !p.push([]byte("x")) {
			t.Fatalf("broke for %v though the other end reads", <-p.why)
		}
		if _, err := io.CopyN(io.Discard, far, 1); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPipeHoldsNoMoreThanItsBound(t *testing.T) {
	const most, each = 1 << 20, 10_000
	onBoth(t, func(t *testing.T, near, far net.Conn) {
		p := run(t, near, most, time.Minute)
		if _, tcp := near.(*net.TCPConn); tcp { // what the kernel takes is not held here
			for p.held() == 0 {
				p.push(make([]byte, each))
			}
		}
		start := p.held()
		for n := 0; p.push(make([]byte, each)); n += each {
			if held := p.held(); held > most {
				t.Fatalf("%d bytes are held, the bound is %d", held, most)
			}
			if _, tcp := near.(*net.TCPConn); !tcp && start+n > most {
				t.Fatalf("%d bytes were taken, the bound is %d", n, most)
			}
		}
		if err := <-p.why; !errors.Is(err, errFull) {
			t.Fatalf("broke for %v", err)
		}
		<-p.ended
	})
}

func TestPipeTakesOneFrameLargerThanItsBound(t *testing.T) {
	onBoth(t, func(t *testing.T, near, far net.Conn) {
		p := run(t, near, 1000, time.Minute)
		if !p.push(make([]byte, 1<<20)) {
			t.Fatal("an empty pipe refused a large frame")
		}
		if _, err := io.CopyN(io.Discard, far, 1<<20); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPipeSaysOnceWhyItBroke(t *testing.T) {
	onBoth(t, func(t *testing.T, near, far net.Conn) {
		p := run(t, near, 1<<20, time.Minute)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for p.push(make([]byte, 64<<10)) {
				}
			})
		}
		wg.Wait()
		<-p.ended
		if n := len(p.why); n != 1 {
			t.Fatalf("it said %d times why", n)
		}
	})
}

func TestPipeIsBrokenByTheOtherEndsReset(t *testing.T) {
	near, far := sockets(t)
	p := run(t, near, 1<<30, time.Minute)
	_ = far.(*net.TCPConn).SetLinger(0)
	_ = far.Close()
	for p.push([]byte("anyone there?")) {
	}
	if err := <-p.why; err == nil || errors.Is(err, errFull) {
		t.Fatalf("broke for %v", err)
	}
	<-p.ended
}

func TestClosingAPipeWakesWhoeverWaitsAndIsNoBreak(t *testing.T) {
	onBoth(t, func(t *testing.T, near, _ net.Conn) {
		p := run(t, near, 1<<30, time.Minute)
		p.push(make([]byte, 16<<20))
		var woken sync.WaitGroup
		var waiting atomic.Int32
		for range 3 {
			woken.Go(func() {
				waiting.Add(1)
				p.wait(0)
			})
		}
		eventually(t, "all wait", func() bool { return waiting.Load() == 3 })
		if !p.close() || p.close() {
			t.Fatal("the first close closes, and only that")
		}
		woken.Wait()
		<-p.ended
		if held := p.held(); held != 0 {
			t.Fatalf("a closed pipe holds %d bytes", held)
		}
		if len(p.why) != 0 {
			t.Fatalf("a closed pipe broke for %v", <-p.why)
		}
		if p.push([]byte("late")) {
			t.Fatal("a closed pipe takes frames")
		}
	})
}
