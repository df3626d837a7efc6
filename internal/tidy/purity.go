package tidy

import (
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strings"
)

// pureImports is what a pure package may import besides pure packages: nothing that owns a clock, a lock, a
// socket, a file, or randomness. A list of names narrows an import to these; everything is for nil.
var pureImports = map[string][]string{
	"bytes": nil, "cmp": nil, "errors": nil, "hash": nil, "io": nil, "iter": nil, "maps": nil, "math": nil,
	"math/bits": nil, "slices": nil, "sort": nil, "strconv": nil, "strings": nil, "unicode": nil, "unicode/utf8": nil,
	"container/heap": nil, "container/list": nil, "encoding": nil, "encoding/binary": nil, "encoding/hex": nil,
	"hash/crc32": nil, // file formats; placement and index hashes are handed in
	"fmt": {
		"Append", "Appendf", "Appendln", "Errorf", "Formatter", "Fprint", "Fprintf", "Fprintln", // into a builder
		"Sprint", "Sprintf", "Sprintln", "State", "Stringer",
	},
	"math/rand/v2": {"New", "NewPCG", "PCG", "Rand", "Source"}, // seeded and handed in, never the global source
	"time": {
		"Duration", "Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour",
	},
	"unsafe":                            {"Alignof", "Offsetof", "Sizeof"}, // to count bytes, not to reach them
	"github.com/vmihailenco/msgpack/v5": nil,                               // the cold documents of wire
}

// checkPurity holds a pure package to it: no goroutine, channel, clock or lock, and no variable written after init.
func (t *tree) checkPurity(p *pkg) {
	var files []*ast.File
	for _, f := range p.files {
		if !f.isTest() {
			files = append(files, f.ast)
		}
	}
	names := &types.Info{Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	// Imports are left empty: errors are the compiler's matter, the names of this package are what is wanted.
	config := types.Config{Importer: emptyImporter{}, Error: func(error) {}}
	checked, _ := config.Check(module+p.path, t.fset, files, names)
	c := purity{t, names, checked}
	for _, f := range files {
		for _, spec := range f.Imports {
			c.checkImport(spec)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			c.checkNode(n)
			return true
		})
	}
}

// emptyImporter gives every import its name and nothing in it.
type emptyImporter struct{}

func (emptyImporter) Import(p string) (*types.Package, error) {
	name := path.Base(p)
	if len(name) > 1 && name[0] == 'v' && strings.Trim(name[1:], "0123456789") == "" {
		name = path.Base(path.Dir(p)) // a major version, as in math/rand/v2
	}
	empty := types.NewPackage(p, name)
	empty.MarkComplete()
	return empty, nil
}

type purity struct {
	*tree
	names *types.Info
	pkg   *types.Package
}

func (c *purity) checkImport(spec *ast.ImportSpec) {
	name := importPath(spec)
	if spec.Name != nil && spec.Name.Name == "." {
		c.at(spec, "dot import of %s: import it by name", name)
	}
	if own, ok := strings.CutPrefix(name, module); ok {
		if to, known := lookup(own); !known || !to.pure {
			c.at(spec, "%s is not pure: let the shell call it and hand in the result", own)
		}
		return
	}
	if _, ok := pureImports[name]; !ok {
		c.at(spec, "import of %s in a pure package: hand in what it gives, or, if it owns no clock, lock, file or socket, add it to pureImports", name)
	}
}

func (c *purity) checkNode(n ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		c.at(n, "goroutine in a pure package: append to the effects, the shell runs them")
	case *ast.ChanType:
		c.at(n, "channel in a pure package: return a value, or append to the effects")
	case *ast.SendStmt:
		c.at(n, "channel send in a pure package: append to the effects")
	case *ast.SelectStmt:
		c.at(n, "select in a pure package: take the event as a parameter")
	case *ast.SelectorExpr:
		c.checkSelector(n)
	case *ast.UnaryExpr:
		switch n.Op {
		case token.ARROW:
			c.at(n, "channel receive in a pure package: take the event as a parameter")
		case token.AND:
			c.checkWrite(n.X, "has its address taken")
		}
	case *ast.AssignStmt:
		for _, x := range n.Lhs {
			c.checkWrite(x, "is written")
		}
	case *ast.IncDecStmt:
		c.checkWrite(n.X, "is written")
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			c.checkWrite(n.Key, "is written")
			c.checkWrite(n.Value, "is written")
		}
	case *ast.CallExpr:
		c.checkCall(n)
	}
}

// checkSelector looks at pkg.Name where only some names of the package are allowed.
func (c *purity) checkSelector(n *ast.SelectorExpr) {
	x, ok := n.X.(*ast.Ident)
	if !ok {
		return
	}
	of, ok := c.names.Uses[x].(*types.PkgName)
	if !ok {
		return
	}
	name := of.Imported().Path()
	if allowed := pureImports[name]; allowed != nil && !slices.Contains(allowed, n.Sel.Name) {
		c.at(n, "%s.%s in a pure package: take what it gives as a parameter (allowed of %s: %s)",
			x.Name, n.Sel.Name, name, strings.Join(allowed, ", "))
	}
}

// checkCall finds the calls that write to their first argument or receiver, and those that print.
func (c *purity) checkCall(n *ast.CallExpr) {
	switch fun := n.Fun.(type) {
	case *ast.Ident:
		builtin, ok := c.names.Uses[fun].(*types.Builtin)
		if !ok {
			return
		}
		switch builtin.Name() {
		case "print", "println":
			c.at(n, "%s in a pure package: return what there is to say", builtin.Name())
		case "clear", "copy", "delete":
			c.checkWrite(n.Args[0], "is written")
		}
	case *ast.SelectorExpr:
		selected := c.names.Selections[fun]
		if selected == nil { // pkg.Func, or a method of a type from an import, which is not known to only read
			if x, ok := fun.X.(*ast.Ident); ok && c.isPackageVariable(x) && fun.Sel.Name != "Error" {
				c.checkWrite(x, "has a method called that may write it")
			}
			return
		}
		if selected.Kind() != types.MethodVal {
			return
		}
		signature := selected.Obj().Type().(*types.Signature)
		if _, pointer := signature.Recv().Type().(*types.Pointer); pointer {
			c.checkWrite(fun.X, "has a method called that may write it")
		}
	}
}

// isPackageVariable reports whether x names a variable of this package, not one of a function.
func (c *purity) isPackageVariable(x *ast.Ident) bool {
	v, ok := c.names.Uses[x].(*types.Var)
	return ok && v.Parent() == c.pkg.Scope()
}

// checkWrite reports x if it is a package variable, or a part of one: of this package or another.
func (c *purity) checkWrite(x ast.Expr, how string) {
	for {
		switch y := x.(type) {
		case *ast.ParenExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.SliceExpr:
			x = y.X
		case *ast.StarExpr:
			x = y.X
		case *ast.SelectorExpr:
			x = y.X
		case *ast.Ident:
			if _, ok := c.names.Uses[y].(*types.PkgName); ok {
				c.at(y, "a variable of package %s %s: keep state in a struct that the caller owns", y.Name, how)
			} else if c.isPackageVariable(y) {
				c.at(y, "package variable %s %s: compute tables in their declaration, keep state in a struct that the caller owns", y.Name, how)
			}
			return
		default:
			return
		}
	}
}
