package wire

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/ring"
	"github.com/shoalcache/shoal/vclock"
)

// decoders are all the doors by which bytes come in, each with a sample that it accepts.
type decoder struct {
	name   string
	sample []byte
	decode func([]byte) error
}

// brief reports whether the sample leaves fields out that it may: what comes behind it is then not a newer peer's.
func (d *decoder) brief() bool {
	n, _ := d.head()
	switch kind, _, _ := strings.Cut(d.name, " "); kind {
	case "request":
		return n < requestFields+requestMore
	case "response":
		return n == responseFields
	default:
		return d.name == "message fetch" && n == messageFields[KindFetch] ||
			d.name == "message store" && n == messageFields[KindStore] ||
			d.name == "message fetch-reply" && n == messageFields[KindFetchReply]
	}
}

// head is how many elements the sample's array has, and how many bytes say so.
func (d *decoder) head() (elements, bytes int) {
	r := reader{b: d.sample}
	return r.array(), r.pos
}

func decoders() []decoder {
	l := DefaultLimits()
	var list []decoder
	add := func(name string, sample []byte, decode func([]byte) error) {
		list = append(list, decoder{name, sample, decode})
	}
	for _, q := range sampleRequests() {
		add("request "+q.Op.String(), AppendRequest(nil, &q)[FrameHeader:], func(b []byte) error {
			var q Request
			return DecodeRequest(b, &q, &l)
		})
	}
	for _, p := range sampleResponses() {
		add("response", AppendResponse(nil, &p)[FrameHeader:], func(b []byte) error {
			var p Response
			return DecodeResponse(b, &p, &l)
		})
	}
	for _, m := range sampleMessages() {
		add("message "+m.Kind.String(), AppendMessage(nil, &m)[FrameHeader:], func(b []byte) error {
			var m Message
			return DecodeMessage(b, &m, &l)
		})
	}
	h := sampleHello()
	add("hello", AppendHello(nil, &h)[FrameHeader:], func(b []byte) error { return DecodeHello(b, &Hello{}) })
	add("map", EncodeMap(sampleMap()), func(b []byte) error {
		_, err := DecodeMap(b)
		return err
	})
	where, err := EncodeDocument(sampleWhere())
	if err != nil {
		panic(err)
	}
	add("document", where, func(b []byte) error { return DecodeDocument(b, &Where{}) })
	return list
}

// Invariant 1.
func TestEveryCutFrameIsRefusedAndNothingBeyondItIsRead(t *testing.T) {
	for _, d := range decoders() {
		if err := d.decode(d.sample); err != nil {
			t.Fatalf("%s: the sample itself: %v", d.name, err)
		}
		for n := range len(d.sample) {
			// The missing bytes lie behind the slice, within its capacity: a decoder that reached for them
			// would find what it wants.
			if err := d.decode(d.sample[:n]); err == nil {
				t.Errorf("%s: accepted %d of %d bytes", d.name, n, len(d.sample))
			}
		}
	}
}

func TestBytesAfterTheEndAreRefused(t *testing.T) {
	for _, d := range decoders() {
		var format *FormatError
		if err := d.decode(append(bytes.Clone(d.sample), 0)); !errors.As(err, &format) {
			t.Errorf("%s: %v, want a FormatError", d.name, err)
		}
	}
}

// Invariant 1.
func TestEveryByteMayBeAnyOtherWithoutPanic(t *testing.T) {
	for _, d := range decoders() {
		b := bytes.Clone(d.sample)
		for i := range b {
			for v := range 256 {
				b[i] = byte(v)
				_ = d.decode(b) // whatever it says, it returns
			}
			b[i] = d.sample[i]
		}
	}
}

// Invariant 1.
func TestHeadersThatLieAllocateNothingToSpeakOf(t *testing.T) {
	lies := [][]byte{
		{0xdd, 0xff, 0xff, 0xff, 0xff},
		{0xdf, 0xff, 0xff, 0xff, 0xff},
		{0xc6, 0xff, 0xff, 0xff, 0xff},
		{0xdb, 0xff, 0xff, 0xff, 0xff},
		{0xc9, 0xff, 0xff, 0xff, 0xff, 1},
		{0xdc, 0xff, 0xff},
	}
	for _, d := range decoders() {
		for _, lie := range lies {
			for at := range d.sample {
				b := append(bytes.Clone(d.sample[:at]), lie...)
				if got := allocated(func() { _ = d.decode(b) }); got > 16<<10 {
					t.Errorf("%s: %x at %d: %d bytes allocated for %d", d.name, lie, at, got, len(b))
				}
			}
		}
	}
}

