package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/shoalcache/shoal/client"
)

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	at := time.UnixMilli(1_800_000_000_123)
	for _, c := range []struct {
		key, value string
		deadline   time.Time
	}{
		{"k", "v", time.Time{}},
		{"", "", at},
		{"\xff\x00", "\xfe", at},
		{"tab\tquote\"<&>\u2028", "line\nline", time.Time{}},
	} {
		for _, y := range []style{{}, {hex: true}} {
			line, err := y.appendRecord(nil, c.key, &client.Item{Value: []byte(c.value), Deadline: c.deadline})
			if err != nil {
				t.Fatal(err)
			}
			if i := bytes.IndexByte(line, '\n'); i != len(line)-1 {
				t.Errorf("%q is not one line", line)
			}
			r, err := parseRecord(line, at.Add(-time.Hour))
			if err != nil || r.key != c.key || string(r.value) != c.value || !r.deadline.Equal(c.deadline) {
				t.Errorf("%q became %+v, %v", line, r, err)
			}
		}
	}
}

func TestWhatIsNoRecordIsRefusedWithAReason(t *testing.T) {
	for line, want := range map[string]string{
		`{"key":"k"}`:               "no value",
		`{"value":"v"}`:             "no key",
		`{"key":null,"value":"v"}`:  "no key",
		`{"key":"k","value":"v"}{}`: "something follows",
		`{"key":"k","value":"v","ttl_ms":1,"deadline_ms":1}`:         "give one of them",
		`{"key":"k","value":"v","ttl_ms":9223372036854775807}`:       "at most a century",
		`{"key":"k","value":"v","deadline_ms":-1}`:                   "milliseconds since 1970",
		`{"key":"k","value":"v","deadline_ms":9007199254740992}`:     "at most a century",
		`{"key":"k","value":"v","expires":1}`:                        "unknown field",
		`{"key":"k","value":"zz","encoding":"hex"}`:                  "the value: encoding/hex",
		`{"key":"k","key_encoding":"rot13","value":"v"}`:             `the key has the encoding "rot13"`,
		`{"key":"` + strings.Repeat("k", 64<<10+1) + `","value":""}`: "a key of 65537 bytes, where 65536 are allowed",
		`"k"`:                "this is no record",
		``:                   "this is no record: EOF",
		"{\"key\":\"\xff\"}": "this is not UTF-8",
	} {
		if r, err := parseRecord([]byte(line), time.Now()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %+v and %v, want %q", line, r, err, want)
		}
	}
}

func FuzzWhatIsReadAsARecordIsWrittenAndReadAgainAsTheSame(f *testing.F) {
	f.Add([]byte(`{"key":"k","value":"v","ttl_ms":5}`))
	f.Add([]byte(`{"key":"a2s=","key_encoding":"base64","value":"ff","encoding":"hex","deadline_ms":1800000000000}`))
	f.Add([]byte(`{"key":"k","value":"v","stamp":"1.2","found":true,"ttl_ms":null}`))
	now := time.UnixMilli(1_790_000_000_000)
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseRecord(line, now)
		if err != nil {
			return
		}
		again, err := style{}.appendRecord(nil, r.key, &client.Item{Value: r.value, Deadline: r.deadline})
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseRecord(again, now)
		if err != nil || s.key != r.key || !bytes.Equal(s.value, r.value) || !s.deadline.Equal(r.deadline) {
			t.Errorf("%q became %q: %+v and %+v, %v", line, again, r, s, err)
		}
	})
}
