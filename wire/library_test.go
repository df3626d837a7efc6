package wire

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"

	"github.com/shoalcache/shoal/vclock"
)

// The protocol a second time, as plain values for the MessagePack library: slow, short, and written from
// the tables in the comments, so that a slip in the fast codec meets something that does not share it.

func requestValues(q *Request) []any {
	keys := []any{}
	for _, k := range q.Keys {
		keys = append(keys, bin(k))
	}
	values := []any{
		uint64(q.Op), q.ID, uint64(q.Level), uint64(q.R), uint64(q.W), one(q.Sloppy) | one(q.Previous)<<1 | one(q.Siblings)<<2, uint64(q.Timeout),
		bin(q.Key), bin(q.Value), q.TTL, keys,
	}
	more := []any{q.Namespace, bin(q.Context), uint64(q.Condition), q.Than, q.By, q.Session, q.Serial, q.Boot}
	for _, nothing := range []bool{q.Boot == 0, q.Serial == 0, q.Session == 0, q.By == 0, q.Than == 0, q.Condition == Always, len(q.Context) == 0, q.Namespace == ""} {
		if !nothing {
			break
		}
		more = more[:len(more)-1]
	}
	return append(values, more...)
}

func responseValues(p *Response) []any {
	items := []any{}
	for _, it := range p.Items {
		items = append(items, []any{uint64(it.Status), it.Stamp, bin(it.Value), it.Deadline, one(it.Forgotten)})
	}
	var failure any
	if e := p.Err; e != nil {
		failed := []any{}
		for _, f := range e.Failed {
			failed = append(failed, []any{f.Node, uint64(f.Reason)})
		}
		failure = []any{uint64(e.Op), uint64(e.Want), uint64(e.Got), failed, e.Text}
	}
	values := []any{
		uint64(p.Status), p.ID, p.Stamp, bin(p.Value), p.Deadline, one(p.Forgotten), uint64(p.Hinted), items, failure,
	}
	if len(p.Context) > 0 {
		values = append(values, bin(p.Context))
	}
	return values
}

func setValues(s *vclock.Set) any {
	if s.IsZero() {
		return nil
	}
	seen := []any{}
	for _, d := range s.Context.Seen {
		seen = append(seen, d.Actor.Node, d.Actor.Boot, uint64(d.Stamp))
	}
	return []any{
		s.Dot.Actor.Node, s.Dot.Actor.Boot, uint64(s.Dot.Stamp), uint64(s.Context.Floor), seen, one(s.Tombstone) | one(s.Packed)<<1,
		bin(s.Value), s.Deadline.At, uint64(s.Deadline.Stamp),
	}
}

func messageValues(m *Message) []any {
	head := []any{uint64(m.Kind), m.ID}
	known := []any{m.Known.Actor.Node, m.Known.Actor.Boot, uint64(m.Known.Stamp)}
	dot := []any{m.Set.Dot.Actor.Node, m.Set.Dot.Actor.Boot, uint64(m.Set.Dot.Stamp)}
	switch m.Kind {
	case KindFetch:
		if head = append(head, bin(m.Key)); m.Check {
			head = append(head, uint64(m.Digest))
		}
		return head
	case KindFetchReply:
		head = append(head, uint64(m.Outcome), uint64(m.Floor), setValues(&m.Set), m.Gone.At, uint64(m.Gone.Stamp))
		if m.Digest != 0 {
			head = append(head, uint64(m.Digest))
		}
		return head
	case KindStore:
		head = append(head, uint64(m.Pass), m.Expires, bin(m.Key), setValues(&m.Set))
		if m.Floor != 0 {
			head = append(head, uint64(m.Floor))
		}
		return head
	case KindStoreReply:
		return append(append(head, uint64(m.Outcome)), known...)
	case KindRetime:
		return append(append(append(head, m.Expires, bin(m.Key)), dot...), m.Set.Deadline.At, uint64(m.Set.Deadline.Stamp))
	case KindOwe:
		return append(head, m.Expires, m.Target, bin(m.Key), setValues(&m.Set))
	case KindForward:
		return append(head, m.Expires, bin(m.Body), one(m.Force))
	case KindForwardReply:
		return append(head, uint64(m.Outcome), bin(m.Body))
	case KindPull:
		return append(head, uint64(m.Partition), m.Cursor, uint64(m.Limit), one(m.Brief), bin(m.Body))
	case KindPullReply:
		return append(head, uint64(m.Outcome), uint64(m.Partition), m.Cursor, uint64(m.Floor), uint64(m.Known.Stamp), bin(m.Body), m.Boot)
	case KindMap:
		return append(head, bin(m.Body))
	case KindBeat:
		return append(head, m.Wall, uint64(m.Floor))
	case KindExchange:
		return append(head, uint64(m.Step), uint64(m.Partition), uint64(m.From), uint64(m.To), uint64(m.Leaves), m.Cursor, uint64(m.Limit), bin(m.Body))
	case KindExchangeReply:
		return append(head, uint64(m.Outcome), uint64(m.Step), uint64(m.Partition), uint64(m.From), uint64(m.To), m.Cursor, uint64(m.Limit), bin(m.Body))
	}
	panic("no such kind")
}