// allocated is how many bytes f takes from the heap, as the runtime counts them.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// rebuild writes the array of a sample again with another number of elements in its head, and tail behind.
func (d *decoder) rebuild(n int, tail ...byte) []byte {
	_, head := d.head()
	return append(append(appendArray(nil, n), d.sample[head:]...), tail...)
}

// Invariant 4.
func TestFieldsOfANewerPeerAreSkipped(t *testing.T) {
	// A number, a map with an array in it, an ext, a float, nil, a string.
	tail := []byte{0xcd, 1, 2, 0x81, 0xa1, 'x', 0x92, 1, 2, 0xd4, 5, 6, 0xca, 0, 0, 0, 0, 0xc0, 0xa2, 'h', 'i'}
	for _, d := range decoders() {
		if d.name == "document" || d.brief() {
			continue
		}
		n, _ := d.head()
		if err := d.decode(d.rebuild(n+6, tail...)); err != nil {
			t.Errorf("%s: %v", d.name, err)
		}
		if err := d.decode(d.rebuild(n - 1)); err == nil { // also where it may be left out: then its bytes are too many
			t.Errorf("%s: accepted with a field less", d.name)
		}
	}
}

// Invariant 4.
func TestFieldsOfANewerPeerAreBoundedInNumberAndDepth(t *testing.T) {
	for _, d := range decoders() {
		if d.name == "document" || d.brief() {
			continue
		}
		n, _ := d.head()
		most := d.rebuild(n+extraMax, make([]byte, extraMax)...)
		if err := d.decode(most); err != nil {
			t.Errorf("%s: %d more fields: %v", d.name, extraMax, err)
		}
		var limit *LimitError
		if err := d.decode(d.rebuild(n+extraMax+1, make([]byte, extraMax+1)...)); !errors.As(err, &limit) {
			t.Errorf("%s: %d more fields: %v, want a LimitError", d.name, extraMax+1, err)
		}
		if err := d.decode(d.rebuild(n+1, append(bytes.Repeat([]byte{0x91}, skipDepth-1), 0)...)); err != nil {
			t.Errorf("%s: a field %d deep: %v", d.name, skipDepth, err)
		}
		for _, deep := range []int{skipDepth, 1 << 20} {
			if err := d.decode(d.rebuild(n+1, append(bytes.Repeat([]byte{0x91}, deep), 0)...)); err == nil {
				t.Errorf("%s: accepted a field %d deep", d.name, deep+1)
			}
		}
	}
}

func TestSizesOverTheLimitsAreRefusedByName(t *testing.T) {
	l := Limits{Frame: 1 << 20, Key: 4, Value: 8, Actors: 2, Keys: 3}
	long, big := []byte("12345"), []byte("123456789")
	set := sampleSet() // three actors
	small := sampleSet()
	small.Context.Seen = small.Context.Seen[:2]
	many := make([]Failure, failuresMax+1)
	for _, c := range []struct {
		what string
		err  error
	}{
		{"key", decodeRequest(&Request{Op: OpGet, Key: long}, &l)},
		{"value", decodeRequest(&Request{Op: OpSet, Value: big}, &l)},
		{"keys", decodeRequest(&Request{Op: OpMGet, Keys: make([][]byte, 4)}, &l)},
		{"key", decodeRequest(&Request{Op: OpMGet, Keys: [][]byte{nil, long}}, &l)},
		{"value", decodeResponse(&Response{Value: big}, &l)},
		{"items", decodeResponse(&Response{Items: make([]Item, 4)}, &l)},
		{"value", decodeResponse(&Response{Items: []Item{{Value: big}}}, &l)},
		{"", decodeResponse(&Response{Err: &Error{Failed: many, Text: strings.Repeat("x", textMax+1)}}, &l)},
		{"namespace", decodeRequest(&Request{Op: OpGet, Key: long[:4], Namespace: strings.Repeat("n", ring.NameMax+1)}, &l)},
		{"", decodeRequest(&Request{Op: OpGet, Key: long[:4], Namespace: strings.Repeat("n", ring.NameMax)}, &l)},
		{"key", decodeMessage(&Message{Kind: KindFetch, Key: inner(long)}, &l)},
		{"", decodeMessage(&Message{Kind: KindFetch, Key: inner(long[:4])}, &l)},
		{"key", decodeMessage(&Message{Kind: KindStore, Key: inner(long), Set: small}, &l)},
		{"value", decodeMessage(&Message{Kind: KindStore, Set: vclock.Set{Dot: set.Dot, Value: big}}, &l)},
		{"actors in a context", decodeMessage(&Message{Kind: KindFetchReply, Set: set}, &l)},
		{"", decodeMessage(&Message{Kind: KindFetchReply, Set: small}, &l)},
	} {
		var limit *LimitError
		if c.what == "" {
			if c.err != nil {
				t.Errorf("within the limits: %v", c.err)
			}
		} else if !errors.As(c.err, &limit) || limit.What != c.what || limit.Got <= limit.Max {
			t.Errorf("%s: %v", c.what, c.err)
		}
	}
}

