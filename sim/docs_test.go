package sim

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

func TestThePageOfTestingHasEveryFaultAndEveryChecker(t *testing.T) {
	page, err := os.ReadFile("../docs/TESTING.md")
	if err != nil {
		t.Fatal(err)
	}
	var faults []string
	for k := range faultKinds {
		faults = append(faults, k.String())
	}
	checkers, err := filepath.Glob("check_*.go")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(checkers)
	for what, c := range map[string]struct {
		rows *regexp.Regexp
		want []string
	}{
		"faults":   {regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| [^|]+ \\|$"), faults},
		"checkers": {regexp.MustCompile("(?m)^\\| `(check_[a-z0-9_]+\\.go)` \\|"), checkers},
	} {
		var listed []string
		for _, row := range c.rows.FindAllStringSubmatch(string(page), -1) {
			listed = append(listed, row[1])
		}
		slices.Sort(listed)
		slices.Sort(c.want)
		if !slices.Equal(listed, c.want) {
			t.Errorf("%s: the page lists %v, there are %v", what, listed, c.want)
		}
	}
}