// bin keeps a nil slice the format's nil, as the library would not in a []any.
func bin(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

func one(set bool) uint64 {
	if set {
		return 1
	}
	return 0
}

// library decodes b with the library, in the mode that gives int64 or uint64 for numbers, string for bytes.
func library(t fataler, b []byte) any {
	dec := msgpack.NewDecoder(bytes.NewReader(b))
	dec.UseLooseInterfaceDecoding(true)
	v, err := dec.DecodeInterface()
	if err != nil {
		t.Fatalf("the library refuses %x: %v", b, err)
	}
	return alike(v)
}

// alike makes values comparable: numbers that are not negative become uint64, bytes become strings.
func alike(v any) any {
	switch v := v.(type) {
	case int64:
		if v >= 0 {
			return uint64(v)
		}
	case []byte:
		return string(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = alike(v[i])
		}
		return list
	}
	return v
}

// encodings are the ways the library may write values: numbers as short as they go, and 64 bits always.
func encodings(t fataler, values any) [][]byte {
	var list [][]byte
	for _, compact := range []bool{true, false} {
		var buf bytes.Buffer
		enc := msgpack.NewEncoder(&buf)
		enc.UseCompactInts(compact)
		if err := enc.Encode(values); err != nil {
			t.Fatalf("the library cannot write %v: %v", values, err)
		}
		list = append(list, buf.Bytes())
	}
	return list
}

type fataler interface {
	Fatalf(format string, args ...any)
}

// The three agree functions hold a value to all that is promised of it: our bytes come back as the value,
// the library reads the same values from them, and what the library writes comes back as the value too.
func agreeRequest(t fataler, want *Request) {
	l := DefaultLimits()
	frame := AppendRequest(nil, want)[FrameHeader:]
	for _, b := range append(encodings(t, requestValues(want)), frame) {
		got := Request{Keys: [][]byte{[]byte("left over")}}
		if err := DecodeRequest(b, &got, &l); err != nil || !sameRequest(&got, want) {
			t.Fatalf("from %x: got %+v, %v, want %+v", b, got, err, *want)
		}
	}
	if got, want := library(t, frame), alike(requestValues(want)); !reflect.DeepEqual(got, want) {
		t.Fatalf("the library reads %v from %x, want %v", got, frame, want)
	}
}

func agreeResponse(t fataler, want *Response) {
	l := DefaultLimits()
	frame := AppendResponse(nil, want)[FrameHeader:]
	for _, b := range append(encodings(t, responseValues(want)), frame) {
		got := Response{Items: []Item{{Stamp: 1}}, Err: &Error{Failed: []Failure{{}}, Text: "left over"}}
		if err := DecodeResponse(b, &got, &l); err != nil || !sameResponse(&got, want) {
			t.Fatalf("from %x: got %+v, %v, want %+v", b, got, err, *want)
		}
	}
	if got, want := library(t, frame), alike(responseValues(want)); !reflect.DeepEqual(got, want) {
		t.Fatalf("the library reads %v from %x, want %v", got, frame, want)
	}
}

func agreeMessage(t fataler, want *Message) {
	l := DefaultLimits()
	frame := AppendMessage(nil, want)[FrameHeader:]
	for _, b := range append(encodings(t, messageValues(want)), frame) {
		got := Message{Key: []byte("left over"), Floor: 1, Set: sampleSet()}
		if err := DecodeMessage(b, &got, &l); err != nil || !sameMessage(&got, want) {
			t.Fatalf("from %x: got %+v, %v, want %+v", b, got, err, *want)
		}
	}
	if got, want := library(t, frame), alike(messageValues(want)); !reflect.DeepEqual(got, want) {
		t.Fatalf("the library reads %v from %x, want %v", got, frame, want)
	}
}

func TestTheLibraryAndTheHandCodecAgreeOnTheSamples(t *testing.T) {
	for _, q := range sampleRequests() {
		agreeRequest(t, &q)
	}
	for _, p := range sampleResponses() {
		agreeResponse(t, &p)
	}
	for _, m := range sampleMessages() {
		agreeMessage(t, &m)
	}
}

// Invariant 2.
func TestTheLibraryAndTheHandCodecAgreeOnAnyRequest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { agreeRequest(t, anyRequest(t)) })
}

