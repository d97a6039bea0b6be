// Command ui writes the colours, fonts and sizes of tokens.json into the style sheets that use them,
// between the comments "tokens: KIND" and "end of tokens". Each sheet has only the tokens that it
// uses. Sheets that old browsers read have a block for light and one for dark. It never runs in a
// server.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// sheets are the style sheets, with the set of tokens that each uses.
var sheets = map[string]string{
	"internal/console/src/console.css":   "page",
	"internal/demo/assets/demo.css":      "page",
	"internal/docsite/assets/docs.css":   "page",
	"internal/explorer/assets/style.css": "page",
	"verify/src/styles.css":              "page",
	"widget/src/styles/first.css":        "widget",
}

// shown are the sheets that use the tokens of another: all of one element or page.
var shown = map[string][]string{
	"widget/src/styles/first.css": {"widget/src/styles/rest.css", "widget/src/works/works.css"},
}

// token is a name with its value, or with its values for light and dark.
type token struct {
	name, light, dark string
}

type set struct {
	prefix string
	tokens []token // in the order of the file
}

func main() {
	check := flag.Bool("check", false, "write nothing; fail when a sheet is stale")
	flag.Parse()
	if err := run(".", *check); err != nil {
		fmt.Fprintln(os.Stderr, "web/ui:", err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	sets, err := read(filepath.Join(root, "web", "ui", "tokens.json"))
	if err != nil {
		return err
	}
	var wrong []error
	for name, set := range sheets {
		path := filepath.Join(root, filepath.FromSlash(name))
		old, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text, err := fill(string(old), rules(root, name), sets[set])
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		case text == string(old):
		case check:
			wrong = append(wrong, fmt.Errorf("%s is stale: run `go run ./web/ui`", name))
		default:
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return errors.Join(wrong...)
}

// rules returns a sheet and those that use its tokens, without the blocks of tokens.
func rules(root, name string) string {
	var all strings.Builder
	for _, sheet := range append([]string{name}, shown[name]...) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(sheet)))
		if err != nil {
			return err.Error() // a sheet that is missing uses no token: the test says so
		}
		all.WriteString(block.ReplaceAllString(string(text), ""))
	}
	return all.String()
}

// read keeps the order of the file.
func read(path string) (map[string]set, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file map[string]struct {
		Prefix          string
		Colours, Values ordered
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	sets := map[string]set{}
	for name, s := range file {
		one := set{prefix: s.Prefix}
		for _, c := range s.Colours {
			var values []string
			if err := json.Unmarshal(c.value, &values); err != nil || len(values) < 1 || len(values) > 2 {
				return nil, fmt.Errorf("%s: %s: one colour, or one for light and one for dark", path, c.key)
			}
			one.tokens = append(one.tokens, token{c.key, values[0], values[len(values)-1]})
		}
		for _, v := range s.Values {
			var value string
			if err := json.Unmarshal(v.value, &value); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", path, v.key, err)
			}
			one.tokens = append(one.tokens, token{v.key, value, value})
		}
		sets[name] = one
	}
	return sets, nil
}

// ordered is an object of JSON in the order of its text.
type ordered []struct {
	key   string
	value json.RawMessage
}

func (o *ordered) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		*o = append(*o, struct {
			key   string
			value json.RawMessage
		}{fmt.Sprint(key), value})
	}
	return nil
}

var block = regexp.MustCompile(`(?s)([ \t]*)/\* tokens: ([a-z-]+) \*/\n(.*?)/\* end of tokens \*/`)

// fill replaces the blocks of a sheet. The kinds are: light and dark (the values that differ), both
// (all, with light-dark()), and light-dark (with light-dark(), those that differ).
func fill(text, rules string, s set) (string, error) {
	var err error
	found := 0
	out := block.ReplaceAllStringFunc(text, func(old string) string {
		found++
		m := block.FindStringSubmatch(old)
		indent, kind := m[1], m[2]
		var b strings.Builder
		fmt.Fprintf(&b, "%s/* tokens: %s */\n", indent, kind)
		for _, t := range s.tokens {
			if !strings.Contains(rules, "var("+s.prefix+t.name+")") {
				continue
			}
			differs := t.light != t.dark
			value := ""
			switch kind {
			case "light":
				value = t.light
			case "dark":
				if differs {
					value = t.dark
				}
			case "both", "light-dark":
				if differs {
					value = fmt.Sprintf("light-dark(%s, %s)", t.light, t.dark)
				} else if kind == "both" {
					value = t.light
				}
			default:
				err = fmt.Errorf("unknown kind of tokens %q", kind)
			}
			if value != "" {
				fmt.Fprintf(&b, "%s%s%s: %s;\n", indent, s.prefix, t.name, value)
			}
		}
		fmt.Fprintf(&b, "%s/* end of tokens */", indent)
		return b.String()
	})
	if found == 0 {
		return "", errors.New("it has no block of tokens")
	}
	return out, err
}
