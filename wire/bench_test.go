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
