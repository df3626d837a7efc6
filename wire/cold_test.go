package wire

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/shoalcache/shoal/ring"
)

func sampleHello() Hello {
	return Hello{
		Version: ProtocolVersion, Role: RoleNode, ClusterID: 1 << 61, Cluster: "prod", Node: 1 << 62, Boot: 3,
		Name: "a1", MapHash: 1 << 63, Wall: 1_700_000_000_000, Error: "not this cluster",
	}
}

func sampleMap() *ring.Map {
	return &ring.Map{
		ClusterID: 7, Cluster: "prod", Partitions: 4096,
		Nodes: []ring.Node{
			{ID: 1, Boot: 2, Name: "a", ClientAddr: "a:7000", RespAddr: "a:7004", PeerAddr: "a:7001", GossipAddr: "a:7002", Datacenter: "east", Rack: "r1", Weight: 100, State: ring.Active, Version: 5},
			{ID: 1 << 63, Name: "b", Weight: 200, State: ring.Removed, Version: 1 << 40},
		},
		Namespaces: []ring.Namespace{{Name: "default", Replicas: 3, Read: uint8(LevelQuorum), Write: uint8(LevelQuorum), Version: 1}, {
			Name: "sessions", Replicas: 3, Version: 9, Mode: ring.Siblings, TTL: 60_000, Epoch: 1 << 31, Dropped: true,
		}},
	}
}

func sampleWhere() *Where {
	return &Where{
		Slot: 12182, Partition: 3045,
		Owners:    []Seat{{Node: 1 << 63, Name: "a", Addr: "a:7000", Datacenter: "east", Rack: "r1", Alive: true}},
		Fallbacks: []Seat{{Node: 2, Name: "b", Addr: "b:7000", Datacenter: "west", Rack: "r9"}},
	}
}

