package wire

import (
	"reflect"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/vclock"
)

// sampleRequests, sampleResponses and sampleMessages hold one value per operation, outcome and kind, every
// field of it set: tests, fuzz seeds and the golden file all start from them.
func sampleRequests() []Request {
	return []Request{
		{Op: OpGet, ID: 1, Key: []byte("k")},
		{Op: OpSet, ID: 1 << 40, Level: LevelExplicit, R: 2, W: 3, Sloppy: true, Timeout: 250, Key: []byte("key"), Value: []byte("value"), TTL: 60_000},
		{Op: OpSet, ID: 3, Key: []byte{}, Value: []byte{}, TTL: -1},
		{Op: OpDelete, ID: 4, Level: LevelQuorum, Key: []byte("k")},
		{Op: OpTouch, ID: 5, Key: []byte("k"), TTL: 1},
		{Op: OpMGet, ID: 6, Keys: [][]byte{[]byte("a"), nil, []byte("{b}c")}},
		{Op: OpPing, ID: 7},
		{Op: OpMap, ID: 8},
		{Op: OpWhere, ID: 9, Key: []byte("k")},
		{Op: OpStats, ID: 10},
		{Op: OpHead, ID: 11, Key: []byte("k")},
		{Op: OpSet, ID: 13, Key: []byte("k"), Value: []byte("v"), Namespace: "sessions"},
		{Op: OpMGet, ID: 14, Keys: [][]byte{[]byte("a")}, Namespace: strings.Repeat("n", 64)},
		{Op: OpNamespace, ID: 15, Value: []byte{0x80}},
		{Op: OpRepair, ID: 16, Value: []byte{0x80}},
		{Op: OpHandOver, ID: 17, Value: []byte{0x80}},
		{Op: OpScan, ID: 12, Key: ScanCursor{Partition: 7, Actor: vclock.Actor{Node: 1, Boot: 2}, At: 3}.Append(nil), Value: []byte("user:")},
		{Op: OpIncr, ID: 13, Key: []byte("k"), By: -5, TTL: 1000},
		{Op: OpAppend, ID: 14, Key: []byte("k"), Value: []byte("more")},
		{Op: OpSet, ID: 15, Key: []byte("k"), Value: []byte("v"), Condition: Absent, Previous: true},
		{Op: OpSet, ID: 16, Key: []byte("k"), Value: []byte("v"), Condition: Version, Than: 1 << 60},
		{Op: OpGet, ID: 17, Key: []byte("k"), Siblings: true},
		{Op: OpSet, ID: 18, Key: []byte("k"), Value: []byte("v"), Context: []byte("what it had seen")},
		{Op: OpIncr, ID: 19, Key: []byte("k"), By: 5, Session: 1 << 63, Serial: 300, Boot: 7},
	}
}

func sampleResponses() []Response {
	return []Response{
		{Status: StatusOK, ID: 1, Stamp: 1 << 56, Value: []byte("value"), Deadline: 1_700_000_060_000, Hinted: 1},
		{Status: StatusNotFound, ID: 2, Forgotten: true},
		{Status: StatusOK, ID: 3, Items: []Item{
			{Status: StatusOK, Stamp: 7, Value: []byte("a"), Deadline: 9},
			{Status: StatusNotFound, Forgotten: true},
		}},
		{Status: StatusQuorum, ID: 4, Err: &Error{
			Op: OpSet, Want: 2, Got: 1, Text: "two of three replicas are needed",
			Failed: []Failure{{Node: 1 << 60, Reason: OutcomeDown}, {Node: 2, Reason: OutcomeSilent}},
		}},
		{Status: StatusOK, ID: 6, Context: []byte("seen"), Items: []Item{{Value: []byte("a")}, {Value: []byte("b")}}},
		{Status: StatusOverloaded, ID: 5, Err: &Error{Op: OpGet}},
	}
}

func sampleSet() vclock.Set {
	return vclock.Set{
		Dot: vclock.Dot{Actor: vclock.Actor{Node: 1 << 63, Boot: 2}, Stamp: 1 << 60},
		Context: vclock.Context{Floor: 100, Seen: []vclock.Dot{
			{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: 101},
			{Actor: vclock.Actor{Node: 1, Boot: 2}, Stamp: 1 << 33},
			{Actor: vclock.Actor{Node: 9, Boot: 0}, Stamp: 300},
		}},
		Value:    []byte("value"),
		Deadline: vclock.Deadline{At: 1_700_000_060_000, Stamp: 1 << 59},
	}
}

func packedSet() vclock.Set {
	one := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 1, Boot: 1}, Stamp: 5}, Value: []byte("41")}
	s, err := one.Add(2, 6, 1, 0)
	if err != nil {
		panic(err)
	}
	return s
}

