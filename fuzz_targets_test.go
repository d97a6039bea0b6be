package timbre_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFuzzTargets: make fuzz runs every fuzz target of the repository, and each
// has seeds and something that it can fail for.
func TestFuzzTargets(t *testing.T) {
	listed, err := exec.Command("./scripts/fuzz", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			want = append(want, "./"+path+":"+f.Name.Name)
			calls := map[string]bool{}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					calls[s.Sel.Name] = true
				}
				return true
			})
			if !calls["Add"] || !calls["Fuzz"] {
				t.Errorf("%s: %s has no seeds, or no target", path, f.Name.Name)
			}
			if !calls["Error"] && !calls["Errorf"] && !calls["Fatal"] && !calls["Fatalf"] {
				t.Errorf("%s: %s fails for nothing but a panic", path, f.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(listed))
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 20 || !slices.Equal(got, want) {
		t.Errorf("make fuzz runs %d targets:\n%s\nof %d:\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
}
