package tidy

import (
	"go/ast"
	"path"
	"strconv"
	"strings"
)

// row is one package of the table. A folder below it that has no row of its own shares its layer and purity,
// and may be imported by it, never the other way: so the doors below server stand below server.
type row struct {
	path  string
	layer int
	pure  bool
}

// apart is the layer of what neither imports the product nor is imported by it.
const apart = -1

// table is the order of the house. A package imports only packages of strictly lower layers.
var table = []row{
	{"vclock", 0, true},
	{"ring", 0, true},
	{"wire", 1, true},
	{"storage", 1, true},
	{"coordinator", 2, true},
	{"antientropy", 2, true},
	{"hints", 2, true},
	{"replica", 3, true},
	{"gossip", 3, false},
	{"client", 4, false},
	{"datadir", 4, false},
	{"server/resp", 5, true},
	{"server", 5, false},
	{"sim", 5, false},
	{"sim/planted", 6, false},
	{"bench", 6, false},
	{"shoaltest", 6, false},
	{"cmd/shoal", 7, false},
	{"internal/ports", 0, false},
	{"internal/arena", 0, false},
	{"internal/session", 2, true},
	{"internal/tidy", apart, false},
}

// lookup finds the row of a package: its own, or that of the nearest folder above it.
func lookup(pkg string) (row, bool) {
	for ; pkg != "."; pkg = path.Dir(pkg) {
		for _, r := range table {
			if r.path == pkg {
				return r, true
			}
		}
	}
	return row{}, false
}

// checkLayers looks at what ships: a test may drive what stands above its package.
func (t *tree) checkLayers() {
	for _, p := range t.packages {
		from, ok := lookup(p.path)
		if !ok {
			t.found(p.files[0].name, 1, "package %s has no layer: add it to the table in internal/tidy/layers.go and to ARCHITECTURE.md", p.path)
			continue
		}
		for _, f := range p.files {
			if f.isTest() {
				continue
			}
			for _, spec := range f.ast.Imports {
				imported, ok := strings.CutPrefix(importPath(spec), module)
				to, known := lookup(imported)
				if !ok || !known || mayImport(p.path, from, imported, to) {
					continue
				}
				t.at(spec, "%s (layer %s) imports %s (layer %s): import only lower layers; pass what is needed as a parameter or an interface",
					p.path, layerName(from.layer), imported, layerName(to.layer))
			}
		}
	}
}

func mayImport(importer string, from row, imported string, to row) bool {
	if from.layer == apart || to.layer == apart {
		return false
	}
	return to.layer < from.layer || strings.HasPrefix(imported, importer+"/")
}

// checkArchitecture compares the package table that readers see with the tree: same packages, layers, purity.
func (t *tree) checkArchitecture() {
	const page = "ARCHITECTURE.md"
	text, ok := t.pages[page]
	if !ok {
		return
	}
	listed := map[string]bool{}
	for i, line := range strings.Split(text, "\n") {
		cells := tableCells(line)
		if len(cells) < 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		for j, name := range strings.Split(cells[1], "`") {
			if j%2 == 0 { // what stands between the quoted names
				continue
			}
			listed[name] = true
			want, known := lookup(name)
			switch {
			case !known || t.find(name) == nil:
				t.found(page, i+1, "package %s does not exist: list packages as they get something in them", name)
			case cells[0] != layerName(want.layer):
				t.found(page, i+1, "package %s is on layer %s: correct the row", name, layerName(want.layer))
			case (cells[len(cells)-1] == "yes") != want.pure:
				t.found(page, i+1, "package %s has pure=%t: correct the row (yes, or anything else)", name, want.pure)
			}
		}
	}
	for _, p := range t.packages {
		if !listed[p.path] {
			t.found(page, 1, "package %s is missing in the package table: add its row (layer, `package`, responsibility, pure)", p.path)
		}
	}
}

// tableCells splits a Markdown table row whose first cell is a layer; other lines have no cells.
func tableCells(line string) []string {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") {
		return nil
	}
	cells := strings.Split(strings.Trim(line, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	if _, err := strconv.Atoi(cells[0]); err != nil && cells[0] != layerName(apart) {
		return nil
	}
	return cells
}

func layerName(layer int) string {
	if layer == apart {
		return "–"
	}
	return strconv.Itoa(layer)
}

func importPath(spec *ast.ImportSpec) string {
	p, _ := strconv.Unquote(spec.Path.Value) // the parser has accepted it
	return p
}
