package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoalcache/shoal/server/resp"
	"github.com/shoalcache/shoal/wire"
)

// stuck is a pipe to somebody who reads nothing.
func stuck(t *testing.T, r *ration, broken func(error)) *pipe {
	here, there := net.Pipe()
	t.Cleanup(func() { _ = there.Close() })
	p := newPipe(here, 1<<20, time.Hour, broken)
	p.ration = r
	t.Cleanup(func() { p.close() })
	return p
}

func TestWhatManyClientsLeaveUnreadIsBoundedTogether(t *testing.T) { // I16
	r := &ration{most: 200 << 10}
	var why error
	first, second := stuck(t, r, func(error) {}), stuck(t, r, func(err error) { why = err })
	small := stuck(t, r, func(err error) { t.Errorf("who leaves little unread is cut off: %v", err) })
	frame := make([]byte, 90<<10)
	for _, p := range []*pipe{first, second} {
		if !p.push(frame) {
			t.Fatal("there was room")
		}
	}
	if second.push(frame) || !errors.Is(why, errFull) {
		t.Errorf("three times 90 KiB of 200 are let in: %v", why)
	}
	if r.held.Load() != 90<<10 {
		t.Errorf("%d bytes are counted once one is cut off", r.held.Load())
	}
	r.add(150 << 10)
	for range 3 {
		if !small.push(make([]byte, 10<<10)) {
			t.Error("10 KiB are refused")
		}
	}
	r.add(-150 << 10)
	first.close()
	small.close()
	if r.held.Load() != 0 {
		t.Errorf("%d bytes are counted, and all are closed", r.held.Load())
	}
}

func TestALargeRequestWaitsForTheLargeOnesOfOthers(t *testing.T) { // I16
	synctest.Test(t, func(t *testing.T) {
		r := &ration{most: 1 << 20}
		limits := wire.DefaultLimits()
		readers := make([]*frameReader, 2)
		frames := make([]chan int, 2)
		for i := range readers {
			here, there := net.Pipe()
			defer there.Close()
			readers[i] = &frameReader{conn: here, limits: limits, ration: r, patience: time.Minute}
			frames[i] = make(chan int, 1)
			go func() {
				var frame []byte
				var err error
				for frame == nil && err == nil {
					if err = readers[i].read(); err == nil {
						frame, err = readers[i].next()
					}
				}
				frames[i] <- len(frame)
			}()
			go func() { _, _ = there.Write(append([]byte{0, 12, 0, 0}, make([]byte, 12<<16)...)) }()
			synctest.Wait()
		}
		if n := <-frames[0]; n != 12<<16 || len(frames[1]) > 0 || r.held.Load() > r.most {
			t.Fatalf("the first has %d bytes, the second is through: %t, %d bytes are held", n, len(frames[1]) > 0, r.held.Load())
		}
		readers[0].reserve(0)
		if n := <-frames[1]; n != 12<<16 {
			t.Fatalf("the second has %d bytes once the first is done", n)
		}
		readers[1].reserve(0)
		if r.held.Load() != 0 {
			t.Errorf("%d bytes are counted at the end", r.held.Load())
		}
	})
}

func TestManyThatSeeTheSameRoomDoNotAllTakeIt(t *testing.T) { // I16
	const most, rounds = 1 << 20, 20_000
	r := &ration{most: most}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range rounds {
				if !r.try(most, 0) {
					continue
				}
				if held := r.held.Load(); held != most {
					t.Errorf("%d bytes of %d are held", held, most)
				}
				r.give(most)
			}
		})
	}
	wg.Wait()
	if r.held.Load() != 0 || r.coming.Load() != 0 {
		t.Errorf("%d bytes are held at the end, %d of requests", r.held.Load(), r.coming.Load())
	}
}

// begun is a reader whose other end has announced a frame of so many bytes, and what send makes of them.
func begun(t *testing.T, r *ration, frame int, send func(there net.Conn)) *frameReader {
	here, there := net.Pipe()
	t.Cleanup(func() { _ = there.Close() })
	go func() {
		if _, err := there.Write(binary.BigEndian.AppendUint32(nil, uint32(frame))); err == nil {
			send(there)
		}
	}()
	return &frameReader{conn: here, limits: wire.DefaultLimits(), ration: r, patience: 30 * time.Second}
}

// readAll reads until a whole frame has come, and lets go of it; or says what went wrong.
func readAll(r *frameReader) error {
	defer func() { _ = r.conn.Close() }()
	defer r.reserve(0)
	for {
		if err := r.read(); err != nil {
			return err
		}
		if frame, err := r.next(); frame != nil || err != nil {
			return err
		}
	}
}

