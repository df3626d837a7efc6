package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// stream is every sample as it would stand on a connection, one frame after another, and their arrays.
func stream() (all []byte, frames [][]byte) {
	add := func(whole []byte) {
		all = append(all, whole...)
		frames = append(frames, whole[FrameHeader:])
	}
	for _, q := range sampleRequests() {
		add(AppendRequest(nil, &q))
	}
	for _, p := range sampleResponses() {
		add(AppendResponse(nil, &p))
	}
	for _, m := range sampleMessages() {
		add(AppendMessage(nil, &m))
	}
	h := sampleHello()
	add(AppendHello(nil, &h))
	return all, frames
}

func TestFramesAreCutTheSameWholeAndByteByByte(t *testing.T) {
	l := DefaultLimits()
	all, frames := stream()
	for step := 1; step <= len(all); step = 2*step + 1 {
		var buf []byte
		var got [][]byte
		for at := 0; at < len(all); at += step {
			buf = append(buf, all[at:min(at+step, len(all))]...)
			for {
				frame, rest, err := NextFrame(buf, &l)
				if err != nil {
					t.Fatalf("step %d, byte %d: %v", step, at, err)
				}
				if frame == nil {
					if !bytes.Equal(rest, buf) {
						t.Fatalf("step %d, byte %d: a frame that is not whole lost bytes", step, at)
					}
					break
				}
				got, buf = append(got, bytes.Clone(frame)), rest
			}
		}
		if len(got) != len(frames) || len(buf) != 0 {
			t.Fatalf("step %d: %d frames and %d bytes left, want %d frames", step, len(got), len(buf), len(frames))
		}
		for i := range got {
			if !bytes.Equal(got[i], frames[i]) {
				t.Errorf("step %d, frame %d: got %x, want %x", step, i, got[i], frames[i])
			}
		}
	}
}

func TestFrameOverTheLimitIsRefusedBeforeItArrives(t *testing.T) {
	l := Limits{Frame: 100}
	for _, n := range []uint32{101, 1 << 31, 1<<32 - 1, binary.BigEndian.Uint32([]byte("GET "))} {
		_, _, err := NextFrame(binary.BigEndian.AppendUint32(nil, n), &l)
		var limit *LimitError
		if !errors.As(err, &limit) || limit.Got != uint64(n) || limit.Max != 100 {
			t.Errorf("length %d: %v, want a LimitError", n, err)
		}
	}
	frame, _, err := NextFrame(append(binary.BigEndian.AppendUint32(nil, 100), make([]byte, 100)...), &l)
	if err != nil || len(frame) != 100 {
		t.Errorf("a frame of just the limit: %d bytes, %v", len(frame), err)
	}
}

func TestFrameOfNoBytesIsRefused(t *testing.T) {
	l := DefaultLimits()
	var format *FormatError
	if _, _, err := NextFrame(make([]byte, 4), &l); !errors.As(err, &format) {
		t.Errorf("got %v, want a FormatError", err)
	}
}

func TestAppendingToAFrameDoesNotReachTheNext(t *testing.T) {
	l := DefaultLimits()
	buf := []byte{0, 0, 0, 1, 0x90, 7}
	frame, rest, err := NextFrame(buf, &l)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(frame, 9)
	if rest[0] != 7 {
		t.Error("the next frame was overwritten")
	}
}

func TestFramesAreAppendedBehindWhatIsThere(t *testing.T) {
	q := Request{Op: OpPing, ID: 1}
	once := AppendRequest(nil, &q)
	if got, want := AppendRequest(bytes.Clone(once), &q), append(bytes.Clone(once), once...); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}
