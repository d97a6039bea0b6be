// Command operations checks that errors which leave a package say what failed. Every exported
// function of the listed packages that returns an error either defers operation.Wrap, or
// returns only errors that say it themselves: those of fmt.Errorf and errors.New, refusals of
// package fault, sentinels, and those of another exported function of its package.
//
//	operations ROOT [PACKAGE …]
//
// It prints one line for each return that is neither, and exits with status 1. Methods of
// unexported types, and those that the standard library prescribes, are left out: their
// caller is in the package, or compares errors.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// packages are the packages whose errors are checked, without an argument. Those of
// internal/record name a column and its row.
var packages = []string{
	"internal/account", "internal/apikey", "internal/session", "internal/access", "internal/store", "internal/limit", "internal/credits", "internal/blob", "internal/space", "internal/web", "internal/api",
	"internal/intake", "internal/anchoring", "internal/works", "internal/issuing", "internal/erasing", "internal/claims", "internal/files", "internal/registry",
	"internal/timestamp", "internal/tracing", "internal/people", "internal/mail", "internal/openid", "internal/idempotency",
}

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	list := packages
	if len(os.Args) > 2 {
		list = os.Args[2:]
	}
	found := 0
	for _, dir := range list {
		n, err := check(filepath.Join(root, dir), os.Stdout)
		if err != nil {
			fmt.Fprintln(os.Stderr, "operations:", err)
			os.Exit(2)
		}
		found += n
	}
	if found > 0 {
		fmt.Printf("%d errors leave their package without their operation: begin the function with `defer operation.Wrap(&err, \"prepare job %%s\", id)`\n", found)
		os.Exit(1)
	}
}

// prescribed are methods whose errors the standard library or another module compares.
var prescribed = []string{
	"Close", "Error", "Unwrap", "Read", "ReadAt", "ReadFrom", "Seek", "Write", "WriteTo", "Scan", "Value",
	"Accept", "MarshalText", "UnmarshalText", "MarshalJSON", "UnmarshalJSON", "Shutdown", "ExportSpans",
}

// exempt are functions whose errors are their callers' own.
var exempt = map[string]string{
	"internal/store Tx":             "returns what its caller's function returned, or names the transaction itself",
	"internal/store One":            "like Tx",
	"internal/blob NewS3":           "its errors are about the options that its caller gave",
	"internal/account ParsePattern": "its errors are about the text that its caller gave",
	"internal/account CheckSiteKey": "like ParsePattern",
	"internal/access Registering":   "it only refuses, and reads nothing that can fail",
	"internal/access Listing":       "like Registering",
	"internal/web Take":             "like Registering: the refusal is its caller's",
	"internal/web EnterStream":      "like Registering",
	"internal/credits ParsePrices":  "like ParsePattern",
}

// check prints the unnamed errors of the package in dir, and counts them.
func check(dir string, out io.Writer) (found int, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return 0, err
	}
	if len(names) == 0 {
		return 0, fmt.Errorf("%s has no Go file", dir)
	}
	files := token.NewFileSet()
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return found, err
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && leaves(fn) && !wraps(fn) && exempt[packageOf(dir)+" "+fn.Name.Name] == "" {
				for _, at := range unnamed(fn) {
					found++
					fmt.Fprintf(out, "%s: %s returns an error without its operation\n", files.Position(at), fn.Name.Name)
				}
			}
		}
	}
	return found, nil
}

// leaves reports whether the error of a function leaves its package.
func leaves(fn *ast.FuncDecl) bool {
	if fn.Body == nil || !fn.Name.IsExported() || slices.Contains(prescribed, fn.Name.Name) || fn.Type.Results == nil {
		return false
	}
	if fn.Recv != nil && !ast.IsExported(typeName(fn.Recv.List[0].Type)) {
		return false
	}
	all := fn.Type.Results.List
	last, ok := all[len(all)-1].Type.(*ast.Ident)
	return ok && last.Name == "error"
}

// packageOf returns the path of a package in its module.
func packageOf(dir string) string {
	dir = filepath.ToSlash(dir)
	if i := strings.LastIndex(dir, "internal/"); i >= 0 {
		return dir[i:]
	}
	return dir
}

func typeName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return typeName(t.X)
	case *ast.IndexExpr:
		return typeName(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}

// wraps reports whether a function defers operation.Wrap before its first return.
func wraps(fn *ast.FuncDecl) bool {
	for _, s := range fn.Body.List {
		switch s := s.(type) {
		case *ast.DeferStmt:
			if sel, ok := s.Call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Wrap" {
				x, ok := sel.X.(*ast.Ident)
				return ok && x.Name == "operation"
			}
		case *ast.AssignStmt, *ast.DeclStmt:
		default:
			return false
		}
	}
	return false
}

// unnamed returns the places where a function returns an error that does not say what failed.
func unnamed(fn *ast.FuncDecl) (at []token.Pos) {
	receiver := ""
	if fn.Recv != nil && len(fn.Recv.List[0].Names) > 0 {
		receiver = fn.Recv.List[0].Names[0].Name
	}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit: // its errors go to the caller of the literal
			return false
		case *ast.ReturnStmt:
			if len(n.Results) == 0 || !says(n.Results[len(n.Results)-1], receiver) {
				at = append(at, n.Pos())
			}
		}
		return true
	})
	return at
}

// says reports whether an expression is nil or an error that says what failed.
func says(e ast.Expr, receiver string) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "nil" || strings.HasPrefix(e.Name, "Err") || strings.HasPrefix(e.Name, "err") && e.Name != "err" && !strings.HasPrefix(e.Name, "errs")
	case *ast.UnaryExpr: // &Stop{…}
		return e.Op == token.AND
	case *ast.CompositeLit:
		return true
	case *ast.SelectorExpr: // blob.ErrNotFound
		return strings.HasPrefix(e.Sel.Name, "Err")
	case *ast.CallExpr:
		return saysCall(e, receiver)
	}
	return false
}

func saysCall(call *ast.CallExpr, receiver string) bool {
	switch f := call.Fun.(type) {
	case *ast.Ident: // a function of the same package
		return f.IsExported()
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			switch {
			case x.Name == "fmt" && f.Sel.Name == "Errorf", x.Name == "errors" && f.Sel.Name == "New", x.Name == "fault":
				return true
			case x.Name == receiver: // another method of the same value
				return f.Sel.IsExported()
			}
			return false
		}
		inner, ok := f.X.(*ast.CallExpr) // fault.X().With(…)
		return ok && saysCall(inner, "")
	}
	return false
}
