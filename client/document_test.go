package client

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// rows are the cells of the table below a heading of docs/CLIENT.md, by the name in the first.
func rows(t *testing.T, heading string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("../docs/CLIENT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/CLIENT.md has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	found := map[string][]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i, name := range strings.Split(cells[0], "`") {
			if i%2 == 1 && len(cells) > 1 {
				found[name] = cells[1:]
			}
		}
	}
	return found
}

// exported are the names of the package's functions that return a type, and of its methods of KV and Client.
func exported(t *testing.T, returns string) []string {
	t.Helper()
	var names []string
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Results == nil {
				continue
			}
			if id, ok := f.Type.Results.List[0].Type.(*ast.Ident); ok && id.Name == returns {
				names = append(names, f.Name.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func TestTheDocumentHasEveryOptionWithItsDefault(t *testing.T) {
	for heading, returns := range map[string]string{"Options of Dial": "Option", "Options of a call": "CallOption"} {
		got := slices.Sorted(maps.Keys(rows(t, heading)))
		if want := exported(t, returns); !slices.Equal(got, want) {
			t.Errorf("%s: docs/CLIENT.md has\n%q, the package\n%q", heading, got, want)
		}
	}
	o := defaultOptions()
	for heading, defaults := range map[string]map[string]any{
		"Options of Dial": {
			"WithConns": o.conns, "WithInFlight": o.inFlight, "WithDialTimeout": o.dialTimeout, "WithRetries": o.retries, "WithHedging": o.hedging,
		},
		"Options of a call": {"WithTimeout": o.calls.timeout},
	} {
		table := rows(t, heading)
		for name, want := range defaults {
			if got := strings.TrimSpace(table[name][0]); got != fmt.Sprint(want) {
				t.Errorf("docs/CLIENT.md says that %s is %s by default, it is %v", name, got, want)
			}
		}
	}
}

func TestTheDocumentHasEveryCallAndEveryError(t *testing.T) {
	calls, methods := rows(t, "Calls"), map[string]bool{}
	for _, of := range []reflect.Type{reflect.TypeFor[KV](), reflect.TypeFor[*Client]()} {
		for m := range of.Methods() {
			if _, ok := calls[m.Name]; !ok && m.Name != "Close" && m.Name != "Counters" {
				t.Errorf("docs/CLIENT.md does not tell of %s", m.Name)
			}
			methods[m.Name] = true
		}
	}
	for name := range calls {
		if !methods[name] {
			t.Errorf("docs/CLIENT.md tells of %s, which is not there", name)
		}
	}
	failures := rows(t, "When something fails")
	for _, err := range []error{
		&ConnectError{}, &NotReadyError{}, &OverloadedError{}, &BadRequestError{}, &TooLargeError{}, &QuorumError{}, &OutOfMemoryError{}, &TimeoutError{},
		&InterruptedError{}, &InternalError{}, &NamespaceError{}, &MultiError{}, &RetryError{Err: ErrClosed},
	} {
		name := "*" + reflect.TypeOf(err).Elem().Name()
		row, ok := failures[name]
		if !ok {
			t.Errorf("docs/CLIENT.md does not tell of %s", name)
			continue
		}
		// What the table calls undone is never indeterminate, whatever is in it.
		v := reflect.ValueOf(err).Elem().FieldByName("Indeterminate")
		if undone := strings.TrimSpace(row[1]) == "was not done"; undone == v.IsValid() && name != "*MultiError" {
			t.Errorf("docs/CLIENT.md says of %s: %s", name, row[1])
		}
	}
}
