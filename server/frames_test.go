package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/shoalcache/shoal/wire"
)

// scripted is a connection that brings data in reads of the lengths that cut says, then ends.
type scripted struct {
	net.Conn
	data []byte
	cut  func() int
}

func (s *scripted) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.data[:min(max(s.cut(), 1), len(s.data))])
	s.data = s.data[n:]
	return n, nil
}

func (s *scripted) SetReadDeadline(time.Time) error { return nil }

func frame(payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
}

// frames reads until the connection ends.
func frames(t *testing.T, r *frameReader) (out [][]byte) {
	t.Helper()
	for {
		f, err := r.next()
		if err != nil {
			t.Fatal(err)
		}
		if f != nil {
			out = append(out, bytes.Clone(f))
			continue
		}
		if err := r.read(); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFramesComeOutTheSameHoweverTheBytesAreCut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var stream []byte
	var want [][]byte
	for _, size := range []int{1, 5, 300, readLeast - wire.FrameHeader, readLeast, 3, 70_000, 1, readMost, 2, 700_000, 40, 40, 1 << 20, 7} {
		payload := make([]byte, size)
		for i := range payload {
			payload[i] = byte(random.Uint32())
		}
		want = append(want, payload)
		stream = append(stream, frame(payload)...)
	}
	cuts := map[string]func() int{
		"byte by byte": func() int { return 1 },
		"all at once":  func() int { return len(stream) },
		"at random":    func() int { return random.IntN(3 * readLeast) },
		"odd":          func() int { return readLeast + 1 },
	}
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			got := frames(t, &frameReader{conn: &scripted{data: stream, cut: cut}, limits: wire.DefaultLimits()})
			if len(got) != len(want) {
				t.Fatalf("%d frames went in, %d came out", len(want), len(got))
			}
			for i := range want {
				if !bytes.Equal(got[i], want[i]) {
					t.Fatalf("frame %d of %d bytes came out as %d other ones", i, len(want[i]), len(got[i]))
				}
			}
		})
	}
}

func TestBufferGrowsWithWhatHasComeAndNotWithWhatWasAnnounced(t *testing.T) {
	limits := wire.DefaultLimits()
	announced := limits.Frame - 1
	data := append(binary.BigEndian.AppendUint32(nil, uint32(announced)), make([]byte, announced)...)
	r := &frameReader{conn: &scripted{data: data, cut: func() int { return 9 << 10 }}, limits: limits}
	for came := 0; ; came = r.end {
		if f, err := r.next(); err != nil {
			t.Fatal(err)
		} else if f != nil {
			break
		}
		if most := max(readLeast, 2*came); len(r.buf) > most {
			t.Fatalf("%d bytes have come and the buffer holds %d", came, len(r.buf))
		}
		if err := r.read(); err != nil {
			t.Fatal(err)
		}
	}
	if most := announced + wire.FrameHeader; len(r.buf) > most {
		t.Fatalf("a frame of %d bytes left a buffer of %d", announced, len(r.buf))
	}
}

func TestBufferShrinksAfterALargeFrame(t *testing.T) {
	data := append(frame(make([]byte, 4<<20)), frame([]byte("small"))...)
	r := &frameReader{conn: &scripted{data: data, cut: func() int { return 4<<20 + wire.FrameHeader }}, limits: wire.DefaultLimits()}
	if got := frames(t, r); len(got) != 2 {
		t.Fatalf("%d frames of 2", len(got))
	}
	if len(r.buf) > readMost {
		t.Fatalf("an idle connection holds %d bytes", len(r.buf))
	}
}

func TestReaderRefusesAFrameOverTheLimitByItsHeader(t *testing.T) {
	limits := wire.DefaultLimits()
	r := &frameReader{conn: &scripted{data: binary.BigEndian.AppendUint32(nil, uint32(limits.Frame+1)), cut: func() int { return 4 }}, limits: limits}
	if err := r.read(); err != nil {
		t.Fatal(err)
	}
	_, err := r.next()
	if _, over := errors.AsType[*wire.LimitError](err); !over {
		t.Fatalf("got %v", err)
	}
	if len(r.buf) > readLeast {
		t.Fatalf("%d bytes were allocated for it", len(r.buf))
	}
}

func TestHelloMustBeSmall(t *testing.T) {
	data := frame(make([]byte, wire.HelloMax+1))
	r := &frameReader{conn: &scripted{data: data, cut: func() int { return len(data) }}, limits: wire.DefaultLimits()}
	var h wire.Hello
	if _, over := errors.AsType[*wire.LimitError](r.hello(time.Minute, &h)); !over {
		t.Fatal("a hello of more than HelloMax bytes was read")
	}
	if r.limits != wire.DefaultLimits() {
		t.Fatal("the limits of what follows a hello are those of a hello")
	}
}

func TestWhatFollowsAHelloIsNotLost(t *testing.T) {
	data := append(wire.AppendHello(nil, &wire.Hello{Version: 1, Role: wire.RoleClient}), frame([]byte("next"))...)
	r := &frameReader{conn: &scripted{data: data, cut: func() int { return len(data) }}, limits: wire.DefaultLimits()}
	var h wire.Hello
	if err := r.hello(time.Minute, &h); err != nil || h.Role != wire.RoleClient {
		t.Fatal(h, err)
	}
	if got := frames(t, r); len(got) != 1 || string(got[0]) != "next" {
		t.Fatalf("got %q", got)
	}
}
