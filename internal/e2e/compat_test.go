package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
)

// sources are the files of a part, by kind.
type sources map[string][]string

// shipped are the files that a browser gets, by the part in docs/browsers.md. Styles
// that are inside a script are read where they come from.
var shipped = map[string]sources{
	"Widget: registering a song":               {"js": {"widget/dist/ats-widget*.js"}, "css": {"widget/src/styles/*.css"}, "html": {"widget/src/screens/*.ts"}},
	"Widget: updating and downloading":         {"js": {"widget/dist/ats-widget-works.js"}, "css": {"widget/src/works/works.css"}, "html": {"widget/src/works/*.ts"}},
	"Widget: a recording that is not uploaded": {"js": {"widget/dist/ats-widget-hash.js"}},
	"/verify, served or saved":                 {"html": {"verify/dist/verify.html"}},
	"Explorer and public pages":                {"css": {"internal/explorer/assets/*.css"}, "html": {"internal/explorer/assets/*.html"}},
	"This documentation":                       {"js": {"internal/docsite/assets/*.js"}, "css": {"internal/docsite/assets/*.css"}, "html": {"internal/docsite/assets/*.html"}},
	"Demo":                                     {"js": {"internal/demo/assets/*.js", "widget/dist/ats-widget.esm.js", "widget/dist/ats-widget-rest.js"}, "css": {"internal/demo/assets/*.css", "widget/src/styles/*.css"}, "html": {"internal/demo/assets/*.html"}},
}

// harmless are features that a browser of the table lacks without a visible effect.
var harmless = map[string]string{
	"cursor: pointer":          "a phone has no cursor",
	"cursor: grab":             "a phone has no cursor",
	"cursor: grabbing":         "a phone has no cursor",
	"resize":                   "a phone has no corner to drag",
	"resize: none":             "a phone has no corner to drag",
	"user-select":              "Safari has it with a prefix, which stands beside it",
	"mask":                     "Chrome has it with a prefix, and the demo's mark is decoration",
	"mask-image":               "Chrome has it with a prefix, and the demo's mark is decoration",
	"text-size-adjust":         "Chrome and iOS have it, for phones that enlarge text",
	":-moz-progress-bar":       "Firefox's name of what has another in the others",
	":-webkit-progress-bar":    "the others' name of what has another in Firefox",
	":-webkit-progress-value":  "the others' name of what has another in Firefox",
	":marker":                  "Safari has it with few properties, and one of them is used",
	".createPolicy":            "asked for before it is called",
	"Uint8Array.fromHex":       "asked for before it is called",
	".toHex":                   "asked for before it is called",
	".fromHex":                 "asked for before it is called",
	"attribute autocapitalize": "a hint for keyboards on glass",
	"await.top_level":          "Safari's fault is in modules that import each other's promises, which these do not",
	"outline":                  "before Safari 16.4 it had square corners",
	// Names of these files' own, which something young has too.
	".capture": "own", ".changed": "own", ".emptyScript": "own", ".element": "own", ".dispatch": "own", ".fullName": "own", ".isComposing": "own",
	".path": "own", ".memory": "own", ":left": "own", ".colorScheme": "own", ".fetch": "own",
	".lines": "own", ".percent": "own", ".removed": "own", ".requestId": "own", ".stats": "own", ".tag": "own", ".turn": "own",
}

var engineColumns = []string{"Chrome and Edge", "Firefox", "Safari"}

// since is the first version in each column that has a feature; 0 means no version.
type since [3]float64

// browsersPage reads the two tables of docs/browsers.md: what each part needs,
// and what it does without.
func browsersPage(t *testing.T) (needs map[string]since, without map[string]bool) {
	t.Helper()
	page, err := os.ReadFile("../../docs/browsers.md")
	if err != nil {
		t.Fatal(err)
	}
	needs, without = map[string]since{}, map[string]bool{}
	plain := regexp.MustCompile("`|\\[|\\]\\([^)]*\\)")
	for _, line := range strings.Split(string(page), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), "|")
		switch {
		case !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| Part") || strings.HasPrefix(line, "| Feature"):
		case len(cells) == 4:
			var s since
			for i := range s {
				if s[i], err = strconv.ParseFloat(strings.TrimSpace(cells[i+1]), 64); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
			}
			needs[strings.TrimSpace(plain.ReplaceAllString(cells[0], ""))] = s
		case len(cells) == 2:
			for _, feature := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[0], -1) {
				without[feature[1]] = true
			}
		}
	}
	return needs, without
}

