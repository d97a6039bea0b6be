package timbre_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// uses holds, for each file, the files that it uses, and a name that it uses from each.
// A Go file uses the other files of its package. A script uses the scripts that it imports.
type uses map[string]map[string]string

func (u uses) add(from, to, name string) {
	if from == to {
		return
	}
	if u[from] == nil {
		u[from] = map[string]string{}
	}
	if old, ok := u[from][to]; !ok || name < old {
		u[from][to] = name
	}
}

// circlesFile has the accepted arrows between files, one a line. Without them, no files
// would use each other in a circle.
const circlesFile = "testdata/circles.txt"

var accept = flag.Bool("accept", false, "write "+circlesFile+" anew, after files were moved")

// TestFilesPointDown forbids circles: files of one Go package that use each other, and
// scripts that import each other. Such files can only be read, tested and moved together.
// The accepted arrows come from the time before this rule. Remove lines; do not add any.
func TestFilesPointDown(t *testing.T) {
	t.Parallel()
	all := uses{}
	goUses(t, all)
	scriptUses(t, all)
	if len(all) < 100 {
		t.Fatalf("only %d files use another one: the test does not see the tree", len(all))
	}
	if *accept {
		if err := os.WriteFile(circlesFile, []byte(strings.Join(closing(all), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(circlesFile)
	if err != nil {
		t.Fatal(err)
	}
	accepted := strings.Fields(strings.ReplaceAll(string(b), " -> ", ">"))
	for _, line := range accepted {
		from, to, _ := strings.Cut(line, ">")
		if _, ok := all[from][to]; !ok {
			t.Errorf("%s does not use %s any more: remove the line from %s (after a move: go test . -run FilesPointDown -accept)", from, to, circlesFile)
		}
	}
	rest := without(all, accepted)
	for _, line := range accepted {
		from, to, _ := strings.Cut(line, ">")
		if _, ok := all[from][to]; ok && rest.path(to, from) == nil {
			t.Errorf("%s -> %s closes no circle any more: remove the line from %s", from, to, circlesFile)
		}
	}
	for {
		circle := rest.circle()
		if circle == nil {
			return
		}
		t.Error(rest.sentence(circle))
		delete(rest[circle[0]], circle[1])
	}
}

// TestCirclesAreFound checks the check itself.
func TestCirclesAreFound(t *testing.T) {
	t.Parallel()
	u := uses{}
	u.add("x/a.go", "x/b.go", "Foo")
	u.add("x/b.go", "x/c.go", "Baz")
	if c := u.circle(); c != nil {
		t.Errorf("found %v in a row", c)
	}
	u.add("x/b.go", "x/a.go", "Bar")
	if got, want := u.sentence(u.circle()), "x: a.go uses b.go's Foo, and b.go uses a.go's Bar"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := closing(u); len(got) != 1 || without(u, []string{strings.ReplaceAll(got[0], " -> ", ">")}).circle() != nil {
		t.Errorf("closing: %q", got)
	}
}

// path returns the shortest way from one file to another, nil without one.
func (u uses) path(from, to string) []string {
	came := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range slices.Sorted(maps.Keys(u[queue[0]])) {
			if next == to {
				way := []string{to}
				for at := queue[0]; at != ""; at = came[at] {
					way = append(way, at)
				}
				slices.Reverse(way)
				return way
			}
			if _, seen := came[next]; !seen {
				came[next] = queue[0]
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// circle returns a shortest circle: its first file is also its last. It returns nil without one.
func (u uses) circle() []string {
	var shortest []string
	for _, from := range slices.Sorted(maps.Keys(u)) {
		if c := u.path(from, from); c != nil && (shortest == nil || len(c) < len(shortest)) {
			shortest = c
		}
	}
	return shortest
}

func (u uses) sentence(circle []string) string {
	base := func(file string) string { return strings.TrimPrefix(file, path.Dir(circle[0])+"/") }
	var steps []string
	for i, from := range circle[:len(circle)-1] {
		to := circle[i+1]
		steps = append(steps, fmt.Sprintf("%s uses %s's %s", base(from), base(to), u[from][to]))
	}
	last := len(steps) - 1
	return path.Dir(circle[0]) + ": " + strings.Join(steps[:last], ", ") + ", and " + steps[last]
}

func without(u uses, accepted []string) uses {
	rest := uses{}
	for from, targets := range u {
		for to, name := range targets {
			if !slices.Contains(accepted, from+">"+to) {
				rest.add(from, to, name)
			}
		}
	}
	return rest
}

// closing returns the arrows that have to go until no circle is left: from each shortest
// circle, the arrow to the file that the most files use.
func closing(u uses) []string {
	rest := without(u, nil)
	var removed []string
	for c := rest.circle(); c != nil; c = rest.circle() {
		worst, most := 0, -1
		for i := range len(c) - 1 {
			// A file with many users is low; so is a file that uses few others.
			if n := len(used(u, c[i])) - len(u[c[i]]); n > most {
				worst, most = i, n
			}
		}
		removed = append(removed, c[worst]+">"+c[worst+1])
		delete(rest[c[worst]], c[worst+1])
	}
	// An earlier arrow may be harmless after a later one went.
	for i := 0; i < len(removed); {
		others := slices.Delete(slices.Clone(removed), i, i+1)
		from, to, _ := strings.Cut(removed[i], ">")
		if without(u, others).path(to, from) == nil {
			removed = others
		} else {
			i++
		}
	}
	slices.Sort(removed)
	for i, r := range removed {
		removed[i] = strings.ReplaceAll(r, ">", " -> ")
	}
	return removed
}

func used(u uses, file string) (by []string) {
	for from, targets := range u {
		if _, ok := targets[file]; ok {
			by = append(by, from)
		}
	}
	return by
}

// goUses adds the uses between the files of each Go package. The types of other packages
// come from the build cache.
func goUses(t *testing.T, all uses) {
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,GoFiles,Export,DepOnly", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	type pkg struct {
		ImportPath, Dir, Export string
		GoFiles                 []string
		DepOnly                 bool
	}
	var ours []pkg
	exports := map[string]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			ours = append(ours, p)
		}
	}
	set := token.NewFileSet()
	imports := importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, p := range ours {
		var files []*ast.File
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		info := types.Info{Uses: map[*ast.Ident]types.Object{}}
		checked, err := (&types.Config{Importer: imports}).Check(p.ImportPath, set, files, &info)
		if err != nil {
			t.Fatal(err)
		}
		dir := strings.TrimPrefix(p.ImportPath, module)
		for ident, object := range info.Uses {
			if object.Pkg() == checked && object.Pos().IsValid() {
				from, to := set.Position(ident.Pos()).Filename, set.Position(object.Pos()).Filename
				all.add(dir+"/"+filepath.Base(from), dir+"/"+filepath.Base(to), object.Name())
			}
		}
	}
}

// scripts lists, for every directory of TypeScript, what it may import: directories, and
// packages of npm. A directory may import its own files.
var scripts = map[string]struct {
	may []string
	why string
}{
	"client/typescript/src":     {[]string{"client/typescript/src/gen"}, "the npm package of the client: it imports nothing of others"},
	"client/typescript/src/gen": {nil, "generated from the description of the API and the catalogue of errors"},

	"internal/console/src": {nil, "adds to the console's pages, which work without it"},
	"web/i18n":             {nil, "the texts and formats of all pages; it knows no screen"},
	"widget/npm/src":       {[]string{"react", "web/i18n/locales", "widget/src", "widget/src/file", "widget/src/hash", "widget/src/large", "widget/src/parts", "widget/src/works"}, "what only the npm package has, around the element"},
	"widget/src":           {[]string{"lit", "web/i18n", "web/i18n/locales", "widget/src/ats", "widget/src/form", "widget/src/gen", "widget/src/i18n", "widget/src/locales", "widget/src/page", "widget/src/parts", "widget/src/screens", "widget/src/styles"}, "the element and its state machine; other parts are loaded on demand"},
	"widget/src/ats":       {[]string{"web/i18n", "widget/src", "widget/src/form", "widget/src/gen"}, "the client of the server; it shows nothing"},
	"widget/src/file":      {[]string{"widget/src", "widget/src/parts"}, "reads a chosen file; it shows nothing"},
	"widget/src/form":      {[]string{"web/i18n", "widget/src/i18n"}, "the draft and its checks; it calls no server"},
	"widget/src/gen":       {[]string{"widget/src/i18n"}, "generated from the catalogue of errors"},
	"widget/src/hash":      {[]string{"@noble/hashes", "web/i18n/locales", "widget/src", "widget/src/ats", "widget/src/file", "widget/src/i18n", "widget/src/locales", "widget/src/parts"}, "hashes a chosen file, in the host's page"},
	"widget/src/i18n":      {[]string{"web/i18n", "web/i18n/locales", "widget/src", "widget/src/ats", "widget/src/gen", "widget/src/page"}, "the sentences of the widget; it draws nothing"},
	"widget/src/large":     {[]string{"widget/src/ats", "widget/src/parts"}, "sends a large file in parts; it has no screen"},
	"widget/src/page":      {[]string{"widget/src", "widget/src/form"}, "the host's page and its browser; it knows no server"},
	"widget/src/parts":     {[]string{"widget/src", "widget/src/ats", "widget/src/i18n", "widget/src/screens"}, "the interface between the separately loaded files; it has no screen"},
	"widget/src/screens":   {[]string{"lit", "web/i18n", "widget/src", "widget/src/ats", "widget/src/form", "widget/src/i18n", "widget/src/page"}, "draws a state; it does not change it"},
	"widget/src/styles":    {nil, "the style sheets"},
	"widget/src/works":     {[]string{"lit", "web/i18n", "web/i18n/locales", "widget/src", "widget/src/ats", "widget/src/form", "widget/src/gen", "widget/src/i18n", "widget/src/locales", "widget/src/parts", "widget/src/screens", "widget/src/styles"}, "an end-user's works, loaded on demand"},
	"verify/src":           {[]string{"@noble/curves", "@noble/hashes", "evidence", "hash-wasm", "proof/evidence", "verify/src/locales", "verify/src/pdf", "web/i18n", "web/i18n/locales", "widget/src"}, "verifies alone: a few cryptographic primitives, and no client of a server"},
	"verify/src/pdf":       {[]string{"@noble/hashes", "verify/src"}, "the reader of proof/pdf again, file by file; it shows nothing"},
}

func TestScriptsPointDown(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, file := range scriptFiles(t) {
		dir := path.Dir(file)
		rule, ok := scripts[dir]
		if !ok {
			if !seen[dir] {
				t.Errorf("%s is not in the plan: add it to scripts, with what it may import and why", dir)
			}
			seen[dir] = true
			continue
		}
		seen[dir] = true
		for _, target := range importsOf(t, file) {
			from := path.Dir(target)
			if name, ok := strings.CutPrefix(target, "npm:"); ok {
				from, _, _ = strings.Cut(name, "/")
				if parts := strings.Split(name, "/"); strings.HasPrefix(name, "@") && len(parts) > 1 {
					from += "/" + parts[1]
				}
			}
			if from != dir && !slices.Contains(rule.may, from) {
				t.Errorf("%s imports %s: %s", file, strings.TrimPrefix(target, "npm:"), rule.why)
			}
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %d directories have scripts", len(seen))
	}
}

func scriptUses(t *testing.T, all uses) {
	for _, file := range scriptFiles(t) {
		for _, target := range importsOf(t, file) {
			// A worker is another program: its file is started, and not imported.
			if strings.HasSuffix(target, ".ts") && !strings.HasSuffix(target, ".worker.ts") {
				all.add(file, target, "exports")
			}
		}
	}
}

// scriptFiles returns the TypeScript files that a browser runs.
func scriptFiles(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch d.Name() {
		// Each of the examples is a project of its own.
		case "node_modules", ".git", "dist", "packed", "test", "types", "testdata", "e2e", "examples":
			if d.IsDir() {
				return filepath.SkipDir
			}
		}
		if strings.HasSuffix(name, ".ts") && !strings.HasSuffix(name, ".d.ts") {
			all = append(all, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Imports are at the start of a line, exports end one, and import() is anywhere.
var importPath = regexp.MustCompile(`(?m)(?:^(?:import|export)\b[^'";]*?\bfrom\s*|^import\s+|^\}\s*from\s*|\bimport\s*\(\s*)['"]([^'"]+)['"]`)

// importsOf returns the imported files, from the root of the tree, and packages as "npm:name".
func importsOf(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range importPath.FindAllStringSubmatch(string(b), -1) {
		target := m[1]
		switch {
		case strings.HasPrefix(target, "."):
			target = path.Join(path.Dir(file), target)
			if strings.HasSuffix(target, ".js") {
				target = strings.TrimSuffix(target, ".js") + ".ts"
			}
		case strings.HasPrefix(target, "worker:"): // a file of this directory, built as a worker
			target = path.Join(path.Dir(file), strings.TrimPrefix(target, "worker:"))
		case strings.HasPrefix(target, "locales:"): // the folder of the languages, bundled
			target = "web/i18n/locales/"
		default:
			target = "npm:" + target
		}
		all = append(all, target)
	}
	return all
}
