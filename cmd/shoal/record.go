package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/shoalcache/shoal/client"
	"github.com/shoalcache/shoal/wire"
)

// record is one line of an export, and of what an import takes: a key, its value, and when it expires.
type record struct {
	key      string
	value    []byte
	deadline time.Time // zero: never
}

// recordLine is a record in JSON. An export writes deadlines, which mean the same whenever they are read; an import also
// takes what get and mget print, whose time to live counts from the moment at which it is read.
type recordLine struct {
	Key            *string `json:"key"`
	KeyEncoding    string  `json:"key_encoding,omitempty"` // base64 or hex; none: text
	Value          *string `json:"value"`
	Encoding       string  `json:"encoding,omitempty"`
	DeadlineMillis *int64  `json:"deadline_ms,omitempty"` // since 1970
	TTLMillis      *int64  `json:"ttl_ms,omitempty"`
	Stamp          string  `json:"stamp,omitempty"` // read and not used, as the next one
	Found          bool    `json:"found,omitempty"`
}

// recordMax is how long a line may be, in bytes: JSON may take six of them for one.
const recordMax = 6*(16<<20+64<<10) + 4<<10

// appendRecord appends the line of a key, with its end.
func (y style) appendRecord(dst []byte, key string, it *client.Item) ([]byte, error) {
	k := y.key(key)
	value, encoding := y.encoded(it.Value)
	l := recordLine{Key: &k.Key, KeyEncoding: k.KeyEncoding, Value: &value, Encoding: encoding}
	if !it.Deadline.IsZero() {
		at := it.Deadline.UnixMilli()
		l.DeadlineMillis = &at
	}
	b, err := json.Marshal(&l)
	return append(append(dst, b...), '\n'), err
}

// parseRecord reads a line; what no node would take is refused here, by the line.
func parseRecord(line []byte, now time.Time) (*record, error) {
	if !utf8.Valid(line) {
		return nil, errors.New("this is not UTF-8: give bytes as base64 or hex, and say so in key_encoding or encoding")
	}
	in := json.NewDecoder(bytes.NewReader(line))
	in.DisallowUnknownFields()
	var l recordLine
	if err := in.Decode(&l); err != nil {
		return nil, fmt.Errorf("this is no record: %w", err)
	}
	if _, err := in.Token(); err != io.EOF {
		return nil, errors.New("something follows the record: give each a line of its own")
	}
	switch {
	case l.Key == nil:
		return nil, errors.New("no key")
	case l.Value == nil:
		return nil, errors.New("no value")
	case l.DeadlineMillis != nil && l.TTLMillis != nil:
		return nil, errors.New("deadline_ms and ttl_ms: give one of them")
	}
	key, err := decoded("key", *l.Key, l.KeyEncoding, wire.DefaultLimits().Key)
	if err != nil {
		return nil, err
	}
	r := &record{key: string(key)}
	if r.value, err = decoded("value", *l.Value, l.Encoding, wire.DefaultLimits().Value); err != nil {
		return nil, err
	}
	r.deadline, err = l.deadline(now)
	return r, err
}

// deadline is when the record expires. Times are bounded where arithmetic with them is.
func (l *recordLine) deadline(now time.Time) (time.Time, error) {
	const century = 100 * 365 * 24 * int64(time.Hour/time.Millisecond)
	at, millis := l.DeadlineMillis, int64(0)
	switch {
	case l.TTLMillis != nil:
		millis = *l.TTLMillis
	case at != nil:
		if *at < 0 || *at > 1<<53 {
			return time.Time{}, fmt.Errorf("deadline_ms %d: use milliseconds since 1970", *at)
		}
		millis = *at - now.UnixMilli()
	default:
		return time.Time{}, nil
	}
	if millis > century {
		return time.Time{}, fmt.Errorf("a deadline in %d ms: use at most a century", millis)
	}
	if at != nil {
		return time.UnixMilli(*at), nil
	}
	return now.Add(time.Duration(max(millis, 0)) * time.Millisecond), nil
}

func decoded(what, text, encoding string, most int) (b []byte, err error) {
	switch encoding {
	case "":
		b = []byte(text)
	case encodingBase64:
		b, err = base64.StdEncoding.DecodeString(text)
	case encodingHex:
		b, err = hex.DecodeString(text)
	default:
		return nil, fmt.Errorf("the %s has the encoding %q: use base64, hex, or none for text", what, encoding)
	}
	if err != nil {
		return nil, fmt.Errorf("the %s: %w", what, err)
	}
	if len(b) > most {
		return nil, fmt.Errorf("a %s of %d bytes, where %d are allowed", what, len(b), most)
	}
	return b, nil
}
