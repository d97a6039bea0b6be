// Package shelltest checks the areas of the console: their texts in all languages, and their forms. It
// checks no behaviour of a page: the tests of each area do.
package shelltest

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"timbre.example/internal/console/shell"
)

// Area checks the texts of an area. dir is the folder of its package, "." in the package's own tests.
func Area(t *testing.T, a shell.Area, dir string) {
	t.Helper()
	texts, err := shell.ReadTexts(a.Files)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range texts.Differences() {
		t.Errorf("%s: %s", a.Name, wrong)
	}
	own, err := shell.ShellTexts()
	if err != nil {
		t.Fatal(err)
	}
	known := func(key string) bool {
		for _, all := range []map[string]string{texts["en"], own["en"]} {
			if _, ok := all[key]; ok {
				return true
			}
			if _, ok := all[key+".other"]; ok {
				return true
			}
		}
		return false
	}
	source := sources(t, a, dir)
	needed, optional := keys(a)
	for _, m := range called.FindAllStringSubmatch(source, -1) {
		if !strings.HasSuffix(m[1], ".") {
			needed = append(needed, m[1])
		}
	}
	for _, key := range needed {
		if !known(key) {
			t.Errorf("%s: the text %q is missing", a.Name, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(texts["en"])) {
		stem := key
		if at := strings.LastIndexByte(key, '.'); at > 0 && slices.Contains([]string{"zero", "one", "two", "few", "many", "other"}, key[at+1:]) {
			stem = key[:at]
		}
		if strings.HasPrefix(key, "rule.") || strings.HasPrefix(key, "reason.") { // services below return these, too
			continue
		}
		if slices.Contains(needed, key) || slices.Contains(optional, key) || used(source, key) || used(source, stem) {
			continue
		}
		t.Errorf("%s: the text %q is not used", a.Name, key)
	}
}

// called matches the keys in calls such as T "key", with a literal.
var called = regexp.MustCompile(`\b(?:T|N|Empty|Say|Reveal|Text)[ (]"([a-z][a-z0-9_.:-]*)"`)

// sources returns the Go files and templates of an area as one text.
func sources(t *testing.T, a shell.Area, dir string) string {
	t.Helper()
	var all strings.Builder
	names, err := fs.Glob(a.Files, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(a.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// A call such as c.Form.Text("q") names a field.
		all.WriteString(field.ReplaceAllString(string(text), ""))
	}
	return all.String()
}

var field = regexp.MustCompile(`(?:Form\.|shell\.)(?:Text|All)\("[^"]*"`)

// keys returns the keys that the table of pages needs, and those that it can have.
func keys(a shell.Area) (needed, optional []string) {
	for _, p := range a.Pages {
		form := p.Name
		if p.Method == "GET" {
			form = "filter"
		} else {
			needed = append(needed, form+".submit")
		}
		if p.Nav.Order != 0 {
			nav := "nav"
			if p.Name != "" {
				nav += "." + p.Name
			}
			needed = append(needed, nav)
		}
		for _, f := range p.Fields {
			key := form + "." + f.Name
			optional = append(optional, key+".hint", key)
			if !f.IsHidden() {
				needed = append(needed, key)
			}
			for _, o := range f.Options {
				if o == "" {
					o = "any"
				}
				if len(f.Options) > 1 || f.Name != o {
					needed = append(needed, key+"."+o)
				}
				optional = append(optional, key+"."+o+".hint")
			}
		}
		optional = append(optional, "filter.submit")
	}
	for _, m := range regexp.MustCompile(`Empty "([^"]*)"`).FindAllStringSubmatch(templates(a), -1) {
		optional = append(optional, m[1]+".hint", m[1]+".action")
	}
	return needed, optional
}

func templates(a shell.Area) string {
	var all strings.Builder
	names, _ := fs.Glob(a.Files, "templates/*.html") // the pattern is valid
	for _, name := range names {
		text, _ := fs.ReadFile(a.Files, name) // a file that cannot be read has no text
		all.Write(text)
	}
	return all.String()
}

// used reports whether a key is in the sources, in full or as a beginning to which a value is added.
func used(source, key string) bool {
	if strings.Contains(source, `"`+key+`"`) {
		return true
	}
	for at := strings.LastIndexByte(key, '.'); at > 0; at = strings.LastIndexByte(key[:at], '.') {
		if strings.Contains(source, `"`+key[:at+1]+`"`) || strings.Contains(source, `"`+key[:at+1]+`%`) {
			return true
		}
	}
	return false
}
