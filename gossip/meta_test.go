package gossip

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/shoalcache/shoal/vclock"
)

var testMeta = Meta{
	ClusterID: math.MaxUint64, Name: "a1", ClientAddr: "10.0.0.1:6379", PeerAddr: "[2001:db8::1]:7900",
	Datacenter: "eu-1", Rack: "ü",
}

func TestMetaComesBackAsItWent(t *testing.T) {
	for _, m := range []Meta{{}, testMeta} {
		b, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeMeta(b); err != nil || got != m {
			t.Errorf("%+v, %v", got, err)
		}
		var fields []any
		if err := msgpack.Unmarshal(b, &fields); err != nil || len(fields) != metaFields {
			t.Errorf("not an array of 6: %v, %v", fields, err)
		}
	}
}

func TestMetaMayGrowInLaterVersions(t *testing.T) {
	b, err := msgpack.Marshal([]any{uint64(7), "n", "c", "p", "d", "r", "new"})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := decodeMeta(b); err != nil || m.Rack != "r" || m.ClusterID != 7 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestMetaThatClaimsMoreThanItHasIsRefusedWithoutAllocating(t *testing.T) {
	huge := append([]byte{0x96, 0x01}, 0xdb, 0xff, 0xff, 0xff, 0xff) // a text of 4 GiB
	var typed *BytesError
	if _, err := decodeMeta(huge); !errors.As(err, &typed) {
		t.Fatalf("%v", err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		_, _ = decodeMeta(huge)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 100*4096 {
		t.Errorf("%d bytes allocated by 100 of them", n)
	}
}

func TestNamesAreOnePerActor(t *testing.T) {
	a := vclock.Actor{Node: 0xab, Boot: 0x1f}
	if got, err := parseName("00000000000000ab#1f"); err != nil || got != a || a.String() != "00000000000000ab#1f" {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []string{"", "#", "ab#1f", "00000000000000AB#1f", "00000000000000ab#01f", "00000000000000ab", "00000000000000ab#1f#", "x/y#1"} {
		if got, err := parseName(s); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

func TestStateComesBackAsItWent(t *testing.T) {
	s := state{vclock.Actor{Node: 1, Boot: math.MaxUint64}, 3, []byte("map")}
	got, err := decodeState(s.encode())
	if err != nil || got.from != s.from || got.cluster != s.cluster || !bytes.Equal(got.body, s.body) {
		t.Errorf("%+v, %v", got, err)
	}
	var typed *BytesError
	for _, b := range [][]byte{nil, s.encode()[:stateHead-1], {9: 2, stateHead: 0}, make([]byte, stateHead+stateMax+1)} {
		if _, err := decodeState(b); !errors.As(err, &typed) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

func TestInboxKeepsTheLatestOfEachNodeAndIsBounded(t *testing.T) {
	var in inbox
	put := func(node uint64, body string) bool {
		return in.put(state{from: vclock.Actor{Node: node, Boot: 1}, body: []byte(body)})
	}
	put(1, "old")
	put(2, "other")
	put(1, "new")
	if got := in.take(); len(got) != 2 || string(got[0].body) != "new" || string(got[1].body) != "other" {
		t.Errorf("%+v", got)
	}
	for node := range uint64(inboxStates) {
		if !put(node, "m") {
			t.Fatal("full too early")
		}
	}
	if put(inboxStates, "m") {
		t.Error("takes more nodes than it may")
	}
	if !put(0, "again") {
		t.Error("does not replace when full")
	}
	in.take()
	most, large := 0, strings.Repeat("m", stateMax)
	for put(uint64(most), large) {
		most++
	}
	if most*stateMax != inboxBytes {
		t.Errorf("holds %d maps of %d bytes", most, stateMax)
	}
}

func FuzzMeta(f *testing.F) {
	b, _ := testMeta.encode()
	f.Add(b)
	f.Add([]byte{0x96, 0x01, 0xdb, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMeta(b)
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil {
			return // shorter forms than ours exist, so 512 bytes of them may not fit
		}
		if got, err := decodeMeta(again); err != nil || got != m {
			t.Errorf("%+v became %+v, %v", m, got, err)
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add(state{vclock.Actor{Node: 1, Boot: 2}, 3, []byte("map")}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeState(b); err == nil && !bytes.Equal(s.encode(), b) {
			t.Errorf("%x became %x", b, s.encode())
		}
	})
}
