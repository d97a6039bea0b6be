// Command words checks the project's English against rules.tsv: comments, help texts,
// messages, documents and screens.
//
// It prints one line for each match, as path:line: text: what to write instead. It exits
// with status 1 when it finds one. It reads the files that git tracks, and changes none.
package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

//go:embed rules.tsv
var rulesFile string

// longest is the number of words that one sentence may have.
const longest = 25

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	found, err := check(root, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(2)
	}
	if found > 0 {
		fmt.Fprintf(os.Stderr, "words: %d places; CONTRIBUTING.md (\"Words\") says how Timbre writes\n", found)
		os.Exit(1)
	}
}

type rule struct {
	pattern *regexp.Regexp
	instead string
	except  *regexp.Regexp // the matches that may stay; nil for none
}

func readRules(text string) ([]rule, error) {
	var rules []rule
	for n, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		columns := strings.Split(line, "\t")
		if len(columns) < 2 {
			return nil, fmt.Errorf("rules.tsv:%d: a rule is a pattern, a tab and the words to use instead", n+1)
		}
		pattern := columns[0]
		if strings.HasPrefix(pattern, "(?-i)") {
			pattern = strings.TrimPrefix(pattern, "(?-i)")
		} else {
			pattern = "(?i)" + pattern
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("rules.tsv:%d: %w", n+1, err)
		}
		r := rule{pattern: re, instead: columns[1]}
		if len(columns) > 2 {
			if r.except, err = regexp.Compile("(?i)^(" + columns[2] + ")$"); err != nil {
				return nil, fmt.Errorf("rules.tsv:%d: %w", n+1, err)
			}
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// A passage is running text without its markup, and the line on which it begins.
type passage struct {
	line int
	text string
}

func check(root string, out io.Writer) (int, error) {
	rules, err := readRules(rulesFile)
	if err != nil {
		return 0, err
	}
	list, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		return 0, fmt.Errorf("list the tracked files: %w", err)
	}
	w := bufio.NewWriter(out)
	defer w.Flush()
	found := 0
	for _, name := range strings.Split(strings.TrimRight(string(list), "\x00"), "\x00") {
		read := reader(name)
		if read == nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed, and not committed yet
		}
		if err != nil {
			return found, err
		}
		passages, err := read(text)
		if err != nil {
			return found, fmt.Errorf("%s: %w", name, err)
		}
		for _, p := range passages {
			for _, f := range judge(rules, p.text) {
				found++
				fmt.Fprintf(w, "%s:%d: %s\n", name, p.line, f)
			}
		}
	}
	return found, nil
}

// judge returns the problems of one passage.
func judge(rules []rule, text string) []string {
	var found []string
	for _, sentence := range sentences(text) {
		for _, r := range rules {
			for _, m := range r.pattern.FindAllString(sentence, -1) {
				if r.except == nil || !r.except.MatchString(m) {
					found = append(found, fmt.Sprintf("%q: %s", short(strings.TrimSpace(m)), r.instead))
				}
			}
		}
		if n := len(strings.Fields(sentence)); n > longest {
			found = append(found, fmt.Sprintf("%q: %d words; a sentence has at most %d", short(sentence), n, longest))
		}
	}
	return found
}

func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

var sentenceEnd = regexp.MustCompile(`[.!?:;]["'*_)\]”]*\s+`)

func sentences(text string) []string {
	var all []string
	from := 0
	for _, at := range sentenceEnd.FindAllStringIndex(text, -1) {
		// The stop stays with its sentence: a rule may ask whether it is a question.
		all = append(all, strings.TrimSpace(text[from:at[1]]))
		from = at[1]
	}
	if rest := strings.TrimSpace(text[from:]); rest != "" {
		all = append(all, rest)
	}
	return all
}

// reader returns the function that finds the file's running text, nil for a file that is not checked.
func reader(name string) func([]byte) ([]passage, error) {
	base := filepath.Base(name)
	switch {
	case strings.Contains(name, "/dist/"), strings.Contains(name, "/packed/"), strings.Contains(name, "testdata/"),
		strings.Contains(name, "_gen."), strings.Contains(name, ".gen."), strings.Contains(name, "internal/store/db/"),
		strings.HasPrefix(name, "tools/words/"), base == "package-lock.json", base == "CHANGELOG.md":
		return nil
	case strings.HasSuffix(name, ".go"):
		return func(b []byte) ([]passage, error) { return goText(b, !strings.HasSuffix(name, "_test.go")) }
	case strings.HasSuffix(name, ".md"):
		return markdown
	case strings.HasSuffix(name, ".ts"), strings.HasSuffix(name, ".css"), strings.HasSuffix(name, ".js"):
		return func(b []byte) ([]passage, error) { return slashes(b, !strings.Contains(name, "/test/")) }
	case strings.HasSuffix(name, ".sql"):
		return func(b []byte) ([]passage, error) { return lines(b, "--"), nil }
	case base == "Makefile", base == "run", base == "deps", base == "fuzz", base == "fonts", base == "environment",
		strings.HasSuffix(name, ".sh"), strings.HasSuffix(name, ".service"), strings.HasSuffix(name, ".yaml"), strings.HasSuffix(name, ".yml"), strings.HasSuffix(name, ".toml"):
		return func(b []byte) ([]passage, error) { return lines(b, "#"), nil }
	case base == "catalogue.json", strings.Contains(name, "locales/en"), strings.HasSuffix(name, "words.json"):
		return jsonText
	case strings.HasSuffix(name, ".html"):
		return htmlText
	}
	return nil
}

