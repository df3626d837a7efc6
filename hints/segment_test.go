package hints

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/shoalcache/shoal/vclock"
	"github.com/shoalcache/shoal/wire"
)

var limits = wire.DefaultLimits()

// record is what a reader makes of one.
type record struct {
	key string
	set vclock.Set
}

func (r record) is(o record) bool {
	return r.key == o.key && same(&r.set, &o.set) && bytes.Equal(r.set.Value, o.set.Value) && r.set.Tombstone == o.set.Tombstone
}

// records are what a segment's bytes have behind the header, up to what is not whole or not what was written.
func records(b []byte) (all []record, rest int, err error) {
	var m wire.Message
	for {
		n, _, err := NextRecord(b, &m, &limits)
		if err != nil || n == 0 {
			return all, len(b), err
		}
		all = append(all, record{string(m.Key), clone(&m.Set)})
		b = b[n:]
	}
}

// small log is of every kind of version that a hint may be.
func smallLog() (b []byte, want []record) {
	deletion := write(7, "")
	deletion.Tombstone = true
	ends := write(8, "for a while")
	ends.Deadline = vclock.Deadline{At: wall + 1000, Stamp: 9}
	knows := write(9, "with a context")
	knows.Context.Floor = 2
	knows.Context.Add(vclock.Dot{Actor: vclock.Actor{Node: 3, Boot: 4}, Stamp: 5})
	for i, set := range []*vclock.Set{write(6, "value"), deletion, ends, knows} {
		key := fmt.Sprint("key", i)
		b = AppendRecord(b, 1, []byte(key), set)
		want = append(want, record{key, clone(set)})
	}
	return b, want
}

func isPrefix(got, want []record) bool {
	for i := range got {
		if i >= len(want) || !got[i].is(want[i]) {
			return false
		}
	}
	return true
}

func TestASegmentGivesBackWhatWasWritten(t *testing.T) {
	b, want := smallLog()
	got, rest, err := records(b)
	if err != nil || rest != 0 || len(got) != len(want) || !isPrefix(got, want) {
		t.Errorf("read %+v, %d bytes left, %v; want %+v", got, rest, err, want)
	}
}

// I17.
func TestASegmentCutShortAnywhereGivesAPrefixAndNoError(t *testing.T) {
	b, want := smallLog()
	for n := range b {
		got, _, err := records(b[:n])
		if err != nil || !isPrefix(got, want) || len(got) == len(want) {
			t.Fatalf("of %d bytes: %d records, %v", n, len(got), err)
		}
	}
}

// I17.
func TestASegmentWithAnyBitFlippedGivesAPrefix(t *testing.T) {
	b, want := smallLog()
	for bit := range 8 * len(b) {
		flipped := bytes.Clone(b)
		flipped[bit/8] ^= 1 << (bit % 8)
		got, rest, err := records(flipped)
		if !isPrefix(got, want) || len(got) == len(want) {
			t.Fatalf("bit %d flipped: read %+v", bit, got)
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
		if err == nil && rest == 0 {
			t.Fatalf("bit %d flipped: nobody noticed", bit)
		}
	}
}

// I17: a length alone costs nobody anything.
func TestARecordLongerThanAFrameIsDamageAndAsksForNoMemory(t *testing.T) {
	b := AppendRecord(nil, 1, []byte("k"), write(1, "v"))
	var m wire.Message
	for _, length := range []uint32{0, uint32(limits.Frame) + 1, 1<<32 - 1} {
		b[4], b[5], b[6], b[7] = byte(length>>24), byte(length>>16), byte(length>>8), byte(length)
		n, want, err := NextRecord(b, &m, &limits)
		if n != 0 || want != 0 || !errors.Is(err, ErrDamaged) {
			t.Errorf("a length of %d: %d, %d, %v", length, n, want, err)
		}
	}
	if n, want, err := NextRecord(b[:7], &m, &limits); n != 0 || want != 8 || err != nil {
		t.Errorf("of a record without its length: %d, %d, %v", n, want, err)
	}
}

func TestARecordOfAnythingButAHintIsDamage(t *testing.T) {
	frame := wire.AppendMessage([]byte{0, 0, 0, 0}, &wire.Message{Kind: wire.KindBeat, Wall: 1})
	seal(frame)
	var m wire.Message
	if _, _, err := NextRecord(frame, &m, &limits); !errors.Is(err, ErrDamaged) {
		t.Errorf("a beat: %v", err)
	}
}

func TestAHeaderSaysWhoseASegmentIs(t *testing.T) {
	mine := Whose{Cluster: 7, Node: 1, Target: 2}
	b := AppendHeader(nil, mine)
	if err := CheckHeader(b, mine); err != nil || len(b) != HeaderBytes {
		t.Errorf("its own: %v, %d bytes", err, len(b))
	}
	for _, other := range []Whose{{8, 1, 2}, {7, 2, 2}, {7, 1, 3}} {
		if err := CheckHeader(b, other); !errors.Is(err, ErrForeign) {
			t.Errorf("that of %+v: %v", other, err)
		}
	}
	for bit := range 8 * len(b) {
		flipped := bytes.Clone(b)
		flipped[bit/8] ^= 1 << (bit % 8)
		if err := CheckHeader(flipped, mine); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) {
			t.Errorf("bit %d flipped: %v", bit, err)
		}
	}
	for n := range b {
		if err := CheckHeader(b[:n], mine); !errors.Is(err, ErrDamaged) {
			t.Errorf("of %d bytes: %v", n, err)
		}
	}
	b[11] = segmentVersion + 1
	if err := CheckHeader(b, mine); !errors.Is(err, ErrForeign) {
		t.Errorf("of a later version: %v", err)
	}
}

// These bytes are on disks: they change only together with the version.
func TestASegmentIsWrittenAsItAlwaysWas(t *testing.T) {
	b := AppendHeader(nil, Whose{Cluster: 7, Node: 1, Target: 2})
	b = AppendRecord(b, 2, []byte("k"), write(5, "v"))
	if got := fmt.Sprintf("%x", b); got != goldenSegment {
		t.Errorf("%s", got)
	}
}

const goldenSegment = "53484f414c484e5400000001000000000000000700000000000000010000000000000002b421bf3c" + // header
	"3e2ce4c8000000149606000002c4016b99640105009000c401760000"

func FuzzASegmentNeverPanicsAndGivesBackItsOwnBytes(f *testing.F) {
	b, _ := smallLog()
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, raw := range [][]byte{b, sealed(b)} {
			var m wire.Message
			n, want, err := NextRecord(raw, &m, &limits)
			if n > len(raw) || err == nil && n == 0 && want <= len(raw) || err != nil && n != 0 {
				t.Fatalf("%d of %d, want %d: %v", n, len(raw), want, err)
			}
			if n == 0 {
				continue
			}
			again := AppendRecord(nil, m.Target, m.Key, &m.Set)
			var twin wire.Message
			if _, _, err := NextRecord(again, &twin, &limits); err != nil || string(twin.Key) != string(m.Key) || twin.Set.Compare(&m.Set) != vclock.Equal {
				t.Fatalf("written again it is %+v, %v; want %+v", twin, err, m)
			}
		}
	})
}

// sealed is b as a record: its length and check sum are right.
func sealed(b []byte) []byte {
	r := append(make([]byte, recordHeader), b...)
	r[4], r[5], r[6], r[7] = byte(len(b)>>24), byte(len(b)>>16), byte(len(b)>>8), byte(len(b))
	seal(r)
	return r
}