// inner is a key of a namespace, as nodes send it.
func inner(key []byte) []byte { return ring.AppendInnerKey(nil, 1, key) }

func decodeRequest(q *Request, l *Limits) error {
	var got Request
	return DecodeRequest(AppendRequest(nil, q)[FrameHeader:], &got, l)
}

func decodeResponse(p *Response, l *Limits) error {
	var got Response
	return DecodeResponse(AppendResponse(nil, p)[FrameHeader:], &got, l)
}

func decodeMessage(m *Message, l *Limits) error {
	var got Message
	return DecodeMessage(AppendMessage(nil, m)[FrameHeader:], &got, l)
}

func TestUnknownOperationsAndKindsCanBeAnswered(t *testing.T) {
	l := DefaultLimits()
	for _, op := range []Op{0, OpHandOver + 1, 255} {
		q := Request{Keys: [][]byte{{1}}}
		err := DecodeRequest(AppendRequest(nil, &Request{Op: op, ID: 77})[FrameHeader:], &q, &l)
		if !errors.Is(err, ErrUnknownOp) || q.ID != 77 || q.Op != op {
			t.Errorf("op %d: %v, id %d, op %d", op, err, q.ID, q.Op)
		}
	}
	for _, kind := range []byte{0, byte(KindExchangeReply) + 1, 127} {
		var m Message
		err := DecodeMessage([]byte{0x92, kind, 77}, &m, &l)
		if !errors.Is(err, ErrUnknownKind) || m.ID != 77 || m.Kind != Kind(kind) {
			t.Errorf("kind %d: %v, id %d, kind %d", kind, err, m.ID, m.Kind)
		}
	}
}

func TestARequestThatIsTooLargeCanBeAnswered(t *testing.T) {
	l := Limits{Frame: 1 << 20, Key: 1}
	var q Request
	err := DecodeRequest(AppendRequest(nil, &Request{Op: OpGet, ID: 77, Key: []byte("ab")})[FrameHeader:], &q, &l)
	if err == nil || q.ID != 77 || q.Op != OpGet {
		t.Errorf("%v, id %d, op %v", err, q.ID, q.Op)
	}
}

// Invariant 5.
func TestContextsThatAreNotCanonicalAreRefused(t *testing.T) {
	l := DefaultLimits()
	dot := func(node, boot, stamp uint64) vclock.Dot {
		return vclock.Dot{Actor: vclock.Actor{Node: node, Boot: boot}, Stamp: vclock.Stamp(stamp)}
	}
	for name, seen := range map[string][]vclock.Dot{
		"out of order":   {dot(2, 1, 200), dot(1, 1, 200)},
		"twice":          {dot(1, 1, 200), dot(1, 1, 201)},
		"boots":          {dot(1, 2, 200), dot(1, 1, 200)},
		"at the floor":   {dot(1, 1, 100)},
		"below":          {dot(1, 1, 200), dot(2, 1, 99)},
		"of stamp 0":     {dot(1, 1, 0)},
		"late in a list": {dot(1, 1, 200), dot(2, 1, 200), dot(3, 1, 200), dot(3, 0, 200)},
	} {
		set := vclock.Set{Dot: dot(9, 9, 900), Context: vclock.Context{Floor: 100, Seen: seen}}
		var format *FormatError
		if err := decodeMessage(&Message{Kind: KindStore, Set: set}, &l); !errors.As(err, &format) {
			t.Errorf("%s: %v, want a FormatError", name, err)
		}
	}
}

