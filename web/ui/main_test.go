package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// bare returns a sheet without its blocks of tokens and its comments, with single spaces.
func bare(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	out := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(block.ReplaceAllString(string(text), ""), "")
	return strings.Join(strings.Fields(strings.ReplaceAll(out, "'", `"`)), " ")
}

// copies are the values of tokens that a sheet holds itself, each with the token to use.
func copies(sheet string, s set) map[string]string {
	found := map[string]string{}
	colour := regexp.MustCompile(`#[0-9a-fA-F]{3,8}\b`)
	for _, t := range s.tokens {
		for _, value := range []string{t.light, t.dark} {
			if !strings.HasPrefix(value, "#") {
				// A length is a token only of radii: "10px" elsewhere is another thing.
				if strings.HasSuffix(value, "px") && regexp.MustCompile(`radius: *[^;}]*\b`+value).MatchString(sheet) || !strings.HasSuffix(value, "px") && strings.Contains(sheet, value) {
					found[value] = t.name
				}
				continue
			}
			for _, literal := range colour.FindAllString(sheet, -1) {
				if long(literal) == long(value) {
					found[literal] = t.name
				}
			}
		}
	}
	return found
}

// long is a colour with two digits for each channel.
func long(colour string) string {
	if len(colour) > 5 {
		return strings.ToLower(colour)
	}
	out := "#"
	for _, r := range colour[1:] {
		out += string(r) + string(r)
	}
	return strings.ToLower(out)
}

func TestSheets(t *testing.T) {
	t.Parallel()
	if err := run(root, true); err != nil {
		t.Error(err)
	}
	sets, err := read("tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for name, of := range sheets {
		s := sets[of]
		for _, sheet := range append([]string{name}, shown[name]...) {
			text := bare(t, sheet)
			for literal, token := range copies(text, s) {
				t.Errorf("%s holds %s: use var(%s%s)", sheet, literal, s.prefix, token)
			}
			for _, token := range s.tokens {
				if strings.Contains(text, "var("+s.prefix+token.name+")") {
					used[of+" "+token.name] = true
				}
			}
		}
		whole, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		// Each variable is a token, or has its value in the sheet.
		for _, m := range regexp.MustCompile(`var\((--[\w-]+)\)`).FindAllStringSubmatch(rules(root, name), -1) {
			if !regexp.MustCompile(regexp.QuoteMeta(m[1]) + `:`).Match(whole) {
				t.Errorf("%s uses %s, which has no value there", name, m[1])
			}
		}
	}
	for of, s := range sets {
		for _, token := range s.tokens {
			if !used[of+" "+token.name] {
				t.Errorf("no sheet uses the token %s of %s", token.name, of)
			}
		}
	}
	// The widget has no bytes for a token of its font, which every page has.
	for _, token := range sets["page"].tokens {
		if token.name == "sans" && !strings.Contains(bare(t, "widget/src/styles/first.css"), token.light) {
			t.Error("the widget has another font than the pages")
		}
	}
}

// TestCopies checks that the test above can fail.
func TestCopies(t *testing.T) {
	t.Parallel()
	s := set{"--", []token{{"card", "#fff", "#1e1b29"}, {"radius", "10px", "10px"}, {"mono", "ui-monospace, x", "ui-monospace, x"}}}
	for sheet, want := range map[string]string{
		"a { color: #FFFFFF; }":             "#FFFFFF",
		"a { color: #1E1b29; }":             "#1E1b29",
		"a { border-radius: 0 10px 10px; }": "10px",
		"a { font: 1em ui-monospace, x; }":  "ui-monospace, x",
		"a { margin: 10px; color: #fffe }":  "",
	} {
		got := copies(sheet, s)
		if want == "" && len(got) > 0 || want != "" && got[want] == "" {
			t.Errorf("%s: %v, want %q", sheet, got, want)
		}
	}
}
