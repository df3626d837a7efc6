package main

import (
	"encoding/base64"
	"encoding/json"
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

// write puts b on standard output: a result that did not get there is a failure.
func (t *tool) write(b []byte) error {
	_, err := t.out.Write(b)
	return err
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
func printable(b []byte) string {
	s := string(b)
	odd := func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }
	if !utf8.ValidString(s) || strings.IndexFunc(s, odd) >= 0 {
		return strconv.Quote(s)
	}
	return s
}

// encoded is bytes in JSON: as text where they are, else in base64, and then encoding says so.
func encoded(b []byte) (value, encoding string) {
	if utf8.Valid(b) {
		return string(b), ""
	}
	return base64.StdEncoding.EncodeToString(b), "base64"
}