// goText returns the comments of a Go file and, when messages is set, its string literals
// that are sentences, and its help texts.
func goText(text []byte, messages bool) ([]passage, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(file) {
		return nil, nil
	}
	var all []passage
	for _, group := range file.Comments {
		line := set.Position(group.Pos()).Line
		all = append(all, paragraphs(line, strings.Split(strings.TrimSuffix(commentText(group), "\n"), "\n"))...)
	}
	if !messages {
		return all, nil
	}
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		line := set.Position(literal.Pos()).Line
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			return true
		}
		if help := reflectHelp(value); help != "" {
			all = append(all, passage{line, help})
		} else if !strings.ContainsAny(value, "<{") && !statement.MatchString(value) {
			all = append(all, literalText(line, value)...)
		}
		return true
	})
	return all, nil
}

// statement matches SQL, which is code.
var statement = regexp.MustCompile(`(?s)^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|ALTER)\b|\n\s*(FROM|WHERE|VALUES)\b`)

// literalText returns each line of a string literal that has at least three words.
func literalText(line int, value string) []passage {
	var all []passage
	for _, text := range strings.Split(value, "\n") {
		if strings.Count(strings.TrimSpace(text), " ") > 1 {
			all = append(all, passage{line, text})
		}
	}
	return all
}

func commentText(group *ast.CommentGroup) string {
	var b strings.Builder
	for _, c := range group.List {
		t := c.Text
		t = strings.TrimPrefix(t, "//")
		t = strings.TrimSuffix(strings.TrimPrefix(t, "/*"), "*/")
		if strings.HasPrefix(t, "go:") || strings.HasPrefix(t, "nolint") {
			t = ""
		}
		if strings.TrimSpace(t) == "Output:" {
			break // the rest is what an example prints
		}
		b.WriteString(t + "\n")
	}
	return b.String()
}

var helpTag = regexp.MustCompile(`(?:^| )help:"([^"]*)"`)

func reflectHelp(tag string) string {
	if m := helpTag.FindStringSubmatch(tag); m != nil {
		return m[1]
	}
	return ""
}

// paragraphs joins the lines of each paragraph; an indented block is code, and left out.
func paragraphs(first int, text []string) []passage {
	var all []passage
	var now []string
	begin := first
	end := func() {
		if len(now) > 0 {
			all = append(all, passage{begin, strings.Join(now, " ")})
		}
		now = nil
	}
	for i, line := range text {
		trimmed := strings.TrimSpace(line)
		code := strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "    ")
		if trimmed == "" || code {
			end()
			continue
		}
		if item.MatchString(trimmed) {
			end()
			trimmed = item.ReplaceAllString(trimmed, "")
		}
		if len(now) == 0 {
			begin = first + i
		}
		now = append(now, trimmed)
	}
	end()
	return all
}

var (
	item       = regexp.MustCompile(`^([-*+]|\d+\.)\s+`)
	inlineCode = regexp.MustCompile("`[^`]*`")
	link       = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// markdown returns paragraphs, items and table cells, without code.
func markdown(text []byte) ([]passage, error) {
	var all []passage
	var block []string
	begin, fence := 1, ""
	flush := func() {
		all = append(all, paragraphs(begin, block)...)
		block = nil
	}
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		if fence != "" {
			if strings.HasPrefix(trimmed, fence) {
				fence = ""
			}
			continue
		}
		if strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
			flush()
			fence = trimmed[:3]
			continue
		}
		plain := link.ReplaceAllString(inlineCode.ReplaceAllString(line, "x"), "$1")
		if strings.HasPrefix(trimmed, "|") {
			flush()
			for _, cell := range strings.Split(plain, "|") {
				if cell = strings.TrimSpace(cell); cell != "" && !enumerates(cell) {
					all = append(all, passage{i + 1, cell})
				}
			}
			continue
		}
		if len(block) == 0 {
			begin = i + 1
		}
		// The second line of a list item is indented. It is text, not code.
		block = append(block, strings.TrimLeft(strings.TrimLeft(plain, " "), "#> "))
	}
	flush()
	return all, nil
}

