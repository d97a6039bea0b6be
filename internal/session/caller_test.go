package session_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// A caller comes from Authorize. No other code of the server makes one from fields: such a
// caller would have no valid token.
func TestCallersAreNotMade(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, root := range []string{"..", "../../cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				lit, ok := n.(*ast.CompositeLit)
				if !ok {
					return true
				}
				if made, ok := lit.Type.(*ast.SelectorExpr); ok && made.Sel.Name == "Caller" {
					if x, ok := made.X.(*ast.Ident); ok && x.Name == "session" {
						seen++
						if len(lit.Elts) > 0 {
							t.Errorf("%s makes a session.Caller from fields", set.Position(lit.Pos()))
						}
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen == 0 {
		t.Error("no session.Caller was found: this test reads the wrong files")
	}
}
