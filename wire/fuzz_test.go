package wire

import (
	"bytes"
	"reflect"
	"testing"
	"unsafe"

	"github.com/shoalcache/shoal/vclock"
)

// Each target holds a decoder to the same: whatever comes in, it returns; what it allocated is a small
// multiple of what came in; and what it accepted, it writes and accepts again as the same value, in bytes
// that the library reads the same values from.

// growthMax is how many bytes a decoder may keep for each that came in: a key of one byte becomes a slice
// header of 24, and append doubles.
const growthMax = 64

func bounded(t *testing.T, in []byte, kept uintptr) {
	if most := growthMax * uintptr(len(in)+1); kept > most {
		t.Fatalf("%d bytes kept for %d that came in", kept, len(in))
	}
}

func FuzzNextFrame(f *testing.F) {
	all, _ := stream()
	f.Add(all)
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		l := Limits{Frame: 1 << 10}
		for buf := in; ; {
			frame, rest, err := NextFrame(buf, &l)
			if err != nil || frame == nil {
				if len(rest) != len(buf) {
					t.Fatalf("%d bytes became %d without a frame", len(buf), len(rest))
				}
				return
			}
			if len(frame) == 0 || len(frame) > l.Frame || FrameHeader+len(frame)+len(rest) != len(buf) {
				t.Fatalf("%d bytes were cut into %d and %d", len(buf), len(frame), len(rest))
			}
			buf = rest
		}
	})
}

func FuzzDecodeRequest(f *testing.F) {
	for _, q := range sampleRequests() {
		f.Add(AppendRequest(nil, &q)[FrameHeader:])
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		l := DefaultLimits()
		var q Request
		err := DecodeRequest(bytes.Clone(in), &q, &l)
		bounded(t, in, uintptr(cap(q.Keys))*unsafe.Sizeof(q.Keys[0]))
		if err == nil {
			agreeRequest(t, &q)
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	for _, p := range sampleResponses() {
		f.Add(AppendResponse(nil, &p)[FrameHeader:])
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		l := DefaultLimits()
		var p Response
		err := DecodeResponse(bytes.Clone(in), &p, &l)
		kept := uintptr(cap(p.Items)) * unsafe.Sizeof(p.Items[0])
		if p.Err != nil {
			kept += unsafe.Sizeof(*p.Err) + uintptr(cap(p.Err.Failed))*unsafe.Sizeof(p.Err.Failed[0]) + uintptr(len(p.Err.Text))
		}
		bounded(t, in, kept)
		if err == nil {
			agreeResponse(t, &p)
			_ = p.AsError()
		}
	})
}

func FuzzDecodeMessage(f *testing.F) {
	for _, m := range sampleMessages() {
		f.Add(AppendMessage(nil, &m)[FrameHeader:])
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		l := DefaultLimits()
		var m Message
		err := DecodeMessage(bytes.Clone(in), &m, &l)
		bounded(t, in, uintptr(cap(m.Set.Context.Seen))*unsafe.Sizeof(vclock.Dot{}))
		if err == nil {
			agreeMessage(t, &m)
		}
	})
}

func FuzzPage(f *testing.F) {
	body, _ := samplePage()
	f.Add(body)
	f.Fuzz(func(t *testing.T, in []byte) {
		l := DefaultLimits()
		page := NewPage(bytes.Clone(in), &l)
		var e PageEntry
		var again []byte
		var entries []PageEntry
		for {
			more, err := page.Next(&e)
			bounded(t, in, uintptr(cap(e.Set.Context.Seen))*unsafe.Sizeof(vclock.Dot{}))
			if !more {
				if err == nil && len(in) > 0 && len(entries) == 0 {
					t.Fatalf("%x holds no entry and no error", in)
				}
				break
			}
			e.Set.Context = e.Set.Context.CopyInto(nil)
			entries = append(entries, e)
			again = appendEntry(again, &e)
			e = PageEntry{}
		}
		page = NewPage(again, &l)
		for i := range entries {
			if more, err := page.Next(&e); !more || err != nil || !sameEntry(&e, &entries[i]) {
				t.Fatalf("entry %d: got %+v, %v, %v, want %+v", i, e, more, err, entries[i])
			}
		}
	})
}

func FuzzDecodeHello(f *testing.F) {
	h := sampleHello()
	f.Add(AppendHello(nil, &h)[FrameHeader:])
	f.Fuzz(func(t *testing.T, in []byte) {
		var h, again Hello
		if err := DecodeHello(in, &h); err != nil {
			return
		}
		if err := DecodeHello(AppendHello(nil, &h)[FrameHeader:], &again); err != nil || again != h {
			t.Fatalf("got %+v, %v, want %+v", again, err, h)
		}
	})
}

func FuzzDecodeMap(f *testing.F) {
	f.Add(EncodeMap(sampleMap()))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := DecodeMap(in)
		if err != nil {
			return
		}
		again, err := DecodeMap(EncodeMap(m))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("got %+v, %v, want %+v", again, err, m)
		}
	})
}

func FuzzDecodeDocument(f *testing.F) {
	where, err := EncodeDocument(sampleWhere())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(where)
	change, err := EncodeDocument(sampleNamespaceChange())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(change)
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x81, 0x91, 0x80, 0xc7, 1, 2, 3})
	f.Fuzz(func(t *testing.T, in []byte) {
		if Check(in, 4, 100) == nil && Check(in, documentDepth, documentElements) != nil {
			t.Fatalf("%x passes a narrow check and not a wide one", in)
		}
		var w Where
		_ = DecodeDocument(in, &w)
		bounded(t, in, uintptr(cap(w.Owners)+cap(w.Fallbacks))*unsafe.Sizeof(Seat{}))
		var c NamespaceChange
		_ = DecodeDocument(in, &c)
		bounded(t, in, uintptr(len(c.Action)+len(c.Name)+len(c.Mode)+len(c.Read)+len(c.Write)))
		var v any
		_ = DecodeDocument(in, &v)
	})
}
