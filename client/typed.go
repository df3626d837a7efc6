package client

import (
	"context"
	"fmt"
	"reflect"
)

// Typed is a view of a KV whose values are of type T, written and read by a codec. With the values it keeps their
// type, version and codec, so that a key that holds another type, or the T of another version of the program, is a
// *TypeError and not a T with wrong fields. What is not about values (Delete, Touch, Scan) is done on the KV, where
// the keys are the same. It is safe for any number of goroutines.
type Typed[T any] struct {
	kv     KV
	codec  Codec
	tag    Tag
	header []byte // what every value begins with; empty for a codec without a name
}

// Tag says what a value is.
type Tag struct {
	Type    string
	Version uint32
	Codec   string
}

// String shows a tag as "type version 1 in codec".
func (t Tag) String() string { return fmt.Sprintf("%s version %d in %s", t.Type, t.Version, t.Codec) }

// typedOptions are those of a Typed.
type typedOptions struct {
	codec   Codec
	name    string
	version uint32
}

// TypedOption configures a Typed.
type TypedOption func(*typedOptions)

// WithCodec sets how values become bytes: MsgPack (the default), JSON, Raw, or one of the program's own.
func WithCodec(c Codec) TypedOption {
	return func(o *typedOptions) { o.codec = c }
}

// WithType names the type as values in the cluster are marked with it, and its version. The default is the type's name
// in Go and version 0: give both where programs share a cache or a type changes, and raise the version whenever a value
// written before could be misread.
func WithType(name string, version uint32) TypedOption {
	return func(o *typedOptions) { o.name, o.version = name, version }
}

// NewTyped returns a view of kv whose values are of type T.
func NewTyped[T any](kv KV, opts ...TypedOption) *Typed[T] {
	o := typedOptions{codec: MsgPack, name: reflect.TypeFor[T]().String()}
	for _, set := range opts {
		set(&o)
	}
	t := &Typed[T]{kv: kv, codec: o.codec, tag: Tag{Type: o.name, Version: o.version, Codec: o.codec.Name()}}
	if t.tag.Codec != "" {
		t.header = appendHeader(nil, t.tag)
	}
	return t
}

// Get returns the value of key, or ErrNotFound. A value of another type is a *TypeError, one that the codec cannot read
// a *CodecError; what a Loader remembers as not there is not found.
func (t *Typed[T]) Get(ctx context.Context, key string, opts ...CallOption) (T, error) {
	v, _, err := t.GetItem(ctx, key, opts...)
	return v, err
}

// GetItem is Get with what is known of the value; Item.Value has its bytes as they are stored.
func (t *Typed[T]) GetItem(ctx context.Context, key string, opts ...CallOption) (T, Item, error) {
	item, err := t.kv.GetItem(ctx, key, opts...)
	if err != nil {
		var none T
		return none, item, err
	}
	v, err := t.decode(key, item.Value)
	return v, item, err
}

// MGet returns one result for each key, in their order. The error is as KV.MGet's.
func (t *Typed[T]) MGet(ctx context.Context, keys []string, opts ...CallOption) ([]TypedResult[T], error) {
	results, err := t.kv.MGet(ctx, keys, opts...)
	if err != nil {
		return nil, err
	}
	typed := make([]TypedResult[T], len(results))
	for i, r := range results {
		typed[i].Item, typed[i].Err = r.Item, r.Err
		if r.Err == nil {
			typed[i].Value, typed[i].Err = t.decode(keys[i], r.Item.Value)
		}
	}
	return typed, nil
}

// TypedResult is one key's part of Typed.MGet: Item.Value has the bytes as they are stored.
type TypedResult[T any] struct {
	Value T
	Item  Item
	Err   error // nil, ErrNotFound, or why this value could not be read
}

// Set makes value the value of key, until WithTTL has passed if that is given. A value that the codec refuses is a
// *CodecError, and nothing is written.
func (t *Typed[T]) Set(ctx context.Context, key string, value T, opts ...CallOption) error {
	b, err := t.encode(key, value)
	if err != nil {
		return err
	}
	return t.kv.Set(ctx, key, b, opts...)
}

// MSet sets all pairs; its errors are those of KV.MSet. If the codec refuses one of them nothing is written.
func (t *Typed[T]) MSet(ctx context.Context, pairs []TypedPair[T], opts ...CallOption) error {
	raw := make([]Pair, len(pairs))
	for i, p := range pairs {
		b, err := t.encode(p.Key, p.Value)
		if err != nil {
			return err
		}
		raw[i] = Pair{Key: p.Key, Value: b}
	}
	return t.kv.MSet(ctx, raw, opts...)
}

// TypedPair is a key and the value that Typed.MSet gives it.
type TypedPair[T any] struct {
	Key   string
	Value T
}

// encode returns the bytes under which v is stored.
func (t *Typed[T]) encode(key string, v T) (b []byte, err error) {
	defer t.caught("write", key, &err)
	payload, err := t.codec.Marshal(&v)
	if err != nil {
		return nil, &CodecError{Op: "write", Key: key, Tag: t.tag, Err: err}
	}
	if t.tag.Codec == "" {
		return escape(payload), nil
	}
	return append(t.header[:len(t.header):len(t.header)], payload...), nil
}

// decode reads what encode wrote.
func (t *Typed[T]) decode(key string, b []byte) (v T, err error) {
	payload, err := t.payload(key, b)
	if err != nil {
		return v, err
	}
	defer t.caught("read", key, &err)
	if err := t.codec.Unmarshal(payload, &v); err != nil {
		var none T // and nothing that is half read
		return none, &CodecError{Op: "read", Key: key, Tag: t.tag, Err: err}
	}
	return v, nil
}

// caught makes a panic of a codec, or of a value's own methods that it calls, an error.
func (t *Typed[T]) caught(op, key string, err *error) {
	if p := recover(); p != nil {
		*err = &CodecError{Op: op, Key: key, Tag: t.tag, Err: fmt.Errorf("it panicked: %v", p)}
	}
}
