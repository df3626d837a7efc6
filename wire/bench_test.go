package wire

import (
	"bytes"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

// The sizes of the benchmarks: a 16-byte key, a 100-byte value, numbers as a running cluster has them.
var (
	benchKey   = bytes.Repeat([]byte("k"), 16)
	benchValue = bytes.Repeat([]byte("v"), 100)
	benchSet   = vclock.Set{
		Dot:   vclock.Dot{Actor: vclock.Actor{Node: 0xfeedface12345678, Boot: 3}, Stamp: vclock.StampAt(1_700_000_000_000) + 5},
		Value: benchValue,
	}
	benchRequest  = Request{Op: OpSet, ID: 70_000, Timeout: 500, Key: benchKey, Value: benchValue}
	benchResponse = Response{ID: 70_000, Stamp: uint64(benchSet.Dot.Stamp), Value: benchValue}
	benchStore    = Message{Kind: KindStore, ID: 70_000, Expires: 1_700_000_000_500, Key: benchKey, Set: benchSet}
	benchReply    = Message{Kind: KindFetchReply, ID: 70_000, Set: benchSet}
)

func BenchmarkAppendRequest(b *testing.B) {
	benchAppend(b, func(dst []byte) []byte { return AppendRequest(dst, &benchRequest) })
}

func BenchmarkAppendResponse(b *testing.B) {
	benchAppend(b, func(dst []byte) []byte { return AppendResponse(dst, &benchResponse) })
}

func BenchmarkAppendStore(b *testing.B) {
	benchAppend(b, func(dst []byte) []byte { return AppendMessage(dst, &benchStore) })
}

func BenchmarkAppendFetchReply(b *testing.B) {
	benchAppend(b, func(dst []byte) []byte { return AppendMessage(dst, &benchReply) })
}

func BenchmarkDecodeRequest(b *testing.B) {
	var q Request
	benchDecode(b, AppendRequest(nil, &benchRequest), func(f []byte, l *Limits) error { return DecodeRequest(f, &q, l) })
}

func BenchmarkDecodeResponse(b *testing.B) {
	var p Response
	benchDecode(b, AppendResponse(nil, &benchResponse), func(f []byte, l *Limits) error { return DecodeResponse(f, &p, l) })
}

func BenchmarkDecodeStore(b *testing.B) {
	var m Message
	benchDecode(b, AppendMessage(nil, &benchStore), func(f []byte, l *Limits) error { return DecodeMessage(f, &m, l) })
}

func BenchmarkDecodeFetchReply(b *testing.B) {
	var m Message
	benchDecode(b, AppendMessage(nil, &benchReply), func(f []byte, l *Limits) error { return DecodeMessage(f, &m, l) })
}

func benchAppend(b *testing.B, encode func([]byte) []byte) {
	buf := encode(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = encode(buf[:0])
	}
}

func benchDecode(b *testing.B, frame []byte, decode func([]byte, *Limits) error) {
	l := DefaultLimits()
	b.ReportAllocs()
	for b.Loop() {
		f, _, err := NextFrame(frame, &l)
		if err == nil {
			err = decode(f, &l)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// hot are the paths that a request takes, each once.
func hot() map[string]func() error {
	l := DefaultLimits()
	var buf []byte
	var q Request
	var p Response
	var m Message
	var e PageEntry
	get := Request{Op: OpMGet, Keys: [][]byte{benchKey, benchKey}}
	many := Response{Items: []Item{{Value: benchValue}, {Status: StatusNotFound}}}
	reply := Message{Kind: KindFetchReply, Set: sampleSet()}
	page, _ := samplePage()
	set := sampleSet()
	whole := AppendRequest(nil, &benchRequest)
	return map[string]func() error{
		"append request":  func() error { buf = AppendRequest(buf[:0], &benchRequest); return nil },
		"append response": func() error { buf = AppendResponse(buf[:0], &benchResponse); return nil },
		"append message":  func() error { buf = AppendMessage(buf[:0], &benchStore); return nil },
		"append page": func() error {
			buf = AppendPageGhost(AppendPageRecord(buf[:0], benchKey, &set, 0), Ghost{Hash: 1 << 60})
			return nil
		},
		"request": func() error {
			buf = AppendRequest(buf[:0], &get)
			return DecodeRequest(buf[FrameHeader:], &q, &l)
		},
		"response": func() error {
			buf = AppendResponse(buf[:0], &many)
			return DecodeResponse(buf[FrameHeader:], &p, &l)
		},
		"message": func() error {
			buf = AppendMessage(buf[:0], &reply)
			return DecodeMessage(buf[FrameHeader:], &m, &l)
		},
		"frame": func() error { _, _, err := NextFrame(whole, &l); return err },
		"page": func() error {
			p := NewPage(page, &l)
			more, err := p.Next(&e)
			for ; more; more, err = p.Next(&e) {
			}
			return err
		},
	}
}

// Invariant 6.
func TestTheHotPathsAllocateNothingOnceWarm(t *testing.T) {
	for name, f := range hot() {
		if got := testing.AllocsPerRun(100, func() {
			if err := f(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

func TestAKindThatDoesNotExistIsNotSent(t *testing.T) {
	for _, k := range []Kind{0, KindExchangeReply + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v was written", k)
				}
			}()
			AppendMessage(nil, &Message{Kind: k})
		}()
	}
}
