package main

import (
	"go/format"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func TestEveryBugIsCompleteAndStillApplies(t *testing.T) {
	bugs, err := readBugs(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(bugs) < 30 {
		t.Errorf("%d bugs are few", len(bugs))
	}
	said, changes := map[string]string{}, map[string]string{}
	for i := range bugs {
		b := &bugs[i]
		changed, err := b.patch(root)
		if err != nil {
			t.Error(err)
			continue
		}
		if other := said[b.what]; other != "" {
			t.Errorf("%s and %s say the same: %s", b.name, other, b.what)
		}
		said[b.what] = b.name
		all := ""
		for _, name := range slices.Sorted(maps.Keys(changed)) {
			if strings.HasPrefix(name, "sim/") || strings.HasSuffix(name, "_test.go") {
				t.Errorf("%s changes %s: plant bugs in what the simulator judges", b.name, name)
			}
			is, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
			if err != nil {
				t.Fatal(err)
			}
			if formatted, err := format.Source([]byte(changed[name])); err != nil || changed[name] == string(is) {
				t.Errorf("%s leaves %s as it is, or unformattable: %v", b.name, name, err)
			} else {
				all += name + string(formatted)
			}
		}
		if other := changes[all]; other != "" {
			t.Errorf("%s and %s are one change", b.name, other)
		}
		changes[all] = b.name
	}
}

func TestTheTableIsThatOfTheBugs(t *testing.T) {
	bugs, err := readBugs(root)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	_, rows, _, err := cut(string(text))
	if err != nil {
		t.Fatal(err)
	}
	want, has := strings.Split(table(bugs), "\n"), strings.Split(rows, "\n")
	for _, row := range want {
		if !slices.Contains(has, row) {
			t.Errorf("%s lacks the row %s", page, row)
		}
	}
	for _, row := range has {
		if !slices.Contains(want, row) {
			t.Errorf("%s has a row of no bug: %s", page, row)
		}
	}
}

const sample = `what: It does wrong.
breaks: I1 I2
seed: 17 I2

file: a/b.go
there:
	one: two
instead:
	three

there:
	four

	five
instead:

file: a/c.go
there:
six
instead:
seven
`

func TestABugIsReadAsItIsWritten(t *testing.T) {
	b, err := parseBug("sample", sample)
	if err != nil {
		t.Fatal(err)
	}
	if b.name != "sample" || b.what != "It does wrong." || !slices.Equal(b.breaks, []string{"I1", "I2"}) || b.seed != 17 || b.found != "I2" {
		t.Errorf("headers are read as %+v", b)
	}
	want := []edit{{"a/b.go", "\tone: two\n", "\tthree\n"}, {"a/b.go", "\tfour\n\n\tfive\n", ""}, {"a/c.go", "six\n", "seven\n"}}
	if !slices.Equal(b.edits, want) {
		t.Errorf("edits are read as %q", b.edits)
	}
}

func TestABugThatIsNotWholeIsRefusedAndNamed(t *testing.T) {
	for broken, says := range map[string]string{
		strings.Replace(sample, "what: It does wrong.\n", "", 1):                  "what: a sentence",
		strings.Replace(sample, "breaks: I1 I2\n", "", 1):                         "breaks: promises",
		strings.Replace(sample, "seed: 17 I2\n", "", 1):                           "seed: a seed and a promise",
		strings.Replace(sample, "17 I2", "17", 1):                                 `"17"`,
		strings.Replace(sample, "17 I2", "0 I2", 1):                               `"0 I2"`,
		strings.Replace(sample, "17 I2", "17 I3", 1):                              "a found promise that it is expected to break",
		strings.Replace(sample, "17 I2", noSeed, 1):                               "gap: why no seed finds it",
		strings.Replace(sample, "17 I2", "17 I2\ngap: A reason.", 1):              "no gap",
		strings.Replace(sample, "seed:", "sead:", 1):                              `"sead: 17 I2"`,
		strings.Replace(sample, "file: a/b.go\n", "", 1):                          "say first which file",
		strings.Replace(sample, "there:\n\tone: two\n", "", 1):                    "say first what is there",
		sample[:strings.Index(sample, "\nfile:")]:                                 "an edit",
		strings.Replace(sample, "instead:\n\tthree\n", "instead:\ninstead:\n", 1): "say first what is there",
	} {
		if _, err := parseBug("sample", broken); err == nil || !strings.Contains(err.Error(), "bug sample") || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is not said, but %v", says, err)
		}
	}
}

func TestAnEditAppliesOnceOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	const text = "package a\n\nvar one = 1\n\nvar two = 1\n"
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		there, instead, want, says string
	}{
		{"var one = 1\n", "var one = 2\n", "package a\n\nvar one = 2\n\nvar two = 1\n", ""},
		{"package a\n", "package b\n", "package b\n\nvar one = 1\n\nvar two = 1\n", ""},
		{"var one = 1\n\n", "", "package a\n\nvar two = 1\n", ""},
		{"var three = 1\n", "", "", "stands 0 times in a.go"},
		{"= 1\n", "", "", "stands 0 times in a.go"}, // no whole line
		{"\n", "", "", "stands 2 times in a.go"},
		{"var one = 1\n", "var one = 1\n", "", "changes nothing"},
		{"", "var one = 1\n", "", "changes nothing"},
		{"var one = 1\n", "var one\n", "", "no longer parses"},
	} {
		b := bug{name: "x", edits: []edit{{"a.go", x.there, x.instead}}}
		changed, err := b.patch(dir)
		switch {
		case x.says == "" && (err != nil || changed["a.go"] != x.want):
			t.Errorf("%q for %q: %q, %v", x.instead, x.there, changed["a.go"], err)
		case x.says != "" && (err == nil || !strings.Contains(err.Error(), "bug x: ") || !strings.Contains(err.Error(), x.says)):
			t.Errorf("%q for %q: %q is not said, but %v", x.instead, x.there, x.says, err)
		}
	}
}

func TestRecordingChangesTheSeedAndClosesTheGap(t *testing.T) {
	open := strings.Replace(sample, "17 I2", noSeed+"\ngap: A reason.", 1)
	for _, x := range []struct {
		text  string
		seed  uint64
		found string
		want  string
	}{
		{sample, 17, "I2", sample},
		{sample, 3, "I1", strings.Replace(sample, "17 I2", "3 I1", 1)},
		{sample, 0, "", strings.Replace(sample, "17 I2", noSeed, 1)},
		{open, 0, "", open},
		{open, 17, "I2", sample},
	} {
		if got := recorded(x.text, x.seed, x.found); got != x.want {
			t.Errorf("seed %d of %q is recorded as\n%s", x.seed, x.found, got)
		}
	}
}
