package tidy

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheTreeKeepsTheRulesOfTheHouse(t *testing.T) {
	findings, err := Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

// pureDoc is the least doc.go that a pure package may have.
var pureDoc = "// Package x is a sample.\n//\n// " + strings.Join(docHeadings, "\n//\n// ") + "\n//\n" +
	strings.Repeat("// more\n", 4) + "package x\n"

const shellDoc = "// Package x is a sample.\npackage x\n"

// check runs the rules over a small tree, in which every package has a good doc.go unless files says otherwise.
func check(t *testing.T, files map[string]string) []string {
	t.Helper()
	fsys := fstest.MapFS{}
	for name := range files {
		if i := strings.LastIndex(name, "/"); i >= 0 && strings.HasSuffix(name, ".go") {
			doc := shellDoc
			if row, ok := lookup(name[:i]); ok && row.pure {
				doc = pureDoc
			}
			fsys[name[:i]+"/doc.go"] = &fstest.MapFile{Data: []byte(doc)}
		}
	}
	for name, src := range files {
		if src == "" {
			delete(fsys, name)
			continue
		}
		fsys[name] = &fstest.MapFile{Data: []byte(src)}
	}
	findings, err := Check(fsys)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range findings {
		out = append(out, f.String())
	}
	return out
}

// wantOne expects exactly one finding that begins with want, on one line, and says what to do.
func wantOne(t *testing.T, got []string, want string) {
	t.Helper()
	if len(got) != 1 || !strings.HasPrefix(got[0], want) {
		t.Errorf("got %q, want one finding that begins with %q", got, want)
		return
	}
	if rest := got[0][len(want):]; strings.Contains(got[0], "\n") || !strings.Contains(want+rest, ": ") || strings.Count(got[0], ": ") < 2 {
		t.Errorf("%q does not say on one line what to do", got[0])
	}
}

func wantNone(t *testing.T, got []string) {
	t.Helper()
	if len(got) != 0 {
		t.Errorf("findings in a tidy tree: %q", got)
	}
}

// Each body stands on line 3 and below of a file of ring, which is pure.
func TestPurityFindsWhatAPurePackageMustNotDo(t *testing.T) {
	const bad = "ring/bad.go:"
	for _, c := range []struct{ name, body, want string }{
		{"goroutine", "func f() {\n\tgo f()\n}", "4: goroutine"},
		{"channel type", "type t struct{ c chan int }", "3: channel in"},
		{"directed channel", "func f(c <-chan int) {}", "3: channel in"},
		{"channel send", "func f(c t) {\n\tc <- 1\n}\n\ntype t any", "4: channel send"},
		{"channel receive", "func f(c t) {\n\t<-c\n}\n\ntype t any", "4: channel receive"},
		{"select", "func f() {\n\tselect {}\n}", "4: select"},
		{"clock", "import \"time\"\n\nvar _ = time.Now", "5: time.Now"},
		{"timer", "import \"time\"\n\nfunc f() { time.NewTimer(time.Second) }", "5: time.NewTimer"},
		{"clock under another name", "import clock \"time\"\n\nvar _ = clock.Since", "5: clock.Since"},
		{"wait", "import \"time\"\n\nfunc f() { time.Sleep(1) }", "5: time.Sleep"},
		{"dot import", "import . \"time\"\n\nvar d = Duration(1)", "3: dot import of time"},
		{"global randomness", "import \"math/rand/v2\"\n\nfunc f() int { return rand.IntN(3) }", "5: rand.IntN"},
		{"printing", "import \"fmt\"\n\nfunc f() { fmt.Println() }", "5: fmt.Println"},
		{"built-in printing", "func f() { println() }", "3: println"},
		{"reaching through unsafe", "import \"unsafe\"\n\nvar _ unsafe.Pointer", "5: unsafe.Pointer"},
		{"variable assigned", "var x int\n\nfunc f() { x = 1 }", "5: package variable x is written"},
		{"variable assigned in init", "var x int\n\nfunc init() { x = 1 }", "5: package variable x is written"},
		{"variable assigned with an operator", "var x = 1\n\nfunc f() { x |= 2 }", "5: package variable x is written"},
		{"variable counted", "var x int\n\nfunc f() { x++ }", "5: package variable x is written"},
		{"table written", "var x = [2]int{1, 2}\n\nfunc f() { x[1] = 3 }", "5: package variable x is written"},
		{"table written deeply", "var x []struct{ y [2]int }\n\nfunc f() { (x[0]).y[1]-- }", "5: package variable x is written"},
		{"field written", "var x struct{ y int }\n\nfunc f() { x.y = 1 }", "5: package variable x is written"},
		{"pointee written", "var x = new(int)\n\nfunc f() { *x = 1 }", "5: package variable x is written"},
		{"written by range", "var x int\n\nfunc f() { for x = range 3 {\n} }", "5: package variable x is written"},
		{"address taken", "var x int\n\nfunc f() *int { return &x }", "5: package variable x has its address taken"},
		{"address of a part taken", "var x [2]int\n\nfunc f() *int { return &x[1] }", "5: package variable x has its address taken"},
		{"map emptied", "var x = map[int]int{}\n\nfunc f() { clear(x) }", "5: package variable x is written"},
		{"map thinned", "var x = map[int]int{}\n\nfunc f() { delete(x, 1) }", "5: package variable x is written"},
		{"copied into", "var x [2]int\n\nfunc f() { copy(x[:], x[1:]) }", "5: package variable x is written"},
		{
			"method that may write", "type t struct{}\n\nfunc (*t) set() {}\n\nvar x t\n\nfunc f() { x.set() }",
			"9: package variable x has a method called",
		},
		{
			"global source of its own", "import \"math/rand/v2\"\n\nvar x = rand.New(rand.NewPCG(1, 2))\n\nfunc f() int { return x.IntN(3) }",
			"7: package variable x has a method called",
		},
		{"another package's variable", "import \"io\"\n\nfunc f() { io.EOF = nil }", "5: a variable of package io is written"},
		{"written from another file's name", "func f() { shared = 1 }", "3: package variable shared is written"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantOne(t, check(t, map[string]string{
				"ring/bad.go":    "package x\n\n" + c.body + "\n",
				"ring/shared.go": "package x\n\nvar shared int\n",
			}), bad+c.want)
		})
	}
}

