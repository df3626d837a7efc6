package tidy

import (
	"go/ast"
	"path"
	"regexp"
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

// checkPages wants one title of each: a merge has made one page of two before.
func (t *tree) checkPages() {
	for name, text := range t.pages {
		if titles := titlesOf(text); path.Ext(name) == ".md" && len(titles) != 1 {
			t.found(name, 1, "%d titles, lines that begin with one #, want 1: let the others begin with two", len(titles))
		}
	}
	for name, most := range pageLinesMax {
		if n := strings.Count(t.pages[name], "\n"); n > most {
			t.found(name, n, "%d lines, at most %d: move what few need into docs/", n, most)
		}
	}
}

// titlesOf returns the lines of a page that are titles, and not in a block of code.
func titlesOf(page string) (titles []string) {
	code := false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "```") {
			code = !code
		} else if !code && strings.HasPrefix(line, "# ") {
			titles = append(titles, line)
		}
	}
	return titles
}

const makefile = "Makefile"

// rule is a target of the Makefile with a word for make help, alone on its line: a merge has made one line of two before.
var rule = regexp.MustCompile(`^([a-z0-9-]+):.* ## .`)

// checkTargets wants each name of .PHONY to have a rule that make help shows, and each of these to be named there.
func (t *tree) checkTargets() {
	phony, at := []string(nil), 1
	ruled := map[string]int{}
	n := 0
	for line := range strings.Lines(t.pages[makefile]) {
		n++
		if names, ok := strings.CutPrefix(line, ".PHONY:"); ok {
			phony, at = append(phony, strings.Fields(names)...), n
		}
		if m := rule.FindStringSubmatch(line); m != nil {
			ruled[m[1]] = n
		}
	}
	for _, name := range phony {
		if ruled[name] == 0 {
			t.found(makefile, at, "target %s has no rule with a help text: give it a line of its own, as in %s: ## what it does", name, name)
		}
		delete(ruled, name)
	}
	for name, n := range ruled {
		t.found(makefile, n, "target %s is not in .PHONY: name it there", name)
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
