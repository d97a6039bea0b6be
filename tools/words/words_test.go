package main

import (
	"strings"
	"testing"
)

func TestRulesFindTheirCase(t *testing.T) {
	rules, err := readRules(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"Who asks too often is refused.":                    "the subject is a thing",
		"The client is told the time.":                      "returns, receives",
		"A token that is over is refused.":                  "expired",
		"That is no key.":                                   "is not a",
		"The old one is none.":                              "invalid",
		"Nobody can read the file.":                         "no one",
		"What was sent is stored.":                          "name the thing",
		strings.Repeat("word ", longest) + "and one more.":  "at most 25",
		"The client waits; who comes later waits no longer": "",
		"What does the server return?":                      "",
		"The token expired. The client mints another.":      "",
		"A work that is no longer there is work.not_found.": "",
	} {
		got := strings.Join(judge(rules, text), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

func TestTextIsFoundInEveryKindOfFile(t *testing.T) {
	for name, text := range map[string]string{
		"a.go":            "package a\n\n// A client is told.\nvar a = 1\n",
		"b.go":            "package a\n\nvar a = struct {\n\tB string `help:\"It is told the time.\"`\n}{}\n",
		"c.go":            "package a\n\nvar a = \"the client is told %d times\"\n",
		"d.md":            "# Head\n\n- An item\n  that is told.\n",
		"e.md":            "| a | b |\n|---|---|\n| x | the client is told |\n",
		"f.ts":            "/**\n * The client is told.\n */\nlet a;\n",
		"g.css":           "a { color: red } // x\n/* The page is told. */\n",
		"h.sql":           "-- The row is told.\nSELECT 1;\n",
		"Makefile":        "# The test is told.\nall:\n",
		"locales/en.json": "{\n \"a\": \"You are told it.\"\n}",
		"i.html":          "<p>The reader is told <b>it</b></p>",
	} {
		read := reader(name)
		if read == nil {
			t.Errorf("%s is not read", name)
			continue
		}
		passages, err := read([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var all []string
		for _, p := range passages {
			all = append(all, p.text)
		}
		if !strings.Contains(strings.Join(all, "\n"), "told") {
			t.Errorf("%s: read %q", name, all)
		}
	}
	for name, text := range map[string]string{
		"code.md":    "```\nis told\n```\n",
		"inline.md":  "the `is told` member\n",
		"comment.go": "package a\n\n//\tis told\n",
	} {
		passages, err := reader(name)([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range passages {
			if strings.Contains(p.text, "told") {
				t.Errorf("%s: code is read as text: %q", name, p.text)
			}
		}
	}
}

func TestCodeOfTypeScriptIsNotText(t *testing.T) {
	source := "const quote = /['\"`]/.test(s) // a rule\n" +
		"const text = 'the page is told twice'\n" +
		"f() // the caller\n" +
		"// The client\n" +
		"// is told.\n" +
		"const sql = `a ${b} is told`\n"
	passages, err := reader("a.ts")([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range passages {
		all = append(all, p.text)
	}
	got := strings.Join(all, "|")
	for _, want := range []string{"a rule", "the page is told twice", "|the caller|", "The client is told."} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	if strings.Contains(got, "test(") || strings.Contains(got, "${") {
		t.Errorf("code is read as text: %q", got)
	}
}