func TestPurityRefusesImportsThatOwnSomething(t *testing.T) {
	for _, name := range []string{
		"sync", "sync/atomic", "context", "net", "net/http", "os", "os/signal", "log", "log/slog", "runtime", "math/rand",
		"crypto/rand", "syscall", "hash/maphash", "github.com/cespare/xxhash/v2", "github.com/hashicorp/memberlist",
	} {
		wantOne(t, check(t, map[string]string{
			"ring/bad.go": fmt.Sprintf("package x\n\nimport _ %q\n", name),
		}), "ring/bad.go:3: import of "+name)
	}
}

func TestPurityAllowsTablesErrorsDurationsAndLocals(t *testing.T) {
	wantNone(t, check(t, map[string]string{"ring/good.go": `package x

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
	"unsafe"
)

var (
	errBad = errors.New("x: bad")
	table  = [...]int{1, 2, 3}
	byName = map[string]int{"a": 1}
	built  = build()
)

const wait = 3 * time.Second

const size = unsafe.Sizeof(table)

func build() (t [4]int) {
	for i := range t {
		t[i] = i
	}
	return t
}

func f(r *rand.Rand, d time.Duration) (int, error) {
	table := table // a local one may be written
	table[0]++
	p := &table
	p[1] = byName["a"] + built[1] + r.IntN(3)
	time := struct{ Now int }{1} // not the package
	for _, x := range table[1:] {
		time.Now += x
	}
	return time.Now, fmt.Errorf("%w: %s", errBad, errBad.Error())
}
`}))
}

func TestPurityLeavesShellsAndTestsAlone(t *testing.T) {
	const src = "package x\n\nimport \"sync\"\n\nvar x sync.Mutex\n\nfunc f() { go f(); x.Lock() }\n"
	wantNone(t, check(t, map[string]string{"gossip/shell.go": src, "ring/shell_test.go": src}))
}

func TestLayersRefuseAnImportOfTheSameOrAHigherLayer(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"wire", "vclock", true},
		{"replica", "ring", true},
		{"server", "gossip", true},
		{"server", "server/resp", true}, // a door stands below its server
		{"server/native", "client", true},
		{"server/native", "server", false},
		{"server/native", "server/resp", false},
		{"server", "bench", false},
		{"gossip", "client", false},
		{"cmd/shoal", "internal/tidy", false},
		{"internal/tidy", "gossip", false},
		{"gossip", "gossip", false},
	} {
		got := check(t, map[string]string{
			c.from + "/a.go": fmt.Sprintf("package x\n\nimport _ %q\n", module+c.to),
		})
		if c.ok {
			wantNone(t, got)
		} else {
			wantOne(t, got, c.from+"/a.go:3: "+c.from+" (layer ")
		}
	}
}

func TestLayersRefuseAPurePackageThatImportsAShell(t *testing.T) {
	got := check(t, map[string]string{"replica/a.go": "package x\n\nimport _ \"" + module + "nowhere\"\n"})
	wantOne(t, got, "replica/a.go:3: nowhere is not pure")
}

