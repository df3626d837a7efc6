package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// bug is one change to the core that breaks a promise, as its file in bugs/ says it.
type bug struct {
	name   string   // of its file, without the ending
	what   string   // the change does wrong, in one sentence
	breaks []string // promises, any of which the simulator may name
	seed   uint64   // first that finds it; 0: none does
	found  string   // the promise that this seed breaks
	gap    string   // why no seed finds it
	edits  []edit
}

// edit is a text of a file of the module, and what stands there instead.
type edit struct {
	file, there, instead string // whole lines
}

const (
	ending  = ".txt"
	bugsDir = "sim/planted/bugs"
	noSeed  = "none"
)

// readBugs returns the bugs of the module at root, sorted by name, or every problem at once.
func readBugs(root string) ([]bug, error) {
	dir := filepath.Join(root, filepath.FromSlash(bugsDir))
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("planted: cannot list the bugs: %w", err)
	}
	var bugs []bug
	var problems []error
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			problems = append(problems, fmt.Errorf("planted: cannot read a bug: %w", err))
			continue
		}
		name, ok := strings.CutSuffix(f.Name(), ending)
		if !ok {
			problems = append(problems, fmt.Errorf("planted: %s is no bug: give it a name that ends with %s", f.Name(), ending))
			continue
		}
		b, err := parseBug(name, string(text))
		bugs, problems = append(bugs, b), append(problems, err)
	}
	return bugs, errors.Join(problems...)
}

// parseBug reads the text of a bug: its headers, then for each edit a file, unless it is that of the edit before,
// the lines that are there and those that replace them.
func parseBug(name, text string) (bug, error) {
	b := bug{name: name}
	problem := func(at int, format string, args ...any) error {
		return fmt.Errorf("planted: bug %s, line %d: %s", name, at+1, fmt.Sprintf(format, args...))
	}
	var file string
	var into *string // that takes the lines of an edit
	seeded := false
	for at, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		key, value, isHeader := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case line == "there:" && file == "":
			return b, problem(at, "say first which file it is in, as file: storage/put.go")
		case line == "there:":
			b.edits = append(b.edits, edit{file: file})
			into = &b.edits[len(b.edits)-1].there
		case line == "instead:" && (into == nil || into == &b.edits[len(b.edits)-1].instead):
			return b, problem(at, "say first what is there")
		case line == "instead:":
			into = &b.edits[len(b.edits)-1].instead
		case isHeader && key == "file":
			file, into = value, nil
		case into != nil:
			*into += line + "\n"
		case line == "":
		case isHeader && key == "what":
			b.what = value
		case isHeader && key == "breaks":
			b.breaks = strings.Fields(value)
		case isHeader && key == "gap":
			b.gap = value
		case isHeader && key == "seed":
			seeded = true
			if value == noSeed {
				continue
			}
			seed, found, ok := strings.Cut(value, " ")
			n, err := strconv.ParseUint(seed, 10, 64)
			if err != nil || n == 0 || !ok {
				return b, problem(at, "%q: use a seed and the promise that it breaks, as 17 I2, or %s", value, noSeed)
			}
			b.seed, b.found = n, found
		default:
			return b, problem(at, "%q: use what, breaks, seed, gap, file, there or instead", line)
		}
	}
	for i := range b.edits {
		b.edits[i].there, b.edits[i].instead = trimmed(b.edits[i].there), trimmed(b.edits[i].instead)
	}
	return b, b.complete(seeded)
}

// trimmed is the text without blank lines at its end, which part it from what follows.
func trimmed(text string) string {
	if text = strings.TrimRight(text, "\n"); text == "" {
		return ""
	}
	return text + "\n"
}

// complete reports what a bug lacks.
func (b *bug) complete(seeded bool) error {
	var lacks []string
	for _, x := range []struct {
		what string
		is   bool
	}{
		{"what: a sentence", !strings.HasSuffix(b.what, ".")},
		{"breaks: promises", len(b.breaks) == 0},
		{"seed: a seed and a promise, or " + noSeed, !seeded},
		{"gap: why no seed finds it", seeded && b.seed == 0 && b.gap == ""},
		{"no gap: a seed finds it", b.seed != 0 && b.gap != ""},
		{"an edit", len(b.edits) == 0},
		{"a found promise that it is expected to break", b.seed != 0 && !slices.Contains(b.breaks, b.found)},
	} {
		if x.is {
			lacks = append(lacks, x.what)
		}
	}
	if lacks == nil {
		return nil
	}
	return fmt.Errorf("planted: bug %s lacks %s", b.name, strings.Join(lacks, "; "))
}

// recorded is the text of a bug with what a sweep found: a seed and the promise it broke, or seed 0. A gap that a
// seed has closed goes.
func recorded(text string, seed uint64, found string) string {
	header := "seed: " + noSeed
	if seed != 0 {
		header = fmt.Sprintf("seed: %d %s", seed, found)
	}
	var kept []string
	inHeaders := true
	for line := range strings.Lines(text) {
		inHeaders = inHeaders && line != "there:\n"
		switch {
		case inHeaders && strings.HasPrefix(line, "seed:"):
			kept = append(kept, header+"\n")
		case inHeaders && strings.HasPrefix(line, "gap:") && seed != 0:
		default:
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