// Invariant 2.
func TestTheLibraryAndTheHandCodecAgreeOnAnyResponse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { agreeResponse(t, anyResponse(t)) })
}

// Invariant 2.
func TestTheLibraryAndTheHandCodecAgreeOnAnyMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { agreeMessage(t, anyMessage(t)) })
}

// number draws what sits at the edges of every width as often as anything else.
func number(t *rapid.T, most uint64) uint64 {
	edge := rapid.Uint64Range(0, 64).Draw(t, "bits")
	near := rapid.Int64Range(-2, 2).Draw(t, "near")
	v := uint64(1)<<edge + uint64(near)
	if rapid.Bool().Draw(t, "any") {
		v = rapid.Uint64().Draw(t, "value")
	}
	if v > most {
		v %= most + 1
	}
	return v
}

func signed(t *rapid.T) int64 { return int64(number(t, 1<<64-1)) }

func octets(t *rapid.T) []byte {
	switch n := rapid.SampledFrom([]int{-1, 0, 1, 31, 32, 255, 256, 65_535}).Draw(t, "length"); n {
	case -1:
		return nil
	default:
		return bytes.Repeat([]byte{rapid.Byte().Draw(t, "octet")}, n)
	}
}

func anyRequest(t *rapid.T) *Request {
	q := &Request{
		Op: rapid.SampledFrom(slices.Sorted(maps.Keys(opNames))).Draw(t, "op"), ID: number(t, 1<<64-1), Level: Level(number(t, uint64(LevelExplicit))),
		R: uint8(number(t, 255)), W: uint8(number(t, 255)), Sloppy: rapid.Bool().Draw(t, "sloppy"),
		Timeout: uint32(number(t, 1<<32-1)), Key: octets(t), Value: octets(t), TTL: signed(t),
	}
	for range rapid.IntRange(0, 20).Draw(t, "keys") {
		q.Keys = append(q.Keys, []byte(fmt.Sprint(len(q.Keys))))
	}
	q.Previous, q.Siblings = rapid.Bool().Draw(t, "previous"), rapid.Bool().Draw(t, "siblings")
	if rapid.Bool().Draw(t, "more") {
		q.Context = bytes.Repeat([]byte{7}, rapid.IntRange(0, contextMax).Draw(t, "context"))
		q.Condition, q.Than, q.By = Condition(number(t, uint64(Version))), number(t, 1<<64-1)*uint64(rapid.IntRange(0, 1).Draw(t, "than")), signed(t)
		if rapid.Bool().Draw(t, "told apart") {
			q.Session, q.Serial, q.Boot = number(t, 1<<64-1), number(t, 1<<64-1), number(t, 1<<64-1)
		}
	}
	return q
}

func anyResponse(t *rapid.T) *Response {
	p := &Response{
		Status: Status(number(t, 255)), ID: number(t, 1<<64-1), Stamp: number(t, 1<<64-1), Value: octets(t),
		Deadline: signed(t), Forgotten: rapid.Bool().Draw(t, "forgotten"), Hinted: uint8(number(t, 255)),
	}
	for range rapid.IntRange(0, 20).Draw(t, "items") {
		p.Items = append(p.Items, Item{Status: Status(number(t, 255)), Stamp: number(t, 1<<64-1), Deadline: signed(t), Forgotten: len(p.Items)%2 == 0})
	}
	if n := rapid.SampledFrom([]int{0, 1, contextMax}).Draw(t, "context"); n > 0 {
		p.Context = bytes.Repeat([]byte{7}, n)
	}
	if rapid.Bool().Draw(t, "failure") {
		p.Err = &Error{Op: Op(number(t, 255)), Want: uint8(number(t, 255)), Got: uint8(number(t, 255)), Text: rapid.StringN(0, 300, 1000).Draw(t, "text")}
		for range rapid.IntRange(0, 20).Draw(t, "failed") {
			p.Err.Failed = append(p.Err.Failed, Failure{Node: number(t, 1<<64-1), Reason: Outcome(number(t, 255))})
		}
	}
	return p
}

func anyDot(t *rapid.T) vclock.Dot {
	return vclock.Dot{
		Actor: vclock.Actor{Node: number(t, 1<<64-1), Boot: number(t, 1<<64-1)},
		Stamp: vclock.Stamp(max(1, number(t, 1<<64-1))),
	}
}