func TestValuesThatMeanNothingAreRefused(t *testing.T) {
	l := DefaultLimits()
	set := sampleSet()
	early := sampleSet()
	early.Deadline.At = -1
	removed := sampleMap()
	removed.Partitions = 3
	_, badMap := DecodeMap(EncodeMap(removed))
	if !errors.Is(badMap, ring.ErrMap) {
		t.Errorf("a map that cannot be: %v, want ring.ErrMap", badMap)
	}
	for name, err := range map[string]error{
		"level":             decodeRequest(&Request{Op: OpGet, Level: LevelExplicit + 1}, &l),
		"pass":              decodeMessage(&Message{Kind: KindStore, Pass: 3, Set: set}, &l),
		"store of nothing":  decodeMessage(&Message{Kind: KindStore}, &l),
		"owe of nothing":    decodeMessage(&Message{Kind: KindOwe}, &l),
		"retime of nothing": decodeMessage(&Message{Kind: KindRetime}, &l),
		"deadline":          decodeMessage(&Message{Kind: KindFetchReply, Set: early}, &l),
		"unknown flags":     DecodeRequest(flagged(t), &Request{}, &l),
		"no stamp":          DecodeMessage([]byte{0x95, 2, 1, 0, 0, 0x99, 1, 1, 0, 0, 0x90, 0, 0xc0, 0, 0}, &Message{}, &l),
		"half a dot":        DecodeMessage([]byte{0x95, 2, 1, 0, 0, 0x99, 1, 1, 9, 0, 0x94, 1, 1, 5, 1, 0xc0, 0, 0}, &Message{}, &l),
	} {
		var format *FormatError
		if !errors.As(err, &format) {
			t.Errorf("%s: %v, want a FormatError", name, err)
		}
	}
}

// flagged is a request with a flag that does not exist: what it means cannot be known, so it is not served.
func flagged(t *testing.T) []byte {
	b := AppendRequest(nil, &Request{Op: OpPing})[FrameHeader:]
	if b[6] != 0 {
		t.Fatalf("byte 6 of %x is not the flags", b)
	}
	b[6] = 8
	return b
}

func TestNothingIsReadOnceSomethingWasWrong(t *testing.T) {
	r := reader{b: []byte{1, 0xc0, 2, 0xa1, 'x', 0x91, 3}}
	if r.uint() != 1 || r.uint() != 0 || r.err == nil {
		t.Fatalf("nil read as a number: %v", r.err)
	}
	first := r.err
	if v := r.uint(); v != 0 {
		t.Errorf("then the number %d", v)
	}
	if b := r.bytes("key", 9); b != nil {
		t.Errorf("then the bytes %q", b)
	}
	if n := r.array(); n != 0 {
		t.Errorf("then an array of %d", n)
	}
	if r.skip(1); r.done() != first {
		t.Errorf("first %v, then %v", first, r.done())
	}
}

func TestDecodersLeaveNothingOfTheOneBefore(t *testing.T) {
	l := DefaultLimits()
	full := Request{Op: OpSet, ID: 5, Level: LevelAll, R: 1, W: 2, Sloppy: true, Timeout: 3, Key: []byte("k"), Value: []byte("v"), TTL: 4, Keys: [][]byte{{1}}}
	for name, c := range map[string]struct {
		frame []byte
		want  Request
	}{
		"an unknown operation": {[]byte{0x9b, 99, 7, 0, 0, 0, 0, 0, 0xc0, 0xc0, 0, 0x90}, Request{Op: 99, ID: 7}},
		"too few fields":       {[]byte{0x91, 1}, Request{}},
		"cut after the id":     {[]byte{0x9b, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0}[:3], Request{}},
		"wrong after the id":   {[]byte{0x9b, 1, 7, 0xc0, 9, 9, 9, 9, 9, 9, 9, 9}, Request{Op: 1, ID: 7}},
	} {
		q := full
		q.Keys = [][]byte{{1}}
		if err := DecodeRequest(c.frame, &q, &l); err == nil || !sameRequest(&q, &c.want) {
			t.Errorf("%s: %v, left %+v, want %+v", name, err, q, c.want)
		}
	}
	p := Response{Status: 9, ID: 9, Stamp: 9, Value: []byte("v"), Deadline: 9, Forgotten: true, Hinted: 9, Items: []Item{{}}, Err: &Error{Text: "x"}}
	if err := DecodeResponse([]byte{0xc0}, &p, &l); err == nil || !sameResponse(&p, &Response{}) {
		t.Errorf("%v, left %+v", err, p)
	}
}
