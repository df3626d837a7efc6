package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestThePageOfTestingHasEveryKindOfFaultAndOfBreach(t *testing.T) {
	page, err := os.ReadFile("../../docs/TESTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Real processes\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var rows, want []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\w+) \|`).FindAllStringSubmatch(section, -1) {
		rows = append(rows, m[1])
	}
	want = append(want, "fault")
	for _, k := range kinds {
		want = append(want, string(k))
	}
	for _, b := range breaches {
		want = append(want, string(b))
	}
	if !slices.Equal(rows, want) {
		t.Errorf("the page has %q, there are %q", rows, want)
	}
}
