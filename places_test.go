package timbre_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The tests of this file need no database, no browser and no network. Each finds a place
// that a change forgot, and names it. CONTRIBUTING.md ("Adding …") lists the places.

// Every code of the catalogue is raised by its real cause: internal/e2e has a row for it.
func TestEveryCodeIsRaised(t *testing.T) {
	t.Parallel()
	_, catalogue := readTree(t, "catalogue.json")
	var rows []struct{ Code string }
	if err := json.Unmarshal([]byte(catalogue), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) < 40 {
		t.Fatalf("the catalogue has %d codes", len(rows))
	}
	names := map[string]string{} // code by constant
	_, generated := readTree(t, "codes_gen.go")
	for _, m := range regexp.MustCompile(`(?m)^\s*(Code\w+)\s+Code = "([^"]+)"`).FindAllStringSubmatch(generated, -1) {
		names[m[1]] = m[2]
	}
	where, table := readTree(t, "codes_test.go")
	file, err := parser.ParseFile(token.NewFileSet(), where, table, 0)
	if err != nil {
		t.Fatal(err)
	}
	raised := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if pair, ok := n.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "code" {
				if value, ok := pair.Value.(*ast.SelectorExpr); ok {
					raised[names[value.Sel.Name]] = true
				}
			}
		}
		return true
	})
	_, document := readTree(t, "errors.md")
	constants := map[string]bool{}
	for _, code := range names {
		constants[code] = true
	}
	for _, r := range rows {
		if !constants[r.Code] || !strings.Contains(document, "`"+r.Code+"`") {
			t.Errorf("%s: the generated files lack it: run make generate", r.Code)
			continue
		}
		if !raised[r.Code] {
			t.Errorf("%s: %s has no row that raises it by its real cause", r.Code, where)
		}
	}
}

// Every route that docs/authentication.md lists is explained in docs/api.md. A test of
// cmd/timbre compares that list with the routes of a server.
func TestEveryRouteIsExplained(t *testing.T) {
	t.Parallel()
	_, section, ok := strings.Cut(read(t, "docs/authentication.md"), "## Allowed callers\n")
	section, _, found := strings.Cut(section, "| who calls |")
	if !ok || !found {
		t.Fatal("docs/authentication.md has no list of routes")
	}
	// A path in docs/api.md may have a query, a group {a,b}, and … for its beginning.
	var explained []*regexp.Regexp
	for _, m := range regexp.MustCompile("`(?:[A-Z]+ )?(…?/[^`?]*)[^`]*`").FindAllStringSubmatch(read(t, "docs/api.md"), -1) {
		pattern := regexp.QuoteMeta(m[1])
		pattern = strings.Replace(pattern, "…", `/v1/\S+`, 1)
		pattern = regexp.MustCompile(`\\\{([^}]*)\\\}`).ReplaceAllStringFunc(pattern, func(group string) string {
			names := strings.TrimSuffix(strings.TrimPrefix(group, `\{`), `\}`)
			if strings.Contains(names, ",") {
				return "(" + strings.ReplaceAll(names, ",", "|") + ")"
			}
			return `\{[^/]*\}`
		})
		explained = append(explained, regexp.MustCompile("^"+pattern+"$"))
	}
	_, byKey, ok := strings.Cut(read(t, "docs/authentication.md"), "## Allowed API keys\n")
	if !ok {
		t.Fatal("docs/authentication.md has no list of routes for API keys")
	}
	byKey, _, _ = strings.Cut(byKey, "\n## ")
	section += byKey
	routes := 0
	for _, m := range regexp.MustCompile("`(?:[A-Z]+) (/[^`]*)`").FindAllStringSubmatch(section, -1) {
		routes++
		if !slices.ContainsFunc(explained, func(e *regexp.Regexp) bool { return e.MatchString(m[1]) }) {
			t.Errorf("%s: docs/api.md does not explain it", m[1])
		}
	}
	if routes < 30 {
		t.Errorf("docs/authentication.md lists %d routes", routes)
	}
}

// Every flag of the command line is read somewhere.
func TestEveryFlagIsRead(t *testing.T) {
	t.Parallel()
	flags := map[string]string{} // field: its file
	reads := map[string]bool{}
	for _, path := range find(t, func(path string) bool {
		return strings.HasPrefix(path, "cmd/timbre/") && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go")
	}) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		written := map[ast.Expr]bool{}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				for _, name := range n.Names {
					if n.Tag != nil && strings.Contains(n.Tag.Value, `help:"`) && !strings.Contains(n.Tag.Value, `cmd:""`) && !strings.Contains(n.Tag.Value, `arg:""`) {
						flags[name.Name] = path
					}
				}
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					written[left] = true
				}
			case *ast.SelectorExpr:
				if !written[n] {
					reads[n.Sel.Name] = true
				}
			}
			return true
		})
	}
	for name, path := range flags {
		if !reads[name] {
			t.Errorf("%s: no code reads the flag %s", path, name)
		}
	}
	if len(flags) < 60 {
		t.Errorf("%d flags", len(flags))
	}
}

