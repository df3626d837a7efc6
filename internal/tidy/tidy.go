package tidy

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// module is the path that every import of a package of this tree begins with.
const module = "github.com/shoalcache/shoal/"

// Finding is one place that breaks a rule. What says in one line what is wrong and what to do instead.
type Finding struct {
	File string
	Line int
	What string
}

// String shows the finding as "file:line: what", which editors can jump to.
func (f Finding) String() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.What) }

// Check reads the tree at the root of fsys and returns every finding, sorted by file and line. Modules of
// their own below it, testdata and folders that begin with "." or "_" are not part of the tree.
func Check(fsys fs.FS) ([]Finding, error) {
	t := &tree{fset: token.NewFileSet(), pages: map[string]string{}}
	if err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && outside(fsys, name):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		return t.read(fsys, name)
	}); err != nil {
		return nil, fmt.Errorf("tidy: cannot read the tree: %w", err)
	}
	t.checkLayers()
	t.checkArchitecture()
	t.checkPages()
	t.checkTargets()
	for _, p := range t.packages {
		t.checkName(p)
		t.checkDoc(p)
		if row, ok := lookup(p.path); ok && row.pure {
			t.checkPurity(p)
		}
		for _, f := range p.files {
			t.checkSize(f)
			t.checkComments(f)
			t.checkSleep(f)
		}
	}
	slices.SortFunc(t.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.What, b.What))
	})
	return t.findings, nil
}

// tree is what was read, and what was found in it.
type tree struct {
	fset     *token.FileSet
	packages []*pkg // in the order of their paths
	pages    map[string]string
	findings []Finding
}

// pkg is one folder with Go files; path is relative to the module.
type pkg struct {
	path  string
	files []*file
}

type file struct {
	name string
	ast  *ast.File
}

func (f *file) isTest() bool { return strings.HasSuffix(f.name, "_test.go") }

func (t *tree) read(fsys fs.FS, name string) error {
	isGo := path.Ext(name) == ".go"
	if !isGo && path.Ext(name) != ".md" && name != makefile {
		return nil
	}
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	if !isGo {
		t.pages[name] = string(src)
		return nil
	}
	parsed, err := parser.ParseFile(t.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.found(name, 1, "does not parse: %v", err)
		return nil
	}
	p := t.find(path.Dir(name))
	if p == nil {
		p = &pkg{path: path.Dir(name)}
		t.packages = append(t.packages, p)
	}
	p.files = append(p.files, &file{name: name, ast: parsed})
	return nil
}

func (t *tree) find(dir string) *pkg {
	for _, p := range t.packages {
		if p.path == dir {
			return p
		}
	}
	return nil
}

func (t *tree) found(file string, line int, format string, args ...any) {
	t.findings = append(t.findings, Finding{file, line, fmt.Sprintf(format, args...)})
}

// at reports a finding at a node of a parsed file.
func (t *tree) at(n ast.Node, format string, args ...any) {
	pos := t.fset.Position(n.Pos())
	t.found(pos.Filename, pos.Line, format, args...)
}

func outside(fsys fs.FS, dir string) bool {
	base := path.Base(dir)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := fs.Stat(fsys, path.Join(dir, "go.mod"))
	return err == nil
}
