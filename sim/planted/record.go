package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// This file owns what is written down of what was found: in the bugs' files and in a table of docs/TESTING.md.

const (
	page       = "docs/TESTING.md"
	tableBegin = "<!-- planted bugs: make planted-record writes this table -->\n"
	tableEnd   = "<!-- end of planted bugs -->\n"
)

// record writes what was found into the files of bugs, and the table of all bugs into the page. What did not do as
// expected is none of them: its file stays as it is, or no bug could be read any more.
func record(root string, bugs []bug) error {
	for i := range bugs {
		b := &bugs[i]
		name := filepath.Join(root, filepath.FromSlash(bugsDir), b.name+ending)
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name, []byte(recorded(string(text), b.seed, b.found)), 0o644)
		}
		if err != nil {
			return fmt.Errorf("planted: cannot record the seed of bug %s: %w", b.name, err)
		}
	}
	all, err := readBugs(root)
	if err != nil {
		return err
	}
	name := filepath.Join(root, filepath.FromSlash(page))
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("planted: cannot read the page with the table: %w", err)
	}
	before, _, after, err := cut(string(text))
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(before+table(all)+after), 0o644); err != nil {
		return fmt.Errorf("planted: cannot write the page with the table: %w", err)
	}
	return nil
}

// cut parts the page into what comes before the table, the table, and what comes after it.
func cut(text string) (before, rows, after string, err error) {
	before, rest, begins := strings.Cut(text, tableBegin)
	rows, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return "", "", "", errors.New("planted: " + page + " has no place for the table: put the lines " + strings.TrimSpace(tableBegin) + " and " + strings.TrimSpace(tableEnd) + " there")
	}
	return before + tableBegin, rows, tableEnd + after, nil
}

// table lists the bugs for readers.
func table(bugs []bug) string {
	var t strings.Builder
	t.WriteString("| bug | what it does wrong | found by seed | breaks |\n|---|---|---|---|\n")
	for i := range bugs {
		b := &bugs[i]
		seed, breaks := fmt.Sprint(b.seed), b.found
		if b.seed == 0 {
			seed, breaks = "not yet: "+b.gap, strings.Join(b.breaks, ", ")
		}
		fmt.Fprintf(&t, "| `%s` | %s | %s | %s |\n", b.name, b.what, seed, breaks)
	}
	return t.String()
}
