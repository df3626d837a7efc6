package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// memory is as much of a KV as values need, in a map, with the deadlines of the clock at hand.
type memory struct {
	KV
	mu    sync.Mutex
	items map[string]Item
	down  error // what every call fails with, if set
	reads int
}

func newMemory() *memory { return &memory{items: map[string]Item{}} }

func (m *memory) GetItem(ctx context.Context, key string, _ ...CallOption) (Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	switch it, ok := m.items[key]; {
	case ctx.Err() != nil:
		return Item{}, &InterruptedError{Err: ctx.Err()}
	case m.down != nil:
		return Item{}, m.down
	case !ok || !it.Deadline.IsZero() && !time.Now().Before(it.Deadline):
		return Item{}, ErrNotFound
	default:
		it.Value = append([]byte(nil), it.Value...)
		return it, nil
	}
}

func (m *memory) MGet(ctx context.Context, keys []string, opts ...CallOption) ([]Result, error) {
	results := make([]Result, len(keys))
	for i, key := range keys {
		results[i].Item, results[i].Err = m.GetItem(ctx, key, opts...)
	}
	return results, whole(results)
}

func (m *memory) Set(_ context.Context, key string, value []byte, opts ...CallOption) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return m.down
	}
	var o callOptions
	o.apply(opts)
	it := Item{Value: append([]byte(nil), value...)}
	if o.expires {
		it.Deadline = time.Now().Add(o.ttl)
	}
	m.items[key] = it
	return nil
}

