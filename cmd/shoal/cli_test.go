package main

import (
	"cmp"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/shoalcache/shoal/bench"
	"github.com/urfave/cli/v2"
)

// cells are the rows of the table under a heading of docs/CLI.md.
func cells(t *testing.T, heading string) [][]string {
	t.Helper()
	b, err := os.ReadFile("../../docs/CLI.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/CLI.md has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows [][]string
	for line := range strings.Lines(section) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "|") {
			row := strings.Split(strings.Trim(line, "|"), "|")
			for i := range row {
				row[i] = strings.Trim(strings.TrimSpace(row[i]), "`")
			}
			rows = append(rows, row)
		}
	}
	return rows[2:] // the head, and what is under it
}

func TestTheDocumentHasEveryCommandAsHelpShowsIt(t *testing.T) {
	var want, got [][]string
	for _, c := range new(tool).commands() {
		want = append(want, []string{c.Name, c.Usage})
	}
	for _, row := range cells(t, "Commands") {
		got = append(got, row[:2])
	}
	order := func(a, b []string) int { return cmp.Compare(a[0], b[0]) }
	slices.SortFunc(want, order)
	slices.SortFunc(got, order)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("docs/CLI.md has\n%q, the program\n%q", got, want)
	}
}

func TestTheDocumentHasEveryExitCode(t *testing.T) {
	var got []int
	for _, row := range cells(t, "Exit codes") {
		code, err := strconv.Atoi(row[0])
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, code)
	}
	want := []int{exitOK, exitNotFound, exitUsage, exitConnect, exitTimeout, exitQuorum, exitNotAllowed, exitOutput, exitNotMet, exitPipe}
	if !slices.Equal(got, want) {
		t.Errorf("docs/CLI.md has %v, the program %v", got, want)
	}
}

var (
	checks = regexp.MustCompile(`^(?:\[[^]]+\] )?(?:(?:says|until) (\d+) (?:'(?:[^']|'')*'|\S+) |exec )(.*)`)
	ran    = regexp.MustCompile(`\bshoal (?:--\S+ )?([a-z]+)\b`)
)

// TestEveryCommandEndsWithItsExitCodesInAScript holds the document against the scripts: what it says of a command is
// shown by one, and what one shows is said.
func TestEveryCommandEndsWithItsExitCodesInAScript(t *testing.T) {
	shown := map[string]map[int]bool{}
	names := map[string]string{}
	for _, c := range new(tool).commands() {
		shown[c.Name] = map[int]bool{}
		for _, name := range c.Names() {
			names[name] = c.Name
		}
	}
	scripts, err := filepath.Glob("testdata/script/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range scripts {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			check := checks.FindStringSubmatch(line)
			if check == nil || strings.Contains(check[2], "|") {
				continue // of a pipe only the last command's code is seen
			}
			code, _ := strconv.Atoi(check[1])
			if name := ran.FindStringSubmatch(check[2]); name != nil && names[name[1]] != "" {
				shown[names[name[1]]][code] = true
			}
		}
	}
	shown["status"][exitPipe] = true  // output.txt: by what bash saw of a pipe
	shown["sim"][exitNotFound] = true // simrun_test.go: by a plan of its own, since no seed breaks a promise
	for _, row := range cells(t, "Commands") {
		said := map[int]bool{}
		for text := range strings.FieldsSeq(row[2]) {
			code, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			if said[code] = true; !shown[row[0]][code] {
				t.Errorf("no script shows that %s exits with %d", row[0], code)
			}
		}
		for code := range shown[row[0]] {
			if !said[code] {
				t.Errorf("a script shows that %s exits with %d, and docs/CLI.md does not say so", row[0], code)
			}
		}
	}
}

// results are what commands print as JSON, each beside its table.
var results = map[string][]any{
	"get": {item{}, siblingList{}}, "incr": {counter{}}, "decr": {counter{}}, "append": {appended{}}, "mget": {found{}}, "exists": {found{}}, "ttl": {remaining{}}, "scan": {keyText{}},
	"set": {keyDone{}, replaced{}}, "del": {keyDone{}}, "mset": {keyDone{}}, "expire": {keyDone{}}, "persist": {keyDone{}},
	"export": {transferred{}, recordLine{}}, "import": {transferred{}},
	"status": {clusterStatus{}}, "hints": {hintReport{}, handedOver{}}, "repair": {repairReport{}, repaired{}}, "ring": {placement{}}, "where": {place{}}, "bench": {bench.Report{}, bench.ReplayReport{}, bench.HitRatioPoint{}}, "sim": {simulated{}, swept{}}, "dev": {demoTally{}},
	"ctx": {contextList{}, keyDone{}}, "namespace": {namespaceList{}, namespaceRow{}, keyDone{}}, "version": {build{}},
}

func TestEveryResultHasAJSONTwinWithUnitsInItsNames(t *testing.T) {
	for _, c := range new(tool).commands() {
		has := slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), "output") })
		if has != (results[c.Name] != nil) {
			t.Errorf("%s: --output %v, a result in JSON %v", c.Name, has, !has)
		}
		watched := slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), "watch") })
		for _, result := range results[c.Name] {
			if _, both := reflect.New(reflect.TypeOf(result)).Interface().(view); watched && !both {
				t.Errorf("%s: %T is JSON only", c.Name, result)
			}
			checkNames(t, c.Name, reflect.TypeOf(result))
		}
	}
}

var (
	measured = regexp.MustCompile(`_(s|ms|us|bytes|ratio|share|percent)$|_per_(second|hour)$`)
	// counted are the numbers that have no unit: how many, which one, or a part of 1.
	counted = regexp.MustCompile(`^(nodes|racks|replicas|keys|lines|slot|partition|partitions|share|conns|depth|requests|reads|hits|` +
		`misses|writes|sets|count|protocol|node|boot|map_hash|goroutines|mallocs|seconds|window|unique_keys|operations|` +
		`stale|corrupt|foreign|failed|lost|wrong|seed|seeds|from|clean|starved|acknowledged|faults|events|epoch|version|conflicts|entries|pending|stalled|compared|differing|given|merged|false_repairs)$|^(keys|entries|lines|nodes|partitions|hints|siblings|indeterminate|failed|checked)_[a-z_]+$`)
)

// checkNames wants a name with a unit for every number of a type.
func checkNames(t *testing.T, path string, typ reflect.Type) {
	t.Helper()
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice:
		checkNames(t, path, typ.Elem())
	case reflect.Struct:
		for f := range fields(typ) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous && name == "":
				checkNames(t, path, f.Type)
				continue
			case !f.IsExported() || name == "-":
				continue
			case name == "":
				t.Errorf("%s: %s of %v has no name in JSON", path, f.Name, typ)
				continue
			}
			kind := f.Type.Kind()
			if kind == reflect.Pointer {
				kind = f.Type.Elem().Kind()
			}
			if kind >= reflect.Int && kind <= reflect.Float64 && !measured.MatchString(name) && !counted.MatchString(name) {
				t.Errorf("%s: %s of %v is a number of what? Put its unit into the name", path, name, typ)
			}
			if !measured.MatchString(name) { // else what is in it is measured so, too
				checkNames(t, path+"."+name, f.Type)
			}
		}
	}
}

func fields(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if !yield(typ.Field(i)) {
				return
			}
		}
	}
}
