package timbre_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// actionForm is a noun and a verb in the past, such as "origin.added".
var actionForm = regexp.MustCompile(`^[a-z]+(_[a-z]+)*\.([a-z]+_)*[a-z]*(ed|set|made)$`)

// TestActionsAreDocumented: docs/audit.md has every action of the audit log, and no other one.
func TestActionsAreDocumented(t *testing.T) {
	t.Parallel()
	actions := map[string]string{} // with the file that records it
	for _, top := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"timbre.example/internal/audit"` }) {
				return nil
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok { // the points of package crash have names of the same form
					if name, ok := call.Fun.(*ast.SelectorExpr); ok && name.Sel.Name == "Reached" {
						return false
					}
				}
				if pair, ok := n.(*ast.KeyValueExpr); ok {
					key, _ := pair.Key.(*ast.Ident)
					value, literal := pair.Value.(*ast.BasicLit)
					if key != nil && key.Name == "Action" && literal {
						if text, _ := strconv.Unquote(value.Value); !actionForm.MatchString(text) {
							t.Errorf("%s: the action %s is not a noun and a verb in the past", path, value.Value)
						}
					}
				}
				if value, ok := n.(*ast.BasicLit); ok && value.Kind == token.STRING {
					if text, _ := strconv.Unquote(value.Value); actionForm.MatchString(text) {
						actions[text] = path
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
	if len(actions) < 10 {
		t.Fatalf("found only %d actions", len(actions))
	}
	text, err := os.ReadFile("docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+\\.[a-z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		documented[m[1]] = true
	}
	for _, action := range slices.Sorted(maps.Keys(actions)) {
		if !documented[action] {
			t.Errorf("docs/audit.md lacks the action %s of %s", action, actions[action])
		}
		delete(documented, action)
	}
	for _, action := range slices.Sorted(maps.Keys(documented)) {
		t.Errorf("docs/audit.md has %s, which nothing records", action)
	}
}
