package timbre_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$|<a id="([^"]+)">`)
	target  = regexp.MustCompile("`make ([a-z-]+)[` ]")
	dir     = regexp.MustCompile("(?m)^\\| `((?:internal|cmd)/[a-z/]+|proof/[a-z/]+|fault|verify|widget)` ")
)

// Every file, heading, make target and directory that a document names exists.
func TestDocumentsPointToWhatIsThere(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := string(b)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") || strings.HasPrefix(file, "mailto:") {
				continue
			}
			to := path
			if file != "" {
				to = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s points to %s, which does not exist", path, m[1])
			} else if anchor != "" && !anchors(t, to)[anchor] {
				t.Errorf("%s points to %s: the file has no such heading", path, m[1])
			}
		}
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s names make %s, which does not exist", path, m[1])
			}
		}
		for _, m := range dir.FindAllStringSubmatch(text, -1) {
			if st, err := os.Stat(m[1]); err != nil || !st.IsDir() {
				t.Errorf("%s names the directory %s, which does not exist", path, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// anchors returns the heading fragments of the rendered document.
func anchors(t *testing.T, path string) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	out := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(string(b), -1) {
		if m[2] != "" {
			out[m[2]] = true
			continue
		}
		out[strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return out
}

// The index has each decision once, by number, with the title of its file.
func TestDecisionsAreListed(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("docs/adr/[0-9]*.md")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d decisions, %v", len(files), err)
	}
	var want []string
	for _, path := range files { // in the order of their names
		name := filepath.Base(path)
		first, rest, _ := strings.Cut(read(t, path), "\n")
		title, ok := strings.CutPrefix(first, "# "+name[:4]+" · ")
		if !ok {
			t.Errorf("%s begins with %q, want # %s · ", path, first, name[:4])
		}
		if m := superseded.FindStringSubmatch(rest); m != nil {
			title += "; superseded by " + m[1]
		}
		want = append(want, "| ["+name[:4]+"]("+name+") | "+title+" |")
	}
	_, list, _ := strings.Cut(read(t, "docs/adr/README.md"), "|---|---|\n")
	if list != strings.Join(want, "\n")+"\n" {
		t.Errorf("docs/adr/README.md should list\n%s", strings.Join(want, "\n"))
	}
}

var superseded = regexp.MustCompile(`^\nSuperseded by \[(\d{4})\]`)

// namedFile matches the path of a source file. A path may leave out its beginning.
var namedFile = regexp.MustCompile("`([\\w./-]+\\.(?:go|sql|css|sh|lock|tsv)|[\\w./-]+/src/[\\w./-]+)`")

// The source files that documents name exist.
func TestNamedFilesExist(t *testing.T) {
	t.Parallel()
	documents := find(t, func(path string) bool { return strings.HasSuffix(path, ".md") && path != "CHANGELOG.md" })
	files := find(t, func(string) bool { return true })
	names := 0
	for _, path := range documents {
		for _, m := range namedFile.FindAllStringSubmatch(read(t, path), -1) {
			names++
			if !slices.ContainsFunc(files, func(f string) bool { return f == m[1] || strings.HasSuffix(f, "/"+m[1]) }) {
				if _, err := os.Stat(m[1]); err != nil {
					t.Errorf("%s names the file %s, which does not exist", path, m[1])
				}
			}
		}
	}
	if names < 20 {
		t.Errorf("%d named files: the test does not see them", names)
	}
}

// Every table row belongs to a table with a head. After an empty line a row would be shown as text.
func TestTablesAreWhole(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(files, "README.md", "ARCHITECTURE.md", "SECURITY.md", "docs/adr/README.md") {
		lines := strings.Split(read(t, path), "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, "|") && (i == 0 || !strings.HasPrefix(lines[i-1], "|")) && !strings.HasPrefix(strings.ReplaceAll(lines[i+1], " ", ""), "|--") {
				t.Errorf("%s:%d is a row outside of a table: %s", path, i+1, line)
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