// Every column with personal data is erased by a query, checked by registrytest, and listed
// in docs/privacy.md. The test TestEveryColumnHasAPlace demands a class for every column.
func TestPersonalColumnsAreErased(t *testing.T) {
	t.Parallel()
	classes := columnClasses(t)
	queries := "" // that erase
	for _, path := range find(t, func(path string) bool { return strings.Contains(path, "store/queries/") }) {
		for _, one := range strings.Split(read(t, path), "-- name: ") {
			if strings.HasPrefix(one, "Redact") || strings.HasPrefix(one, "Drop") {
				queries += one
			}
		}
	}
	checked := ""
	for _, path := range find(t, func(path string) bool {
		return strings.Contains(path, "registrytest/") && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go")
	}) {
		checked += read(t, path)
	}
	_, document, _ := strings.Cut(read(t, "docs/privacy.md"), "### Erased columns\n")
	document, _, _ = strings.Cut(document, "\n#")
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (.*) \\|$").FindAllStringSubmatch(document, -1) {
		documented[m[1]] = m[2]
	}
	personal := 0
	for table, list := range classes {
		var erased []string
		for _, one := range strings.Fields(list) {
			if column, class, _ := strings.Cut(one, ":"); class == "erased" {
				erased = append(erased, column)
			}
		}
		personal += len(erased)
		// The rows of a work, or those of the work's rows in another table.
		deleted := regexp.MustCompile(`DELETE FROM ` + table + ` WHERE ((?:` + table + `\.)?work_id|\w+ IN \(SELECT (\w+)\.\w+ FROM \w+ \w+ WHERE \w+\.work_id) `).MatchString(queries)
		update, _, _ := strings.Cut(cutAfter(queries, "UPDATE "+table+" SET "), ";")
		want := "`" + strings.Join(erased, "`, `") + "`"
		if deleted {
			want = "the whole row"
		}
		if len(erased) > 0 && documented[table] != want {
			t.Errorf("%s: docs/privacy.md (\"Erased columns\") should have | `%s` | %s |", table, table, want)
		}
		for _, column := range erased {
			word := regexp.MustCompile(`\b` + column + `\b`)
			if !deleted && !regexp.MustCompile(`\b`+column+` = `).MatchString(update) {
				t.Errorf("%s.%s: no query Redact… of internal/store/queries erases it", table, column)
			}
			if !deleted && !word.MatchString(checked) {
				t.Errorf("%s.%s: registrytest does not check that it is erased", table, column)
			}
		}
	}
	if personal < 20 {
		t.Errorf("%d personal columns", personal)
	}
	for table := range documented {
		if !strings.Contains(classes[table], ":erased") {
			t.Errorf("docs/privacy.md: %s has no erased column", table)
		}
	}
}

// Every table has a generated Go type with exactly its columns.
func TestEveryColumnIsGenerated(t *testing.T) {
	t.Parallel()
	path, models := readTree(t, "models.go")
	file, err := parser.ParseFile(token.NewFileSet(), path, models, 0)
	if err != nil {
		t.Fatal(err)
	}
	generated := map[string]bool{} // the sorted fields of each type
	ast.Inspect(file, func(n ast.Node) bool {
		if typ, ok := n.(*ast.StructType); ok {
			var fields []string
			for _, f := range typ.Fields.List {
				fields = append(fields, strings.ToLower(f.Names[0].Name))
			}
			slices.Sort(fields)
			generated[strings.Join(fields, " ")] = true
		}
		return true
	})
	for table, list := range columnClasses(t) {
		var columns []string
		for _, one := range strings.Fields(list) {
			column, _, _ := strings.Cut(one, ":")
			columns = append(columns, strings.ReplaceAll(column, "_", ""))
		}
		slices.Sort(columns)
		if !generated[strings.Join(columns, " ")] {
			t.Errorf("%s: no type of %s has its columns: run make generate", table, path)
		}
	}
}

func cutAfter(s, mark string) string {
	_, after, _ := strings.Cut(s, mark)
	return after
}

// columnClasses returns the map of the test TestEveryColumnHasAPlace.
func columnClasses(t *testing.T) map[string]string {
	t.Helper()
	for _, path := range find(t, func(path string) bool { return strings.HasSuffix(path, "redact_test.go") }) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		classes := map[string]string{}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || spec.Names[0].Name != "columns" || len(spec.Values) != 1 {
				return true
			}
			list, ok := spec.Values[0].(*ast.CompositeLit)
			for i := 0; ok && i < len(list.Elts); i++ {
				pair, isPair := list.Elts[i].(*ast.KeyValueExpr)
				if !isPair {
					continue
				}
				key, isKey := pair.Key.(*ast.BasicLit)
				value, isValue := pair.Value.(*ast.BasicLit)
				if isKey && isValue {
					name, _ := strconv.Unquote(key.Value)
					classes[name], _ = strconv.Unquote(value.Value)
				}
			}
			return false
		})
		if len(classes) > 0 {
			return classes
		}
	}
	t.Fatal("no redact_test.go has the classes of columns")
	return nil
}

// readTree returns the path and the text of the only file with a name.
func readTree(t *testing.T, name string) (path, text string) {
	t.Helper()
	found := find(t, func(path string) bool { return filepath.Base(path) == name })
	if len(found) != 1 {
		t.Fatalf("%d files have the name %s: %v", len(found), name, found)
	}
	return found[0], read(t, found[0])
}

// find returns the source files whose paths match.
func find(t *testing.T, match func(path string) bool) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // a running test removed its file
		}
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (slices.Contains([]string{"node_modules", "testdata", "dist", "packed"}, d.Name()) || strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if !d.IsDir() && match(filepath.ToSlash(path)) {
			all = append(all, filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