func anyDeadline(t *rapid.T) vclock.Deadline {
	return vclock.Deadline{At: int64(number(t, 1<<63-1)), Stamp: vclock.Stamp(number(t, 1<<64-1))}
}

func anySet(t *rapid.T) vclock.Set {
	s := vclock.Set{
		Dot: anyDot(t), Context: vclock.Context{Floor: vclock.Stamp(number(t, 1<<40))},
		Tombstone: rapid.Bool().Draw(t, "tombstone"), Value: octets(t), Deadline: anyDeadline(t),
	}
	for range rapid.IntRange(0, 20).Draw(t, "actors") {
		s.Context.Add(anyDot(t))
	}
	if rapid.Bool().Draw(t, "packed") && s.Dot.Stamp < 1<<62 {
		seen := s.Heard(20)
		dot := vclock.Dot{Actor: s.Dot.Actor, Stamp: max(s.Greatest(), s.Context.Floor) + 1}
		if dot.Stamp == 0 {
			return s
		}
		s, _ = s.Supersede(vclock.Version{Dot: dot, Value: octets(t)}, &seen, 16, 5)
		if m, err := s.Add(3, dot.Stamp+1, 4, 6); err == nil && dot.Stamp+1 > dot.Stamp {
			s = m
		}
	}
	return s
}

// anyMessage sets the fields that its kind uses.
func anyMessage(t *rapid.T) *Message {
	m := &Message{Kind: Kind(rapid.IntRange(1, int(KindExchangeReply)).Draw(t, "kind")), ID: number(t, 1<<64-1)}
	switch m.Kind {
	case KindFetchReply, KindStoreReply, KindForwardReply, KindPullReply, KindExchangeReply:
		m.Outcome = Outcome(number(t, 255))
	}
	switch m.Kind {
	case KindFetch, KindStore, KindRetime, KindOwe:
		m.Key = octets(t)
	}
	switch m.Kind {
	case KindStore, KindRetime, KindOwe, KindForward:
		m.Expires = signed(t)
	}
	switch m.Kind {
	case KindForward, KindForwardReply, KindPullReply, KindMap:
		m.Body = octets(t)
	}
	if m.Check = m.Kind == KindFetch && rapid.Bool().Draw(t, "check"); m.Check {
		m.Digest = uint32(number(t, 1<<32-1))
	}
	if m.Kind == KindForward {
		m.Force = rapid.Bool().Draw(t, "force")
	}
	switch m.Kind {
	case KindFetchReply:
		m.Floor = vclock.Stamp(number(t, 1<<64-1))
		if rapid.Bool().Draw(t, "holds") {
			m.Set = anySet(t)
		} else {
			m.Gone, m.Digest = anySet(t).Deadline, uint32(number(t, 1<<32-1))
		}
	case KindStore:
		m.Pass = Pass(number(t, 2))
		m.Set = anySet(t)
		m.Floor = vclock.Stamp(number(t, 1<<40)) * vclock.Stamp(rapid.IntRange(0, 1).Draw(t, "vouches"))
	case KindStoreReply:
		m.Known = anyDot(t)
	case KindRetime:
		m.Set = vclock.Set{Dot: anyDot(t), Deadline: anyDeadline(t)}
	case KindOwe:
		m.Target = number(t, 1<<64-1)
		m.Set = anySet(t)
	case KindPull:
		m.Partition, m.Cursor, m.Limit = uint32(number(t, 1<<32-1)), number(t, 1<<64-1), uint32(number(t, 1<<32-1))
		m.Brief, m.Body = rapid.Bool().Draw(t, "brief"), octets(t)
		m.Body = m.Body[:min(len(m.Body), wantsBytesMax)]
	case KindPullReply:
		m.Partition, m.Cursor = uint32(number(t, 1<<32-1)), number(t, 1<<64-1)
		m.Floor, m.Known.Stamp = vclock.Stamp(number(t, 1<<64-1)), vclock.Stamp(number(t, 1<<64-1))
		m.Boot = number(t, 1<<64-1)
	case KindExchange, KindExchangeReply:
		m.Step, m.Partition = Step(number(t, 255)), uint32(number(t, 1<<32-1))
		m.From, m.To = vclock.Stamp(number(t, 1<<64-1)), vclock.Stamp(number(t, 1<<64-1))
		m.Cursor, m.Limit, m.Body = number(t, 1<<64-1), uint32(number(t, 1<<32-1)), octets(t)
		if m.Kind == KindExchange {
			m.Leaves = uint32(number(t, LeavesMax))
		}
	case KindBeat:
		m.Wall, m.Floor = signed(t), vclock.Stamp(number(t, 1<<64-1))
	}
	return m
}