// Four of them have all there is; the first two send no more, the third a byte now and then, and the fourth takes its time.
func TestALargeRequestThatDoesNotComeIsCutOff(t *testing.T) { // I16
	synctest.Test(t, func(t *testing.T) {
		const large, came = 16<<20 - wire.FrameHeader, 300 << 10
		r := &ration{most: 4 * (large + wire.FrameHeader)}
		stops := func(there net.Conn) { _, _ = there.Write(make([]byte, came)) }
		pieces := func(n int) func(net.Conn) {
			return func(there net.Conn) {
				stops(there)
				for left, piece := large-came, make([]byte, n); left > 0; left -= n {
					time.Sleep(20 * time.Second)
					if _, err := there.Write(piece[:min(n, left)]); err != nil {
						return
					}
				}
			}
		}
		began := time.Now()
		var wg sync.WaitGroup
		for i, send := range []func(net.Conn){stops, stops, pieces(1), pieces(pieceMax)} {
			reader := begun(t, r, large, send)
			wg.Go(func() {
				err := readAll(reader)
				if want := map[bool]error{true: errStalled}[i < 3]; !errors.Is(err, want) || i < 3 && time.Since(began) > time.Minute {
					t.Errorf("client %d ends after %v: %v, want %v", i, time.Since(began), err, want)
				}
			})
			synctest.Wait()
		}
		if held := r.held.Load(); held != r.most {
			t.Fatalf("four large requests have begun, and %d bytes of %d are held", held, r.most)
		}
		time.Sleep(25 * time.Second)
		honest := begun(t, r, 1<<20, func(there net.Conn) { _, _ = there.Write(make([]byte, 1<<20)) })
		if err := readAll(honest); err != nil {
			t.Errorf("a request that comes at once, 25 s later: %v", err)
		}
		wg.Wait()
		if r.held.Load() != 0 {
			t.Errorf("%d bytes are held at the end", r.held.Load())
		}
	})
}

// A large request has to come within patience of being waited for; what the node does meanwhile is its own affair.
func TestALargeRequestMayWaitForTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const large = 1 << 20
		r := &ration{most: 1 << 30}
		reader := begun(t, r, large, func(there net.Conn) {
			_, _ = there.Write(make([]byte, 300<<10))
			_, _ = there.Write(make([]byte, large-300<<10))
		})
		for reader.end < 300<<10 {
			if err := reader.read(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		if err := readAll(reader); err != nil {
			t.Error(err)
		}
	})
}

// A large command of which nobody knew how long it is has come, and with its end a few bytes of the next one.
func TestWhatFollowsALargeRequestHasNoPartOfTheRation(t *testing.T) { // I16
	synctest.Test(t, func(t *testing.T) {
		const large = 700 << 10
		here, there := net.Pipe()
		defer there.Close()
		go func() { _, _ = there.Write(make([]byte, large+2)) }()
		r := &ration{most: 32 << 20}
		reader := &frameReader{conn: here, ration: r, patience: time.Minute}
		for reader.end < large+2 {
			if err := reader.fill(4<<20, false); err != nil {
				t.Fatal(err)
			}
		}
		if r.held.Load() < large {
			t.Fatalf("%d bytes are held for %d", r.held.Load(), large)
		}
		reader.start = large
		go func() { _ = reader.fill(0, false) }()
		synctest.Wait()
		if r.held.Load() != 0 || len(reader.buf) > readLeast {
			t.Errorf("%d bytes are held, and the buffer has %d", r.held.Load(), len(reader.buf))
		}
	})
}

func TestALargeRequestThatHasBegunDelaysNoSmallOnes(t *testing.T) { // I16
	synctest.Test(t, func(t *testing.T) {
		r := &ration{most: 12 << 20}
		lone := &frameReader{ration: r, patience: time.Hour}
		if !lone.reserve(16 << 20) {
			t.Fatal("nobody else holds any, and it waits")
		}
		began := time.Now()
		if r.drain(time.Second); time.Since(began) != 0 {
			t.Errorf("others wait for %v", time.Since(began))
		}
		r.add(13 << 20)
		if r.drain(time.Second); time.Since(began) != time.Second {
			t.Errorf("too many answers are unread, and others wait for %v", time.Since(began))
		}
	})
}

// Of the arguments behind a large value nobody knows yet how long they are.
func TestACommandWithArgumentsBehindALargeValueHasNoMoreThanTwiceItsBytes(t *testing.T) { // I16
	const value = 300 << 10
	here, there := net.Pipe()
	defer there.Close()
	command := fmt.Sprintf("*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n$2\r\nEX\r\n$2\r\n10\r\n", value, strings.Repeat("x", value))
	go func() { _, _ = there.Write([]byte(command)) }()
	r := &ration{most: 64 << 20}
	reader := frameReader{conn: here, ration: r, patience: time.Minute}
	limits := resp.DefaultLimits()
	p := resp.Parser{Limits: limits}
	for {
		args, taken, err := p.Next(reader.unread())
		if err != nil {
			t.Fatal(err)
		}
		if held := r.held.Load(); held > 2*int64(len(command)) {
			t.Fatalf("a command of %d bytes holds %d", len(command), held)
		}
		if taken > 0 {
			if len(args) != 5 {
				t.Errorf("%d arguments", len(args))
			}
			break
		}
		if err := reader.fill(p.Wants()); err != nil {
			t.Fatal(err)
		}
	}
}