func sampleMessages() []Message {
	set := sampleSet()
	grave := vclock.Set{Dot: vclock.Dot{Actor: vclock.Actor{Node: 3}, Stamp: 4}, Tombstone: true}
	return []Message{
		{Kind: KindFetch, ID: 1, Key: []byte("k")},
		{Kind: KindFetch, ID: 1, Key: []byte("k"), Check: true, Digest: 0xfedcba98},
		{Kind: KindFetch, ID: 1, Key: []byte("k"), Check: true},
		{Kind: KindFetchReply, ID: 2, Outcome: OutcomeSame, Floor: 5},
		{Kind: KindFetchReply, ID: 2, Outcome: OutcomeOK, Floor: 5, Set: set},
		{Kind: KindFetchReply, ID: 3, Outcome: OutcomeNotOwner},
		{Kind: KindFetchReply, ID: 4, Floor: 7, Gone: vclock.Deadline{At: 300, Stamp: 8}, Digest: 0xfedcba98},
		{Kind: KindStore, ID: 4, Pass: PassHint, Expires: 1_700_000_000_000, Key: []byte("k"), Set: set},
		{Kind: KindStore, ID: 5, Key: []byte("k"), Set: grave},
		{Kind: KindStore, ID: 5, Key: []byte("k"), Set: packedSet(), Floor: 4},
		{Kind: KindStoreReply, ID: 6, Outcome: OutcomeSuperseded, Known: set.Dot},
		{Kind: KindRetime, ID: 7, Expires: 8, Key: []byte("k"), Set: vclock.Set{Dot: set.Dot, Deadline: set.Deadline}},
		{Kind: KindOwe, ID: 8, Expires: 9, Target: 10, Key: []byte("k"), Set: set},
		{Kind: KindForward, ID: 9, Expires: 10, Force: true, Body: AppendRequest(nil, &Request{Op: OpPing})[FrameHeader:]},
		{Kind: KindForwardReply, ID: 10, Outcome: OutcomeNotReady, Body: AppendResponse(nil, &Response{})[FrameHeader:]},
		{Kind: KindPull, ID: 11, Partition: 4095, Cursor: 1 << 50, Limit: 1 << 20, Body: []byte{}},
		{Kind: KindPull, ID: 11, Partition: 4095, Limit: 1 << 20, Brief: true, Body: []byte{}},
		{Kind: KindPull, ID: 11, Partition: 4095, Limit: 1 << 20, Body: AppendNumbers(nil, 1, 1<<63)},
		{Kind: KindPullReply, ID: 12, Partition: 4095, Cursor: 1, Floor: 2, Known: vclock.Dot{Stamp: 3}, Body: []byte{}},
		{Kind: KindPullReply, ID: 12, Partition: 4095, Cursor: 1, Floor: 2, Boot: 1 << 63, Body: []byte{}},
		{Kind: KindMap, ID: 13, Body: []byte("map")},
		{Kind: KindExchange, ID: 15, Step: StepLeaves, Partition: 7, From: 1 << 40, To: 1 << 50, Leaves: 64, Cursor: 9, Limit: 1 << 18, Body: AppendNumbers(nil, 1, 1<<40)},
		{Kind: KindExchangeReply, ID: 16, Outcome: OutcomeNotReady, Step: StepWindows, Partition: 7, From: 1, To: 2, Cursor: 3, Limit: 4, Body: []byte{}},
		{Kind: KindBeat, ID: 14, Wall: 1_700_000_000_000, Floor: 1 << 60},
	}
}

func TestRequestComesBackAsItWas(t *testing.T) {
	l := DefaultLimits()
	var got Request // one struct for all, so that a leftover of the one before shows
	for _, want := range sampleRequests() {
		if err := DecodeRequest(cut(t, AppendRequest(nil, &want)), &got, &l); err != nil {
			t.Fatalf("%v: %v", want.Op, err)
		}
		if !sameRequest(&got, &want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestResponseComesBackAsItWas(t *testing.T) {
	l := DefaultLimits()
	var got Response
	for _, want := range sampleResponses() {
		if err := DecodeResponse(cut(t, AppendResponse(nil, &want)), &got, &l); err != nil {
			t.Fatalf("%d: %v", want.ID, err)
		}
		if !sameResponse(&got, &want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestMessageComesBackAsItWas(t *testing.T) {
	l := DefaultLimits()
	var got Message
	for _, want := range sampleMessages() {
		if err := DecodeMessage(cut(t, AppendMessage(nil, &want)), &got, &l); err != nil {
			t.Fatalf("%v: %v", want.Kind, err)
		}
		if !sameMessage(&got, &want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// cut takes the only frame off buf.
func cut(t testing.TB, buf []byte) []byte {
	t.Helper()
	l := DefaultLimits()
	frame, rest, err := NextFrame(buf, &l)
	if err != nil || frame == nil || len(rest) != 0 {
		t.Fatalf("NextFrame of %x: frame %x, rest %x, error %v", buf, frame, rest, err)
	}
	return frame
}

// The comparisons take an empty list for no list: decoders keep the memory of the one before.
func sameRequest(a, b *Request) bool {
	x, y := *a, *b
	if len(x.Keys) == 0 && len(y.Keys) == 0 {
		x.Keys, y.Keys = nil, nil
	}
	return reflect.DeepEqual(x, y)
}

func sameResponse(a, b *Response) bool {
	x, y := *a, *b
	if len(x.Items) == 0 && len(y.Items) == 0 {
		x.Items, y.Items = nil, nil
	}
	if x.Err != nil && y.Err != nil && len(x.Err.Failed) == 0 && len(y.Err.Failed) == 0 {
		ex, ey := *x.Err, *y.Err
		ex.Failed, ey.Failed = nil, nil
		x.Err, y.Err = &ex, &ey
	}
	return reflect.DeepEqual(x, y)
}

func sameSet(a, b *vclock.Set) bool {
	x, y := *a, *b
	if len(x.Context.Seen) == 0 && len(y.Context.Seen) == 0 {
		x.Context.Seen, y.Context.Seen = nil, nil
	}
	return reflect.DeepEqual(x, y)
}

func sameMessage(a, b *Message) bool {
	if !sameSet(&a.Set, &b.Set) {
		return false
	}
	x, y := *a, *b
	x.Set, y.Set = vclock.Set{}, vclock.Set{}
	return reflect.DeepEqual(x, y)
}
