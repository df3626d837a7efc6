package tidy

import (
	"go/ast"
	"path"
	"slices"
	"strings"
)

const fileLinesMax = 500

// pageLinesMax bounds the pages that everyone reads.
var pageLinesMax = map[string]int{"README.md": 150, "ARCHITECTURE.md": 300}

// vagueNames say nothing about what is inside.
var vagueNames = []string{"util", "common", "types", "base", "helpers", "pkg"}

// docHeadings is the shape of a pure package's doc.go, in this order.
var docHeadings = []string{
	"# What it decides", "# What it promises and what it does not", "# How it is driven", "# Invariants",
}

const (
	docLinesMin = 15
	docLinesMax = 60
)

func (t *tree) checkPages() {
	for name, text := range t.pages {
		if n := strings.Count(text, "\n"); n > pageLinesMax[name] {
			t.found(name, n, "%d lines, at most %d: move what few need into docs/", n, pageLinesMax[name])
		}
	}
}

func (t *tree) checkName(p *pkg) {
	for _, part := range strings.Split(p.path, "/") {
		if slices.Contains(vagueNames, part) {
			t.found(p.files[0].name, 1, "folder %s says nothing of what is inside: name it after what it owns", part)
		}
	}
	for _, f := range p.files {
		if slices.Contains(vagueNames, f.ast.Name.Name) {
			t.at(f.ast.Name, "package %s says nothing of what is inside: name it after what it owns", f.ast.Name.Name)
		}
	}
}

func (t *tree) checkDoc(p *pkg) {
	i := slices.IndexFunc(p.files, func(f *file) bool { return path.Base(f.name) == "doc.go" })
	if i < 0 {
		t.found(p.files[0].name, 1, "package %s has no doc.go: say there what it is for", p.path)
		return
	}
	doc := p.files[i]
	if doc.ast.Doc == nil {
		t.found(doc.name, 1, "no package comment: say what the package is for")
		return
	}
	if row, ok := lookup(p.path); !ok || !row.pure {
		return
	}
	if n := t.lines(doc); n < docLinesMin || n > docLinesMax {
		t.found(doc.name, n, "%d lines, %d to %d for a pure package: say what it decides, promises, and how it is driven", n, docLinesMin, docLinesMax)
	}
	var headings []string
	for line := range strings.Lines(doc.ast.Doc.Text()) {
		if strings.HasPrefix(line, "# ") {
			headings = append(headings, strings.TrimSpace(line))
		}
	}
	if !slices.Equal(headings, docHeadings) {
		t.found(doc.name, 1, "headings are %q: a pure package has exactly %q", headings, docHeadings)
	}
}

func (t *tree) checkSize(f *file) {
	if n := t.lines(f); n > fileLinesMax && !f.isTest() && !ast.IsGenerated(f.ast) {
		t.found(f.name, n, "%d lines, at most %d: find the second noun in it and give that a file", n, fileLinesMax)
	}
}

func (t *tree) lines(f *file) int { return t.fset.File(f.ast.FileStart).LineCount() }

// checkComments wants a comment on every exported name that other packages can reach. A group of constants
// or variables may share one; a type may not.
func (t *tree) checkComments(f *file) {
	if f.isTest() || ast.IsGenerated(f.ast) || f.ast.Name.Name == "main" {
		return
	}
	for _, decl := range f.ast.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() && reachable(d.Recv) {
				t.uncommented(d.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() && s.Doc == nil && (d.Doc == nil || d.Lparen.IsValid()) {
						t.uncommented(s.Name)
					}
				case *ast.ValueSpec:
					for _, name := range s.Names {
						if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
							t.uncommented(name)
						}
					}
				}
			}
		}
	}
}

func (t *tree) uncommented(name *ast.Ident) {
	t.at(name, "exported %s has no comment: a sentence with shapes, units, errors, and who owns a slice", name.Name)
}

// reachable reports whether a receiver's type is exported, or there is none.
func reachable(recv *ast.FieldList) bool {
	if recv == nil {
		return true
	}
	x := recv.List[0].Type
	for {
		switch y := x.(type) {
		case *ast.StarExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.IndexListExpr:
			x = y.X
		case *ast.Ident:
			return y.IsExported()
		default:
			return false
		}
	}
}

// checkSleep finds tests that wait for a machine. In a synctest bubble time is virtual, and Sleep is how it passes.
func (t *tree) checkSleep(f *file) {
	if !f.isTest() {
		return
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			return !isSelector(n.Fun, "synctest", "Test")
		case *ast.SelectorExpr:
			if isSelector(n, "time", "Sleep") {
				t.at(n, "time.Sleep in a test: wait for a condition, or use a synctest bubble")
			}
		case *ast.ImportSpec:
			if importPath(n) == "time" && n.Name != nil {
				t.at(n, "package time under another name in a test: import it as time, so that sleeps are seen")
			}
		}
		return true
	})
}

func isSelector(x ast.Expr, pkg, name string) bool {
	s, ok := x.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	of, ok := s.X.(*ast.Ident)
	return ok && of.Name == pkg
}