func TestLayersLetTestsDriveWhatStandsAbove(t *testing.T) {
	wantNone(t, check(t, map[string]string{
		"client/a_test.go": "package x\n\nimport _ \"" + module + "server\"\n",
	}))
}

func TestLayersWantEveryPackageInTheTable(t *testing.T) {
	wantOne(t, check(t, map[string]string{"cache/a.go": shellDoc}), "cache/a.go:1: package cache has no layer")
	wantNone(t, check(t, map[string]string{
		"e2e/go.mod": "module e2e\n", "e2e/cache/a.go": shellDoc, // a module of its own
		"gossip/testdata/a.go": "not Go", ".hidden/a.go": "not Go", "_old/a.go": "not Go",
		"e2e/doc.go": "", "e2e/cache/doc.go": "", "gossip/testdata/doc.go": "", ".hidden/doc.go": "", "_old/doc.go": "",
	}))
}

// architecture is a page whose table is right for a tree of ring, gossip and internal/tidy.
const architecture = `# Architecture

| layer | package | responsibility | pure |
|---|---|---|---|
| 0 | ` + "`ring`" + ` | Placement. | yes |
| 3 | ` + "`gossip`" + ` | Who is alive. | shell |
| – | ` + "`internal/tidy`" + ` | The rules. | – |

| number | word |
|---|---|
| 1 | ` + "`nothing to do with packages`" + ` |
`

func TestArchitectureListsWhatThereIsAsItIs(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"right", "", "", ""},
		{"wrong layer", "| 3 |", "| 2 |", "6: package gossip is on layer 3"},
		{"wrong purity", "| yes |", "| shell |", "5: package ring has pure=true"},
		{"impure said to be pure", "| shell |", "| yes |", "6: package gossip has pure=false"},
		{"missing row", "| 3 | `gossip` | Who is alive. | shell |\n", "", "1: package gossip is missing"},
		{"not there yet", "`ring`", "`ring`, `vclock`", "5: package vclock does not exist"},
		{"never heard of", "`ring`", "`ring`, `cache`", "5: package cache does not exist"},
		{"one row for two", "| 3 | `gossip`", "| 3 | `gossip`, `gossip`", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := check(t, map[string]string{
				"ring/a.go": "package x\n", "gossip/a.go": "package x\n", "internal/tidy/a.go": "package x\n",
				"ARCHITECTURE.md": strings.Replace(architecture, c.old, c.new, 1),
			})
			if c.want == "" {
				wantNone(t, got)
			} else {
				wantOne(t, got, "ARCHITECTURE.md:"+c.want)
			}
		})
	}
}

func TestShapeFindsWhatIsTooLongMissingOrVague(t *testing.T) {
	headless := strings.Replace(pureDoc, "# Invariants", "more", 1)
	swapped := strings.Replace(strings.Replace(pureDoc, "# Invariants", "# X", 1), "# How it is driven", "# Invariants", 1)
	for _, c := range []struct{ name, file, src, want string }{
		{"long file", "gossip/a.go", "package x\n" + strings.Repeat("\n", fileLinesMax), "gossip/a.go:501: 501 lines"},
		{"file that just fits", "gossip/a.go", "package x\n" + strings.Repeat("\n", fileLinesMax-1), ""},
		{"long test", "gossip/a_test.go", "package x\n" + strings.Repeat("\n", fileLinesMax), ""},
		{
			"long generated file", "gossip/a.go",
			"// Code generated by x. DO NOT EDIT.\n\npackage x\n" + strings.Repeat("\n", fileLinesMax), "",
		},
		{"doc without comment", "gossip/doc.go", "package x\n", "gossip/doc.go:1: no package comment"},
		{"short pure doc", "ring/doc.go", strings.Replace(pureDoc, "// more\n", "", 1), "ring/doc.go:14: 14 lines"},
		{
			"long pure doc", "ring/doc.go", strings.Replace(pureDoc, "// more\n", strings.Repeat("// more\n", 47), 1),
			"ring/doc.go:61: 61 lines",
		},
		{"pure doc that just fits", "ring/doc.go", pureDoc, ""},
		{"pure doc without a heading", "ring/doc.go", headless, "ring/doc.go:1: headings are"},
		{"pure doc with other headings", "ring/doc.go", swapped, "ring/doc.go:1: headings are"},
		{"vague package", "gossip/a.go", "package common\n", "gossip/a.go:1: package common says nothing"},
		{"vague folder", "gossip/util/a.go", "package x\n", "gossip/util/a.go:1: folder util says nothing"},
		{"README", "README.md", "# R\n" + strings.Repeat("x\n", 150), "README.md:151: 151 lines, at most 150"},
		{"README that just fits", "README.md", "# R\n" + strings.Repeat("x\n", 149), ""},
		{"ARCHITECTURE", "ARCHITECTURE.md", "# A\n" + strings.Repeat("x\n", 300), "ARCHITECTURE.md:301: 301 lines, at most 300"},
		{"two pages in one", "docs/A.md", "# A\n\n## B\n\n# A\n", "docs/A.md:1: 2 titles"},
		{"no title", "docs/A.md", "## B\n", "docs/A.md:1: 0 titles"},
		{"a comment in code", "docs/A.md", "# A\n\n```\n# B\n```\n", ""},
		{"not Go", "gossip/a.go", "package\n", "gossip/a.go:1: does not parse"},
		{
			"sleep in a test", "gossip/a_test.go", "package x\n\nimport \"time\"\n\nfunc f() { time.Sleep(1) }\n",
			"gossip/a_test.go:5: time.Sleep",
		},
		{
			"hidden sleep in a test", "gossip/a_test.go", "package x\n\nimport . \"time\"\n\nfunc f() { Sleep(1) }\n",
			"gossip/a_test.go:3: package time under another name",
		},
		{
			"sleep in a bubble", "gossip/a_test.go",
			"package x\n\nimport (\n\t\"testing/synctest\"\n\t\"time\"\n)\n\nfunc f() { synctest.Test(nil, func() { time.Sleep(1) }) }\n", "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := check(t, map[string]string{c.file: c.src})
			if c.want == "" {
				wantNone(t, got)
			} else {
				wantOne(t, got, c.want)
			}
		})
	}
	wantOne(t, check(t, map[string]string{"gossip/a.go": "package x\n", "gossip/doc.go": ""}), "gossip/a.go:1: package gossip has no doc.go")
}

