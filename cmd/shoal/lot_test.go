package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

func TestALineReaderKnowsWhereItIs(t *testing.T) {
	const text = "one\n\nthe third is too long to be kept\nfour"
	for name, in := range map[string]io.Reader{"whole": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text))} {
		r := newLineReader(in)
		r.most = 10
		for i, want := range []string{"one", "", "", "four"} {
			line, err := r.next()
			if long := i == 2; string(line) != want || long != (err == errLineTooLong) || !long && err != nil {
				t.Errorf("%s, line %d: got %q and %v, want %q", name, i+1, line, err, want)
			}
			before, rest := text[:r.offset], text[r.offset:]
			if r.number != int64(i+1) || strings.Count(before, "\n") != min(i+1, 3) || rest != "" && before[len(before)-1] != '\n' {
				t.Errorf("%s, line %d: it is at line %d, offset %d", name, i+1, r.number, r.offset)
			}
		}
		if _, err := r.next(); err != io.EOF {
			t.Errorf("%s: got %v at the end", name, err)
		}
	}
}

func TestALineReaderPassesOnWhatTheFileSays(t *testing.T) {
	r := newLineReader(io.MultiReader(strings.NewReader("one\ntw"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	if _, err := r.next(); err != nil {
		t.Fatal(err)
	}
	if line, err := r.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half a line counted as one: %q, %v", line, err)
	}
}

func TestALineLongerThanTheBufferIsKeptWhole(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	r := newLineReader(strings.NewReader(long + "\nnext"))
	if line, err := r.next(); string(line) != long || err != nil {
		t.Errorf("got %d bytes and %v, want %d", len(line), err, len(long))
	}
	if line, err := r.next(); string(line) != "next" || err != nil {
		t.Errorf("got %q and %v behind it", line, err)
	}
}

// lotsOf cuts text, and lets a lot be done as soon as done says so.
func lotsOf(t *testing.T, text string, most int, done func(*lot)) []*lot {
	t.Helper()
	r := &lotReader{in: newLineReader(strings.NewReader(text)), most: most}
	var lots []*lot
	for l := r.next(t.Context()); l != nil; l = r.next(t.Context()) {
		lots = append(lots, l)
		done(l)
	}
	if r.failed != nil {
		t.Fatal(r.failed)
	}
	return lots
}

func TestALotHoldsAKeyOnce(t *testing.T) {
	var b bytes.Buffer
	for i := range 20 {
		fmt.Fprintf(&b, "{\"key\":\"k%d\",\"value\":\"%d\"}\n", i%3, i)
	}
	number := int64(0)
	for _, l := range lotsOf(t, b.String(), 10, func(l *lot) { close(l.done) }) {
		if len(l.keys) != len(l.lines) || len(l.lines) > 3 {
			t.Errorf("a lot of %d lines has %d keys", len(l.lines), len(l.keys))
		}
		for _, line := range l.lines {
			if number++; line.number != number {
				t.Errorf("line %d came behind line %d", line.number, number-1)
			}
		}
	}
	if number != 20 {
		t.Errorf("%d lines of 20 came", number)
	}
}

func TestALotWithAKeyThatIsUnderWayWaitsUntilItIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &lotReader{in: newLineReader(strings.NewReader(`{"key":"a","value":"1"}
{"key":"b","value":"2"}
{"key":"a","value":"3"}
`)), most: 1}
		first, second := r.next(t.Context()), r.next(t.Context())
		close(second.done)
		var third *lot
		go func() { third = r.next(t.Context()) }()
		synctest.Wait()
		if third != nil {
			t.Error("a second write of a key was let go while the first was under way")
		}
		close(first.done)
		synctest.Wait()
		if third == nil || third.lines[0].number != 3 {
			t.Errorf("got %+v when the first was done", third)
		}
	})
}

func TestALotEndsAtABadLine(t *testing.T) {
	lots := lotsOf(t, "{\"key\":\"a\",\"value\":\"1\"}\n\nbad\n{\"key\":\"b\",\"value\":\"2\"}\n", 10, func(l *lot) { close(l.done) })
	if len(lots) != 2 || lots[0].last().number != 3 || lots[0].last().bad == nil || lots[1].lines[0].record.key != "b" {
		t.Errorf("got %d lots", len(lots))
	}
}