func (m *memory) MSet(ctx context.Context, pairs []Pair, opts ...CallOption) error {
	for _, p := range pairs {
		if err := m.Set(ctx, p.Key, p.Value, opts...); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) breakDown(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = err
}

type user struct {
	Name  string
	Age   int
	Since time.Time
	Tags  map[string]any
	Boss  *user
}

var ada = user{
	Name: "Ada", Age: 36, Since: time.Date(1815, 12, 10, 0, 0, 0, 0, time.UTC), Tags: map[string]any{"x": "y"}, Boss: &user{Name: "Charles"},
}

func sameUser(a, b user) bool {
	return a.Name == b.Name && a.Age == b.Age && a.Since.Equal(b.Since) && maps.Equal(a.Tags, b.Tags) && (a.Boss == nil) == (b.Boss == nil) &&
		(a.Boss == nil || sameUser(*a.Boss, *b.Boss))
}

func TestTypedValuesComeBackAsTheyWereWithEveryCodec(t *testing.T) {
	ctx := t.Context()
	for _, codec := range []Codec{MsgPack, JSON} {
		m := newMemory()
		users := NewTyped[user](m, WithCodec(codec))
		if err := users.Set(ctx, "a", ada, WithTTL(time.Minute)); err != nil {
			t.Fatal(err)
		}
		got, item, err := users.GetItem(ctx, "a")
		if err != nil || !sameUser(got, ada) || item.Deadline.IsZero() {
			t.Fatalf("%s: %+v, %+v, %v", codec.Name(), got, item, err)
		}
		if err := users.MSet(ctx, []TypedPair[user]{{"b", user{Name: "Bob"}}, {"c", user{Name: "Cleo"}}}); err != nil {
			t.Fatal(err)
		}
		all, err := users.MGet(ctx, []string{"b", "nothing", "c", "a"})
		if err != nil || all[0].Value.Name != "Bob" || all[2].Value.Name != "Cleo" || !sameUser(all[3].Value, ada) || !errors.Is(all[1].Err, ErrNotFound) {
			t.Fatalf("%s: %+v, %v", codec.Name(), all, err)
		}
		if _, err := users.Get(ctx, "nothing"); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
	}
	numbers := NewTyped[int](newMemory())
	if err := numbers.Set(ctx, "n", 7); err != nil {
		t.Fatal(err)
	}
	if n, err := numbers.Get(ctx, "n"); n != 7 || err != nil {
		t.Fatal(n, err)
	}
}

func TestRawValuesAreStoredAsTheyAreAndNoValueIsTakenForAnAbsence(t *testing.T) {
	ctx, m := t.Context(), newMemory()
	blobs, texts := NewTyped[[]byte](m, WithCodec(Raw)), NewTyped[string](m, WithCodec(Raw))
	for _, value := range []string{"", "hello", "\xc1", reserved, absent, escaped, escaped + absent, reserved + "later"} {
		if err := blobs.Set(ctx, "k", []byte(value)); err != nil {
			t.Fatal(err)
		}
		got, err := texts.Get(ctx, "k")
		if err != nil || got != value {
			t.Fatalf("%q came back as %q, %v", value, got, err)
		}
		if stored := string(m.items["k"].Value); stored != value && !strings.HasPrefix(value, reserved) {
			t.Fatalf("%q is stored as %q", value, stored)
		}
	}
	var refused *CodecError
	if err := NewTyped[int](m, WithCodec(Raw)).Set(ctx, "k", 1); !errors.As(err, &refused) {
		t.Fatal(err)
	}
}

func TestAValueOfAnotherTypeVersionOrCodecIsATypeError(t *testing.T) {
	ctx, m := t.Context(), newMemory()
	want := NewTyped[user](m, WithType("user", 2))
	for name, other := range map[string]*Typed[user]{
		"type":    NewTyped[user](m, WithType("usher", 2)),
		"version": NewTyped[user](m, WithType("user", 1)),
		"codec":   NewTyped[user](m, WithType("user", 2), WithCodec(JSON)),
		"long":    NewTyped[user](m, WithType(strings.Repeat("x", 3000), 2)),
	} {
		if err := other.Set(ctx, "k", ada); err != nil {
			t.Fatal(err)
		}
		got, err := want.Get(ctx, "k")
		var wrong *TypeError
		if !errors.As(err, &wrong) || wrong.Got != other.tag || wrong.Want != want.tag || wrong.Key != "k" || !reflect.ValueOf(got).IsZero() {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if !sameUser(ada, must(other.Get(ctx, "k"))) {
			t.Errorf("%s: gone for whoever wrote it", name)
		}
	}
	for _, plain := range []string{"", "hello", "\x93", "\x93\xa1", "\x93\xa1u\xce\x00", "\x93\xa1u\x01", "\x93\xa1u\x01\xa2c", "\x93\xda\xff\xff", "\xc0", reserved, reserved + "later"} {
		_ = m.Set(ctx, "k", []byte(plain))
		var wrong *TypeError
		if _, err := want.Get(ctx, "k"); !errors.As(err, &wrong) || wrong.Got != (Tag{}) {
			t.Errorf("%q: %v", plain, err)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// fickle is a value whose own methods panic.
type fickle struct{ Write, Read bool }

func (f *fickle) EncodeMsgpack(enc *msgpack.Encoder) error {
	if f.Write {
		panic("not today")
	}
	return enc.EncodeInt(1)
}

func (f *fickle) DecodeMsgpack(*msgpack.Decoder) error { panic("not today") }

func TestWhatACodecCannotDoIsACodecErrorAndNeverAPanic(t *testing.T) {
	ctx, m := t.Context(), newMemory()
	var failed *CodecError
	fickles := NewTyped[fickle](m)
	if err := fickles.Set(ctx, "k", fickle{Write: true}); !errors.As(err, &failed) || failed.Op != "write" || len(m.items) > 0 {
		t.Fatal(err)
	}
	if err := fickles.Set(ctx, "k", fickle{}); err != nil {
		t.Fatal(err)
	}
	if _, err := fickles.Get(ctx, "k"); !errors.As(err, &failed) || failed.Op != "read" || failed.Key != "k" {
		t.Fatal(err)
	}
	if err := NewTyped[chan int](m).MSet(ctx, []TypedPair[chan int]{{"c", make(chan int)}}); !errors.As(err, &failed) {
		t.Fatal(err)
	}
	users := NewTyped[user](m)
	for name, payload := range map[string]string{
		"nothing": "", "cut short": "\x85\xa4Name", "more than one": "\x80\x80", "another shape": "\x93\x01\x02\x03",
		"a lying length": "\xdf\xff\xff\xff\xff", "deep": strings.Repeat("\x91", 100_000) + "\xc0", "another field": "\x81\xa3Age\xa3old",
		"half of it": "\x82\xa3Age\x01\xa4Name\x01",
	} {
		_ = m.Set(ctx, "k", append(users.header[:len(users.header):len(users.header)], payload...))
		got, err := users.Get(ctx, "k")
		if !errors.As(err, &failed) || failed.Tag != users.tag || !reflect.ValueOf(got).IsZero() {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestTheHeaderIsOneMessagePackArrayThatAnyLibraryReads(t *testing.T) {
	for _, tag := range []Tag{{}, {"user", 2, "json"}, {strings.Repeat("t", 40), 1<<32 - 1, strings.Repeat("c", 300)}, {"t", 127, "c"}, {"t", 128, "c"}} {
		header := appendHeader(nil, tag)
		var got []any
		if err := msgpack.Unmarshal(header, &got); err != nil || len(got) != 3 || got[0] != tag.Type || fmt.Sprint(got[1]) != fmt.Sprint(tag.Version) || got[2] != tag.Codec {
			t.Fatalf("%v is read as %v, %v", tag, got, err)
		}
		if back, ok := readHeader(append(header, 1, 2)); !ok || back != tag {
			t.Fatalf("%v came back as %v, %v", tag, back, ok)
		}
	}
}

func TestErrorsShowLongAndBinaryKeysShort(t *testing.T) {
	for _, key := range []string{strings.Repeat("k", 60_000), strings.Repeat("é", 100), "a\nb\x00\xff"} {
		said := (&TypeError{Key: key, Want: Tag{"user", 1, "msgpack"}}).Error()
		if len(said) > 500 || strings.ContainsAny(said, "\n\x00") {
			t.Errorf("%d bytes: %q", len(said), said)
		}
	}
}

// Whatever lies under a key is a value or an error, and never a panic.
func FuzzTypedReadsAnyBytes(f *testing.F) {
	m := newMemory()
	users, texts := NewTyped[user](m), NewTyped[string](m, WithCodec(Raw))
	jsons := NewTyped[user](m, WithCodec(JSON))
	for _, v := range [][]byte{must(users.encode("", ada)), must(jsons.encode("", ada)), []byte(absent), []byte(escaped), users.header, jsons.header, nil} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = jsons.decode("k", b)
		if v, err := users.decode("k", b); err == nil {
			again, err := users.encode("k", v)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := users.decode("k", again); err != nil {
				t.Fatalf("%q was read, written and not read: %v", b, err)
			}
		}
		if v, err := texts.decode("k", b); err == nil {
			if back := must(texts.decode("k", must(texts.encode("k", v)))); back != v {
				t.Fatalf("%q came back as %q", v, back)
			}
		}
	})
}