// used asks since when browsers know what the files use.
func used(t *testing.T, parts map[string]sources) (out map[string]map[string]since) {
	t.Helper()
	if _, err := os.Stat("../../node_modules/@mdn/browser-compat-data"); err != nil {
		browser.Missing(t, "browser-compat-data is not installed (run npm ci)")
	}
	files := map[string]sources{}
	for part, kinds := range parts {
		files[part] = sources{}
		for kind, patterns := range kinds {
			for _, pattern := range patterns {
				found, err := filepath.Glob(filepath.Join("../..", pattern))
				if err == nil && len(found) == 0 {
					found, err = filepath.Glob(pattern)
				}
				if err != nil || len(found) == 0 {
					t.Fatalf("%s: no file %s (%v)", part, pattern, err)
				}
				files[part][kind] = append(files[part][kind], found...)
			}
		}
	}
	ask, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "testdata/compat.mjs")
	var complaint bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(ask), &complaint
	answer, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(answer, &out)
	}
	if err != nil {
		t.Fatalf("node: %v\n%s", err, complaint.String())
	}
	return out
}

// younger lists what the part uses that its browsers may not have.
func younger(features map[string]since, needs since, without map[string]bool) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(features)) {
		if _, ok := harmless[name]; ok || without[name] {
			continue
		}
		for i, version := range features[name] {
			if version == 0 || version > needs[i] {
				out = append(out, fmt.Sprintf("%s: %s %v, and the page says %v", name, engineColumns[i], version, needs[i]))
			}
		}
	}
	return out
}

// TestBrowsersPage holds what docs/browsers.md says to what the shipped files
// use: no feature is younger than the page says.
func TestBrowsersPage(t *testing.T) {
	t.Parallel()
	needs, without := browsersPage(t)
	if got, want := slices.Sorted(maps.Keys(needs)), slices.Sorted(maps.Keys(shipped)); !slices.Equal(got, want) {
		t.Fatalf("the page has the parts %q, want %q", got, want)
	}
	all := map[string]bool{}
	for part, features := range used(t, shipped) {
		if len(features) < 50 {
			t.Errorf("%s uses %d features only: are its files read?", part, len(features))
		}
		for _, line := range younger(features, needs[part], without) {
			t.Errorf("%s uses %s", part, line)
		}
		for name := range features {
			all[name] = true
		}
	}
	for name := range without {
		if !all[name] {
			t.Errorf("the page says what happens without %s, which nothing uses", name)
		}
	}
	// Of what sets the numbers, each is really found.
	for _, name := range []string{"color.relative_syntax", "light-dark()", ":has"} {
		if !all[name] {
			t.Errorf("%s is not found", name)
		}
	}
}

// TestBrowsersPageHasTeeth has files with features that are younger than any
// that is shipped, one of each kind.
func TestBrowsersPageHasTeeth(t *testing.T) {
	t.Parallel()
	write := func(name, text string) string { return write(t, name, []byte(text)) }
	got := used(t, map[string]sources{"made up": {
		"js":   {write("a.js", "const url = URL.parse('/'); Promise.try(() => new Set([1]).union(other)); Iterator.from([]); new CloseWatcher(); list.toSorted(); // Temporal.Now\n")},
		"css":  {write("a.css", "a { anchor-name: --a; width: calc-size(auto, size); &:hover { color: rgb(from red r g b) } } @starting-style { a { top: 1px } } p:open { margin: 1lh }")},
		"html": {write("a.html", "<!doctype html><dialog popover><selectedcontent></selectedcontent></dialog><style>a { reading-flow: normal }</style>")},
	}})["made up"]
	needs, without := browsersPage(t)
	lines := strings.Join(younger(got, needs["Widget: registering a song"], without), "\n")
	for _, name := range []string{"URL.parse", "Promise.try", "Iterator.from", "CloseWatcher", "anchor-name", "calc-size()", ":open", "<selectedcontent>", "reading-flow"} {
		if !strings.Contains(lines, name+":") && !strings.Contains("\n"+lines, "\n"+name) {
			t.Errorf("%s is not noticed in\n%s", name, lines)
		}
	}
	for _, name := range []string{".toSorted", ".union", "attribute popover", "color.relative_syntax", "selectors.nesting", "@starting-style", "length.lh"} {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is not seen in %v", name, slices.Sorted(maps.Keys(got)))
		}
	}
	if strings.Contains(lines, "Temporal") {
		t.Error("a comment is read as code")
	}
}
