package i18n

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const root = "../.."

func TestLanguages(t *testing.T) {
	t.Parallel()
	all, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 {
		t.Fatal(all)
	}
}

// TestNewLanguage damages a copy of the folder in each way that a translator can. The error has the
// name of the file and of the text.
func TestNewLanguage(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{}
	folder := os.DirFS("locales")
	names, err := fs.Glob(folder, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: text}
	}
	words := filepath.Join(root, filepath.FromSlash(WordsFile))
	type file map[string]any
	changed := func(from string, change func(f file)) *fstest.MapFile {
		var f file
		if err := json.Unmarshal(files[from].Data, &f); err != nil {
			t.Fatal(err)
		}
		change(f)
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return &fstest.MapFile{Data: text}
	}
	section := func(f file, name string) map[string]any { return f[name].(map[string]any) }
	for _, c := range []struct {
		what, name, from string
		change           func(f file)
		want             []string
	}{
		{"a copy under a new name", "it.json", "fr.json", func(f file) { f["$name"] = "Italiano" }, nil},
		{"English under another name", "it.json", "en.json", func(f file) {
			f["$name"], f["words"] = "Italiano", map[string]any{}
		}, []string{"locales/it.json: first.intro is not translated", "locales/it.json: words.check_block is missing"}},
		{"a missing text", "fr.json", "fr.json", func(f file) { delete(section(f, "rest"), "agree") }, []string{"locales/fr.json: rest.agree is missing"}},
		{"an empty text", "fr.json", "fr.json", func(f file) { section(f, "verify")["lead"] = " " }, []string{"locales/fr.json: verify.lead is missing"}},
		{"a missing section", "de.json", "de.json", func(f file) { delete(f, "works") }, []string{"locales/de.json: the section works is missing"}},
		{"an unknown text", "fr.json", "fr.json", func(f file) { section(f, "first")["motto"] = "x" }, []string{"locales/fr.json: first.motto is unknown"}},
		{"another place", "ja.json", "ja.json", func(f file) { section(f, "first")["max"] = "{maximum}" }, []string{"locales/ja.json: first.max has the places [{maximum}], English [{max}]"}},
		{"no direction", "ar.json", "ar.json", func(f file) { delete(f, "$dir") }, []string{"locales/ar.json: $dir"}},
		{"no name", "ar.json", "ar.json", func(f file) { f["$name"] = "" }, []string{"locales/ar.json: $name"}},
		{"another file", "fr-CA.json", "fr.json", func(f file) {}, []string{"locales/fr-CA.json: not the name of a language"}},
		{"a key in two sections", "en.json", "en.json", func(f file) { section(f, "works")["next"] = "Next" }, []string{"locales/en.json: next is in first and in works"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			mine := maps.Clone(files)
			mine[c.name] = changed(c.from, c.change)
			all, err := read(mine, words)
			if (err == nil) != (c.want == nil) {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nlacks %q", err, want)
				}
			}
			if c.want == nil && !slices.ContainsFunc(all, func(l Language) bool { return l.Tag+".json" == c.name }) {
				t.Errorf("%s is no language", c.name)
			}
		})
	}
}

// TestScreenTexts checks that the text that the catalogue of errors gives each code exists.
func TestScreenTexts(t *testing.T) {
	t.Parallel()
	all, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(all, func(l Language) bool { return l.Tag == "en" })
	texts := all[at].Texts(First, FirstVerify, Rest, RestVerify)
	source, err := os.ReadFile(filepath.Join(root, "widget", "src", "gen", "errors.ts"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`"([\w.]+)": \{ status: \d+, class: "\w+", text: "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(rows) == 0 {
		t.Fatal("no code has a text")
	}
	for _, row := range rows {
		if texts[row[2]] == "" {
			t.Errorf("%s has the text %q on the screen, which en.json lacks", row[1], row[2])
		}
	}
}

var counts = []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}

// TestNumberOfLanguages checks what the documents say.
func TestNumberOfLanguages(t *testing.T) {
	t.Parallel()
	all, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	number := regexp.MustCompile(`(?i)\b(` + strings.Join(counts, "|") + `|\d+)\s+languages`)
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for _, path := range append(docs, filepath.Join(root, "README.md"), filepath.Join(root, "ARCHITECTURE.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range number.FindAllStringSubmatch(string(text), -1) {
			said++
			if n := strings.ToLower(m[1]); n != fmt.Sprint(len(all)) && n != counts[len(all)] {
				t.Errorf("%s says %q: there are %d", path, m[0], len(all))
			}
		}
	}
	if said == 0 {
		t.Error("no document says how many languages there are")
	}
}

// TestDemoMenu checks that the menu of the demo offers each language.
func TestDemoMenu(t *testing.T) {
	t.Parallel()
	all, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "internal", "demo", "assets", "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		if !strings.Contains(string(page), fmt.Sprintf("<option value=%q lang=%q>%s</option>", l.Tag, l.Tag, l.Name)) {
			t.Errorf("the demo offers no %s (%s)", l.Tag, l.Name)
		}
	}
}