// enumerates says whether a table's cell is a list of names, and not a sentence.
func enumerates(cell string) bool {
	names := strings.Split(cell, ", ")
	for _, name := range names {
		if len(strings.Fields(name)) > 7 || strings.HasSuffix(name, ".") {
			return false
		}
	}
	return len(names) > 3
}

// slashes returns the comments of a TypeScript, JavaScript or CSS file and, when messages
// is set, its strings of at least three words.
func slashes(text []byte, messages bool) ([]passage, error) {
	var all []passage
	var block []string // the lines of adjacent // comments
	begin, next := 0, 0
	flush := func() {
		all = append(all, paragraphs(begin, block)...)
		block = nil
	}
	line := 1
	code := byte('\n') // the last byte of code that is not a space
	s := string(text)
	for i := 0; i < len(s); {
		rest := s[i:]
		switch c := s[i]; {
		case strings.HasPrefix(rest, "//"):
			comment, _, _ := strings.Cut(rest, "\n")
			if len(block) > 0 && line != next {
				flush()
			}
			if len(block) == 0 {
				begin = line
			}
			block = append(block, inlineCode.ReplaceAllString(strings.TrimPrefix(comment[2:], " "), "x"))
			next = line + 1
			if strings.TrimSpace(s[strings.LastIndexByte(s[:i], '\n')+1:i]) != "" {
				next = 0 // it stands behind code
			}
			i += len(comment)
		case strings.HasPrefix(rest, "/*"):
			comment, _, _ := strings.Cut(rest[2:], "*/")
			var text []string
			for _, l := range strings.Split(comment, "\n") {
				l = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(l), "*"), " ")
				text = append(text, inlineCode.ReplaceAllString(l, "x"))
			}
			all = append(all, paragraphs(line, text)...)
			line += strings.Count(comment, "\n")
			i += min(len(comment)+4, len(rest))
		case c == '"' || c == '\'' || c == '`' || c == '/' && strings.IndexByte("\n(,=:[!&|?{};", code) >= 0:
			n := literal(rest)
			if value := rest[1:max(1, n-1)]; messages && c != '/' && !strings.ContainsAny(value, "<{") {
				all = append(all, literalText(line, value)...)
			}
			line += strings.Count(rest[:n], "\n")
			code = c
			i += n
		default:
			if c == '\n' {
				line++
			} else if c != ' ' && c != '\t' {
				code = c
			}
			i++
		}
	}
	flush()
	return all, nil
}

// literal returns the length of the string, template or regular expression at the start of s.
// It ends a string and a regular expression at their line's end at the latest.
func literal(s string) int {
	class := false
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '\n' && s[0] != '`':
			return i
		case s[0] == '/' && s[i] == '[':
			class = true
		case s[0] == '/' && s[i] == ']':
			class = false
		case s[i] == s[0] && !class:
			return i + 1
		}
	}
	return len(s)
}

// lines returns the comments that begin with mark and end with their line.
func lines(text []byte, mark string) []passage {
	var all []passage
	var block []string
	begin := 0
	flush := func() {
		all = append(all, paragraphs(begin, block)...)
		block = nil
	}
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		comment, ok := strings.CutPrefix(trimmed, mark)
		if !ok || strings.HasPrefix(comment, "!") || strings.HasPrefix(comment, " name:") || strings.HasPrefix(comment, " +goose") {
			flush()
			if _, behind, ok := strings.Cut(trimmed, " "+mark+" "); ok && !strings.ContainsAny(behind, `'"`) {
				all = append(all, passage{i + 1, behind})
			}
			continue
		}
		if len(block) == 0 {
			begin = i + 1
		}
		block = append(block, strings.TrimPrefix(comment, " "))
	}
	flush()
	return all
}

// jsonText returns every string value, at the line on which it stands.
func jsonText(text []byte) ([]passage, error) {
	var all []passage
	d := json.NewDecoder(strings.NewReader(string(text)))
	for {
		t, err := d.Token()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if s, ok := t.(string); ok && strings.Contains(s, " ") {
			line := 1 + strings.Count(string(text[:d.InputOffset()]), "\n")
			all = append(all, passage{line, s})
		}
	}
}

var tag = regexp.MustCompile(`<[^>]*>|\{\{[^}]*\}\}`)

// htmlText returns the text between the tags of a page, line by line.
func htmlText(text []byte) ([]passage, error) {
	var all []passage
	for i, line := range strings.Split(string(text), "\n") {
		if plain := strings.TrimSpace(tag.ReplaceAllString(line, "x")); strings.Count(plain, " ") > 1 {
			all = append(all, passage{i + 1, plain})
		}
	}
	return all, nil
}
