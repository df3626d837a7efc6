package server

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

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