func TestEveryTargetHasARuleAndAHelpTextOfItsOwn(t *testing.T) {
	for _, c := range []struct{ name, makefile, want string }{
		{"right", ".PHONY: a b\n\na: ## one\n\tgo\n\nb: a ## two\n", ""},
		{"two targets in one line", ".PHONY: a b\n\na b: ## both\n", "Makefile:1: target a has no rule"},
		{"no rule", "# x\n.PHONY: a\n", "Makefile:2: target a has no rule"},
		{"no help text", ".PHONY: a\na: ##\n\tgo ## x\n", "Makefile:1: target a has no rule"},
		{"help of another line", ".PHONY: a\na:\n\t## text\n", "Makefile:1: target a has no rule"},
		{"not named", ".PHONY: a\na: ## one\nb: ## two\n", "Makefile:3: target b is not in .PHONY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := check(t, map[string]string{"Makefile": c.makefile})
			if c.want == "" {
				wantNone(t, got)
			} else if wantOne(t, got[:min(len(got), 1)], c.want); len(got) > 2 {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestEveryExportedNameNeedsAComment(t *testing.T) {
	for src, want := range map[string]string{
		"func F() {}":                                            "3: exported F",
		"type t struct{}\n\ntype T struct{}":                     "5: exported T",
		"// T is.\ntype T struct{}\n\nfunc (t *T) M() {}":        "6: exported M",
		"// T is.\ntype T[K any] struct{}\n\nfunc (T[K]) M() {}": "6: exported M",

		"const C = 1":                                 "3: exported C",
		"var a, V = 1, 2":                             "3: exported V",
		"// Types are.\ntype (\n\tT int\n)":           "5: exported T",
		"type t struct{}\n\nfunc (t) M() {}":          "",
		"// These are.\nconst (\n\tC = 1\n\tD = 2\n)": "",
		"const (\n\tC = 1 // one\n)":                  "",
		"// T is.\ntype T struct{ F int }":            "",
		"type (\n\t// T is.\n\tT int\n)":              "",
	} {
		got := check(t, map[string]string{"gossip/a.go": "package x\n\n" + src + "\n"})
		if want == "" {
			wantNone(t, got)
		} else {
			wantOne(t, got, "gossip/a.go:"+want)
		}
	}
	wantNone(t, check(t, map[string]string{"cmd/shoal/a.go": "package main\n\nfunc F() {}\n"}))
	wantNone(t, check(t, map[string]string{"gossip/a_test.go": "package x\n\nfunc F() {}\n"}))
}

// Findings come sorted, whatever order the rules ran in: two runs of a broken tree can be compared.
func TestFindingsAreSorted(t *testing.T) {
	files := map[string]string{"README.md": "# R\n" + strings.Repeat("x\n", 150)}
	for _, p := range []string{"wire", "ring", "gossip"} {
		files[p+"/a.go"] = "package x\n\nfunc F() {}\n\nfunc G() {}\n"
	}
	got := check(t, maps.Clone(files))
	if len(got) != 7 || !slices.IsSorted(got) {
		t.Errorf("%q", got)
	}
}
