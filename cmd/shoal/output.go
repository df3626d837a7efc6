package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// The forms of a result. None asked for: the one that suits a terminal or a pipe.
const (
	formatTable     = "table"
	formatJSON      = "json"
	formatJSONLines = "jsonl"
	formatRaw       = "raw"
)

var formats = []string{formatTable, formatJSON, formatJSONLines, formatRaw}

// formatsOf are the forms that a command's result has. What sim and dev print are sums, which have no bytes of their own.
func formatsOf(command string) []string {
	if command == "sim" || command == "dev" {
		return slices.DeleteFunc(slices.Clone(formats), func(f string) bool { return f == formatRaw })
	}
	return formats
}

// style is how a command shows its result.
type style struct {
	format string
	hex    bool // keys and values in hexadecimal
}

func (y style) json() bool { return y.format == formatJSON || y.format == formatJSONLines }

// people reports whether the result is for somebody to look at, rather than for a program.
func (y style) people(t *tool) bool { return y.format == formatTable || y.format == "" && t.terminal }

// outputError is a result that could not be written.
type outputError struct{ err error }

func (e *outputError) Error() string {
	return "the result could not be written: " + e.err.Error()
}

func (e *outputError) Unwrap() error { return e.err }

// output remembers that something could not be written, also for those who write without looking.
type output struct {
	io.Writer
	failed error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if err != nil && o.failed == nil {
		o.failed = &outputError{err}
	}
	return n, err
}

// write puts b on standard output: a result that did not get there is a failure.
func (t *tool) write(b []byte) error {
	if _, err := t.out.Write(b); err != nil {
		return &outputError{err}
	}
	return nil
}

// document writes v as JSON, over several lines or on one.
func (t *tool) document(v any, format string) error {
	var b []byte
	var err error
	if format == formatJSONLines {
		b, err = json.Marshal(v)
	} else {
		b, err = json.MarshalIndent(v, "", "  ")
	}
	if err != nil {
		return err
	}
	return t.write(append(b, '\n'))
}

// documents writes a list as JSON: as one array, or each on a line of its own.
func documents[T any](t *tool, list []T, format string) error {
	if format == formatJSON {
		return t.document(list, format)
	}
	for i := range list {
		if err := t.document(&list[i], format); err != nil {
			return err
		}
	}
	return nil
}

// table writes rows under their heads.
func (t *tool) table(heads table.Row, rows []table.Row) error {
	w := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	w.SetStyle(style)
	w.AppendHeader(heads)
	w.AppendRows(rows)
	var b strings.Builder
	for line := range strings.Lines(w.Render()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return t.write([]byte(b.String()))
}

// colour paints s, on a terminal that wants it.
func (t *tool) colour(c text.Color, s string) string {
	if !t.colours {
		return s
	}
	return c.EscapeSeq() + s + text.Reset.EscapeSeq()
}

// printable is b as it may be shown on a terminal, which must not be made to obey it.
func (y style) printable(b []byte) string {
	if y.hex {
		return hex.EncodeToString(b)
	}
	s := string(b)
	odd := func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }
	if !utf8.ValidString(s) || strings.IndexFunc(s, odd) >= 0 {
		return strconv.Quote(s)
	}
	return s
}

// raw is b for a program: its bytes, or a line of hexadecimal.
func (y style) raw(b []byte) []byte {
	if y.hex {
		return append(hex.AppendEncode(nil, b), '\n')
	}
	return b
}

// The encodings of bytes in JSON; none: the text itself.
const (
	encodingBase64 = "base64"
	encodingHex    = "hex"
)

// encoded is bytes in JSON: as text where they are, else in base64, or in hexadecimal where that was asked for; then
// encoding says so.
func (y style) encoded(b []byte) (value, encoding string) {
	switch {
	case y.hex:
		return hex.EncodeToString(b), encodingHex
	case utf8.Valid(b):
		return string(b), ""
	}
	return base64.StdEncoding.EncodeToString(b), encodingBase64
}