func TestHelloComesBackAsItWas(t *testing.T) {
	for _, want := range []Hello{sampleHello(), {}, {Version: 65535, Role: RoleClient, Wall: -1}} {
		var got Hello
		if err := DecodeHello(cut(t, AppendHello(nil, &want)), &got); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestTheLongestHelloFitsItsLimit(t *testing.T) {
	name := strings.Repeat("n", ring.NameMax)
	h := Hello{
		Version: math.MaxUint16, Role: 255, ClusterID: math.MaxUint64, Cluster: name, Node: math.MaxUint64, Boot: math.MaxUint64,
		Name: name, MapHash: math.MaxUint64, Wall: math.MinInt64, Error: strings.Repeat("e", 1<<20),
	}
	b := AppendHello(nil, &h)
	frame, _, err := NextFrame(b, &Limits{Frame: HelloMax})
	if err != nil || frame == nil {
		t.Fatalf("%d bytes: %v", len(b), err)
	}
	if err := DecodeHello(frame, &h); err != nil || len(h.Error) != textMax {
		t.Errorf("%v, error text of %d bytes", err, len(h.Error))
	}
}

func TestTheVersionOfAForeignHelloIsRead(t *testing.T) {
	var h Hello
	if err := DecodeHello([]byte{0x92, 9, 0xc0}, &h); err == nil || h.Version != 9 {
		t.Errorf("version %d, error %v: want 9 and an error", h.Version, err)
	}
}

func TestMapComesBackAsItWas(t *testing.T) {
	want := sampleMap()
	b := EncodeMap(want)
	got, err := DecodeMap(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v, want %+v", got, err, want)
	}
	clear(b)
	if !reflect.DeepEqual(got, want) {
		t.Error("the map shares memory with the bytes it came from")
	}
}

func TestDocumentsComeBackAsTheyWere(t *testing.T) {
	want := sampleWhere()
	b, err := EncodeDocument(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Where
	if err := DecodeDocument(b, &got); err != nil || !reflect.DeepEqual(&got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	var loose map[string]any
	if err := DecodeDocument(b, &loose); err != nil || len(loose) != 4 {
		t.Errorf("as a map: %v, %v", loose, err)
	}
}

func TestDocumentsWithAMapAreEqualBytesEveryTime(t *testing.T) {
	doc := map[string]any{"a": 1, "b": map[string]any{"z": true, "y": "x", "w": 2.5}, "c": 3, "d": 4, "e": 5}
	first, err := EncodeDocument(doc)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if again, err := EncodeDocument(doc); err != nil || !bytes.Equal(again, first) {
			t.Fatalf("got %x, %v, first %x", again, err, first)
		}
	}
}

func TestDocumentsOfALaterVersionAreRead(t *testing.T) {
	b, err := EncodeDocument(map[string]any{"slot": 5, "added": []any{1, "two"}})
	if err != nil {
		t.Fatal(err)
	}
	var got Where
	if err := DecodeDocument(b, &got); err != nil || got.Slot != 5 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDocumentErrorsNameTheDocument(t *testing.T) {
	if _, err := EncodeDocument(func() {}); err == nil || !strings.HasPrefix(err.Error(), "wire: writing a func() document: ") {
		t.Errorf("writing: %v", err)
	}
	if err := DecodeDocument([]byte{0xa1, 'x'}, &Where{}); err == nil || !strings.HasPrefix(err.Error(), "wire: reading a *wire.Where document: ") {
		t.Errorf("reading: %v", err)
	}
}

func TestCheckAcceptsWhatTheLibraryWrites(t *testing.T) {
	for _, v := range []any{
		nil, true, 0, 127, 128, -1, -32, -33, 1 << 20, -1 << 20, math.MaxInt64, math.MinInt64, uint64(math.MaxUint64),
		float32(1), 2.5, "", strings.Repeat("s", 31), strings.Repeat("s", 32), strings.Repeat("s", 300), strings.Repeat("s", 1<<17),
		[]byte{},
		bytes.Repeat([]byte("b"), 300), bytes.Repeat([]byte("b"), 1<<17),
		make([]any, 15), make([]any, 16), make([]any, 1<<16),
		map[string]any{},
		manyKeys(15), manyKeys(16), manyKeys(1 << 16),
		[]any{map[string]any{"a": []any{[]byte("x"), nil, 3}}},
		&msgpack.RawMessage{0xd4, 1, 2}, &msgpack.RawMessage{0xc7, 3, 1, 1, 2, 3}, &msgpack.RawMessage{0xd8, 1, 15: 0, 17: 0},
	} {
		b, err := msgpack.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(b, 16, 1<<18); err != nil {
			t.Errorf("%T, %d bytes: %v", v, len(b), err)
		}
	}
}

func manyKeys(n int) map[int]bool {
	m := make(map[int]bool, n)
	for i := range n {
		m[i] = true
	}
	return m
}

func TestCheckBoundsDepthAndNumber(t *testing.T) {
	nested := append(bytes.Repeat([]byte{0x91}, 15), 0)
	var format *FormatError
	var limit *LimitError
	if err := Check(nested, 16, 16); err != nil {
		t.Errorf("16 deep, 16 values: %v", err)
	}
	if err := Check(nested, 15, 16); !errors.As(err, &format) {
		t.Errorf("one too deep: %v, want a FormatError", err)
	}
	if err := Check(nested, 16, 15); !errors.As(err, &limit) || limit.Got != 16 || limit.Max != 15 {
		t.Errorf("one too many: %v, want a LimitError", err)
	}
	if err := Check([]byte{0xc1}, 16, 16); !errors.As(err, &format) {
		t.Errorf("a byte that begins no value: %v, want a FormatError", err)
	}
	for _, b := range [][]byte{bytes.Repeat([]byte{0x91}, 1<<20), bytes.Repeat([]byte{0xdf, 0, 0, 0, 1}, 1<<20)} {
		if err := Check(b, 16, 1<<30); err == nil {
			t.Error("accepted a bomb of nested values")
		}
	}
}

// A node that was upgraded still reads the map in its data directory.
func TestMapOfAnEarlierVersionIsRead(t *testing.T) {
	want := sampleMap()
	b := EncodeMap(want)
	for i := range want.Nodes { // as it was written before nodes had a RESP address
		was := appendNode(nil, &want.Nodes[i])
		old := bytes.Clone(was[:len(was)-len(appendString(nil, want.Nodes[i].RespAddr))])
		old[0]--
		b = bytes.Replace(b, was, old, 1)
		want.Nodes[i].RespAddr = ""
	}
	if got, err := DecodeMap(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v, want %+v", got, err, want)
	}
}

func sampleNamespaceChange() *NamespaceChange {
	ttl := int64(60_000)
	return &NamespaceChange{Action: NamespaceCreate, Name: "sessions", Mode: "lww", Replicas: 3, Read: "one", Write: "quorum", TTL: &ttl}
}

func TestANamespaceChangeComesBackAsItWas(t *testing.T) {
	for _, want := range []*NamespaceChange{sampleNamespaceChange(), {Action: NamespaceFlush, Name: "a"}} {
		b, err := EncodeDocument(want)
		var got NamespaceChange
		if err == nil {
			err = DecodeDocument(b, &got)
		}
		if err != nil || !reflect.DeepEqual(&got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

// A map from a version that does not have all fields of a namespace, or has more, is taken for what it says.
func TestANamespaceOfAnotherVersionIsRead(t *testing.T) {
	want := *sampleMap().Namespace("sessions")
	b := appendNamespace(nil, &want)
	r := reader{b: append(append([]byte{b[0] + 1}, b[1:]...), 0xc0)}
	if got := r.namespace(); got != want || r.done() != nil {
		t.Errorf("with a field more it is %+v, %v", got, r.err)
	}
	want.Mode, want.TTL, want.Epoch, want.Dropped = 0, 0, 0, false
	r = reader{b: appendNamespace(nil, &want)}
	if got := r.namespace(); got != want || r.done() != nil {
		t.Errorf("without the later fields it is %+v, %v", got, r.err)
	}
}

func TestAMapWithAModeThatIsUnknownHereIsRefused(t *testing.T) {
	m := sampleMap()
	m.Namespaces[1].Mode = ring.Siblings + 1
	if _, err := DecodeMap(EncodeMap(m)); !errors.Is(err, ring.ErrMap) {
		t.Errorf("it is read: %v", err)
	}
}
